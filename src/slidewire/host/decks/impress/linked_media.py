"""What a deck's file links to outside of itself, and a copy of it in which those links are cut.

OpenDocument and Office Open XML are ZIP packages of XML, or one XML file (.fodp). All of their XML is read, by a parser
that is shown no entities, up to bounds that no deck reaches, before any program opens the file. A file that cannot be
read that far (an encrypted one, .ppt, .key) is incomplete: nothing of it is allowed, and it is left to the sandbox
(`isolation.py`).

A link is either kept, and then written as the one file that was looked at, or it is empty in the copy. So LibreOffice
finds nothing to fetch, to wait for or to ask about.
"""

from __future__ import annotations

import hashlib
import ntpath
import re
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO
from urllib.parse import unquote, urlsplit
from xml.parsers import expat
from xml.sax.saxutils import quoteattr

MEDIA = frozenset({
    ".png", ".jpg", ".jpeg", ".gif", ".bmp", ".tif", ".tiff", ".webp",
    ".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ogv", ".wmv",
    ".mp3", ".m4a", ".ogg", ".oga", ".opus", ".wav", ".flac", ".aac", ".wma",
})  # fmt: skip
"""No SVG: a picture that may itself link to others."""
MAX_MEMBERS = 20_000
MAX_XML = 128 * 2**20
"""Bytes of XML, unpacked. The largest decks that people have stay far below."""
MAX_LINKS = 10_000
CHUNK = 2**16
TOLD = 3
TOLD_LENGTH = 80

XML_BASE = "http://www.w3.org/XML/1998/namespace base"
RELATIONSHIP = "http://schemas.openxmlformats.org/package/2006/relationships Relationship"
FOLLOWED = frozenset({
    "a", "event-listener", "form", "button", "area-rectangle", "area-circle", "area-polygon", "template", "auto-reload",
})  # fmt: skip
"""Elements whose links are not loaded to show a slide: they are followed later."""
XML_SUFFIXES = (".xml", ".rels", ".svg", ".vml", ".rdf")
NESTED = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")
"""How the file of another program begins: a spreadsheet in a slide has links of its own."""
ATTRIBUTE = re.compile(rb"""(\s+)([^\s=<>"'/]+)(\s*=\s*)("[^"]*"|'[^']*')""")
TAG = re.compile(rb"""<[^\s=<>"'/]+""")

Decide = Callable[[str, bool], "str | None"]
"""What becomes of a link (`True`: one that is only followed): None leaves it, a text takes its place."""


@dataclass(slots=True)
class Links:
    """What a deck links to, to be shown with it."""

    complete: bool = True
    """Everything in the file was understood, so that there is no link but these."""
    media: dict[str, Path] = field(default_factory=dict)
    """Pictures, sounds and films that exist in the deck's own folder."""
    files: dict[str, Path | None] = field(default_factory=dict)
    """Other files of this computer, and where they are."""
    remote: list[str] = field(default_factory=list)
    damaged: str = ""
    """The part of the file that is no XML: nothing can show it, or it is encrypted."""
    followed: int = 0
    """Links that lead out of the deck, but only when they are followed; and its macros."""

    def __bool__(self) -> bool:
        return bool(self.media or self.files or self.remote)

    def told(self) -> str:
        """A few of them, for a sentence: without passwords, and without characters that do something."""
        return _some([*self.remote, *self.files, *self.media])

    def told_media(self) -> str:
        """Likewise, of the media alone."""
        return _some(list(self.media))


class _Unreadable(Exception):
    """The rest of the file is not looked at."""


class _Damaged(_Unreadable):
    """A part that has to be XML is none."""


UNREADABLE = (
    _Unreadable, expat.ExpatError, zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError,
    ValueError, OverflowError, MemoryError,
)  # fmt: skip
"""What reading a package that is none, or a bad one, may raise."""


