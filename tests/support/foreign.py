"""Decks from somebody else: each links to things outside of itself in every way that we know of."""

from __future__ import annotations

import re
import threading
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from xml.sax.saxutils import quoteattr

from tests.support.decks import numbered_odp

SPACES = {
    "office": "urn:oasis:names:tc:opendocument:xmlns:office:1.0",
    "script": "urn:oasis:names:tc:opendocument:xmlns:script:1.0",
    "xlink": "http://www.w3.org/1999/xlink",
    "svg": "urn:oasis:names:tc:opendocument:xmlns:svg-compatible:1.0",
    "draw": "urn:oasis:names:tc:opendocument:xmlns:drawing:1.0",
    "presentation": "urn:oasis:names:tc:opendocument:xmlns:presentation:1.0",
    "text": "urn:oasis:names:tc:opendocument:xmlns:text:1.0",
}
EVENTS = ("dom:load", "office:load-finished", "office:view-created", "office:new")


class Requests:
    """A web server that knows nothing, and what it was asked for."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        requests = self.seen

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                requests.append(f"{self.command} {self.path}")
                self.send_response(404)
                self.send_header("Content-Length", "0")
                self.end_headers()

            do_GET = do_HEAD = do_OPTIONS = do_PROPFIND = answer  # noqa: N815

            def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    @contextmanager
    def listening(self) -> Iterator[Requests]:
        thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()
            thread.join()


def frame(kind: str, target: str, x: float = 1.0, y: float = 1.0, size: float = 3.0, more: str = "") -> str:
    """A shape of this kind that shows what is at `target`."""
    link = f'xlink:href={quoteattr(target)} xlink:type="simple" xlink:show="embed" xlink:actuate="onLoad"'
    place = f'svg:x="{x}cm" svg:y="{y}cm" svg:width="{size}cm" svg:height="{size}cm"'
    return f"<draw:frame {place}><draw:{kind} {more} {link}/></draw:frame>"


def listeners(macro: str) -> str:
    """Run this when the deck is opened."""
    each = "".join(
        f'<script:event-listener script:language="ooo:script" script:event-name="{event}" '
        f'xlink:href={quoteattr(macro)} xlink:type="simple"/>'
        for event in EVENTS
    )
    return f"<office:scripts><office:event-listeners>{each}</office:event-listeners></office:scripts>"


def on_click(action: str, target: str) -> str:
    """A shape over the whole slide that does this when it is clicked."""
    link = f'xlink:href={quoteattr(target)} xlink:type="simple" xlink:show="new" xlink:actuate="onRequest"'
    return (
        '<draw:rect svg:x="0cm" svg:y="0cm" svg:width="28cm" svg:height="15cm"><office:event-listeners>'
        f'<presentation:event-listener script:event-name="dom:click" presentation:action="{action}" {link}/>'
        "</office:event-listeners></draw:rect>"
    )


def make(path: Path, shapes: str = "", scripts: str = "", members: Mapping[str, bytes] | None = None) -> Path:
    """A deck of three slides with these shapes on its first slide, these scripts, and these files in its package."""
    with zipfile.ZipFile(numbered_odp(3)) as source, zipfile.ZipFile(path, "w") as deck:
        for item in source.infolist():
            data = source.read(item)
            if item.filename == "content.xml":
                data = _with(data.decode(), shapes, scripts).encode()
            elif item.filename == "META-INF/manifest.xml":
                data = data.replace(
                    b"</manifest:manifest>", "".join(map(_entry, members or {})).encode() + b"</manifest:manifest>"
                )
            deck.writestr(item, data)
        for name, data in (members or {}).items():
            deck.writestr(name, data)
    return path


def _entry(member: str) -> str:
    return f'<manifest:file-entry manifest:full-path="{member}" manifest:media-type=""/>'


def _with(content: str, shapes: str, scripts: str) -> str:
    for prefix, space in SPACES.items():
        if f"xmlns:{prefix}=" not in content:
            content = content.replace(
                "<office:document-content ", f'<office:document-content xmlns:{prefix}="{space}" ', 1
            )
    content = re.sub(r"(<office:document-content[^>]*>)", lambda match: match[1] + scripts, content, count=1)
    return re.sub(r"(<draw:page [^>]*>)", lambda match: match[1] + shapes, content, count=1)