def find_links(deck: Path) -> Links:
    """Raises `OSError` if the file cannot be read."""
    links, folder = Links(), deck.resolve().parent

    def note(target: str, followed: bool) -> None:
        if followed:
            links.followed += 1
        else:
            _sort(target, folder, links)
        if len(links.media) + len(links.files) + len(links.remote) + links.followed > MAX_LINKS:
            raise _Unreadable

    try:
        if not _each_link(deck, note, None):
            links.complete = False
    except _Damaged as damage:
        links.complete, links.damaged = False, str(damage)
    except UNREADABLE:
        links.complete = False
    return links


def cut_links(deck: Path, copy: Path, kept: dict[str, Path]) -> None:
    """Write a copy that links to the `kept` files, and to nothing else. `deck` is one of which all links are known.
    Raises `OSError`, or `ValueError` if the file has become another meanwhile."""

    def decide(target: str, followed: bool) -> str:
        place = None if followed else kept.get(target)
        return "" if place is None else place.as_uri()

    try:
        with copy.open("wb") as out:
            _each_link(deck, decide, out)
    except UNREADABLE as error:
        raise ValueError("the file changed while it was read") from error


def digest(deck: Path) -> str:
    """Which deck this is: another file by the same name is another deck."""
    with deck.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _each_link(deck: Path, decide: Decide, out: IO[bytes] | None) -> bool:
    """Ask about each link, and write what comes of it. False: there are parts of other programs that were not read."""
    with deck.open("rb") as file:
        if file.read(4) != NESTED[0]:
            file.seek(0)
            content = _Source(file, MAX_XML).read()
            if not content:
                raise _Unreadable
            content = _rewrite(content, decide, in_package=False)
            if out is not None:
                out.write(content)
            return True
        return _each_member(file, decide, out)


def _each_member(file: IO[bytes], decide: Decide, out: IO[bytes] | None) -> bool:
    understood = True
    left = MAX_XML
    with zipfile.ZipFile(file) as package:
        members = package.infolist()
        if len(members) > MAX_MEMBERS or len({member.filename for member in members}) < len(members):
            raise _Unreadable  # of two by one name, who knows which is read
        written = None if out is None else zipfile.ZipFile(out, "w")
        for member in members:
            with package.open(member) as source:
                if member.filename.lower().endswith(XML_SUFFIXES):
                    content = _Source(source, left).read()
                    left -= len(content)
                    try:
                        content = _rewrite(content, decide, in_package=True)
                    except expat.ExpatError:
                        raise _Damaged(member.filename) from None
                    if written is not None:
                        written.writestr(member, content)
                    continue
                head = source.read(len(NESTED[0]))
                understood = understood and head not in NESTED
                if written is not None:
                    with written.open(member, "w", force_zip64=True) as part:
                        part.write(head)
                        while chunk := source.read(CHUNK):
                            part.write(chunk)
        if written is not None:
            written.close()
    return understood


class _Source:
    """Reads all of a stream, unless that is too much: what is packed may be a thousand times smaller."""

    def __init__(self, stream: IO[bytes], most: int) -> None:
        self._stream = stream
        self._most = most

    def read(self) -> bytes:
        parts, length = [], 0
        while chunk := self._stream.read(CHUNK):
            length += len(chunk)
            if length > self._most:
                raise _Unreadable
            parts.append(chunk)
        return b"".join(parts)


def _rewrite(xml: bytes, decide: Decide, *, in_package: bool) -> bytes:
    """This XML with what became of its links. What is not asked about stays as it was, byte for byte."""
    if not xml:
        return xml
    parser = expat.ParserCreate(namespace_separator=" ")
    changes: list[tuple[int, str, str]] = []

    def start(name: str, attributes: dict[str, str]) -> None:
        for attribute, target, followed in _links_of(name, attributes, in_package=in_package):
            if (instead := decide(target, followed)) is not None:
                changes.append((parser.CurrentByteIndex, attribute, instead))

    def declared(version: str, encoding: str | None, standalone: int) -> None:
        if encoding is not None and encoding.lower() not in ("utf-8", "us-ascii"):
            raise _Unreadable

    def document_type(name: str, system: str | None, public: str | None, has_internal_subset: int) -> None:
        # It could hide a link in an entity or a default, or be a bomb. No program that makes decks writes one.
        if has_internal_subset:
            raise _Unreadable

    if xml[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise _Unreadable
    parser.StartElementHandler = start
    parser.XmlDeclHandler = declared
    parser.StartDoctypeDeclHandler = document_type
    parser.Parse(xml, True)
    return _changed(xml, changes)


def _changed(xml: bytes, changes: list[tuple[int, str, str]]) -> bytes:
    parts, at = [], 0
    for index, attribute, instead in changes:
        name = TAG.match(xml, index)
        assert name is not None
        position = name.end()
        while found := ATTRIBUTE.match(xml, position):
            position = found.end()
            if found[2].rpartition(b":")[2] == attribute.encode():
                parts += [xml[at : found.start(4)], quoteattr(instead).encode()]
                at = position
    parts.append(xml[at:])
    return b"".join(parts)


def _links_of(name: str, attributes: dict[str, str], *, in_package: bool) -> list[tuple[str, str, bool]]:
    """The link of an element: attribute, target, whether it is only followed. None that stays in the deck."""
    if XML_BASE in attributes:
        raise _Unreadable  # it would make another file of every link
    if name == RELATIONSHIP:
        if attributes.get("TargetMode") != "External":
            return []
        attribute, target = "Target", attributes.get("Target", "").strip()
        followed = attributes.get("Type", "").endswith("/hyperlink")
    else:
        attribute, followed = "href", name.rpartition(" ")[2] in FOLLOWED
        target = next((text for key, text in attributes.items() if key.rpartition(" ")[2] == "href"), "").strip()
        if in_package:
            target = _out_of_package(target)
    if not target or target.startswith(("#", "data:")):
        return []
    return [(attribute, target, followed)]


def _out_of_package(target: str) -> str:
    """A relative reference that stays in the package is no link. A package counts as a folder, hence one step less."""
    if target.startswith("../"):
        return target[3:]
    if target.startswith(("/", "\\")) or re.match(r"[A-Za-z][A-Za-z0-9+.-]*:", target):
        return "" if target.lower().startswith("vnd.sun.star.package:") else target
    return ""


def _sort(target: str, folder: Path, links: Links) -> None:
    path = _local(target)
    if path is None:
        if target not in links.remote:
            links.remote.append(target)
        return
    try:
        place = (folder / path).resolve()
        inside = place.is_relative_to(folder) and place.suffix.lower() in MEDIA and place.is_file()
    except (OSError, RuntimeError, ValueError):  # a loop of symbolic links, a zero byte
        links.files[target] = None
        return
    if inside:
        links.media[target] = place
    else:
        links.files[target] = place


def _local(target: str) -> str | None:
    """The path that this reference names on this computer, None for what is elsewhere."""
    scheme = re.match(r"([A-Za-z][A-Za-z0-9+.-]+):", target)  # two characters at least: one is a drive of Windows
    if scheme is None:
        if target.startswith(("\\\\", "//")):
            return None
        if ntpath.splitdrive(target)[0]:
            return target
        return unquote(target.partition("#")[0]).replace("\\", "/")
    if scheme[1].lower() != "file":
        return None
    try:
        parts = urlsplit(target)
    except ValueError:
        return None
    if parts.netloc not in ("", "localhost") or parts.path.startswith("//"):
        return None
    return unquote(parts.path)


def _some(links: list[str]) -> str:
    shown = ", ".join(_printable(link) for link in links[:TOLD])
    return shown if len(links) <= TOLD else f"{shown} and {len(links) - TOLD} more"


def _printable(link: str) -> str:
    """Without the name, password and query of a URL."""
    plain = re.sub(r"//[^/@]*@", "//", link.partition("?")[0])
    plain = "".join(sign if sign.isprintable() else "?" for sign in plain[: TOLD_LENGTH + 1])
    return plain if len(plain) <= TOLD_LENGTH else plain[:TOLD_LENGTH] + "…"
