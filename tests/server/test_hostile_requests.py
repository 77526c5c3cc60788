"""Whatever a stranger writes to the port, it gets an answer below 500 or an end, and the log stays short and clean."""

from __future__ import annotations

import asyncio
import contextlib
import io
import logging
import random
import re
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from slidewire.base.rates import Rate
from slidewire.base.text import printable
from slidewire.cli.log import LogHandler
from slidewire.server.app import Ready, Server
from slidewire.signaling.limits import Limits
from tests.server.test_server import running, settings

PATIENCE = 20.0
PLENTY = Rate(1e6, 1e6)
UNGUARDED = replace(
    Limits(),
    tcp_connections=PLENTY,
    requests=PLENTY,
    work=PLENTY,
    tolerance=PLENTY,
    connections=PLENTY,
    held_per_address=4000,
)
"""So that every request is looked at, not only the first few."""
STATUS = re.compile(
    rb"HTTP/[0-9]\.[0-9] ([1-4][0-9]{2}) [\x20-\x7e]+\r\n(?:[A-Za-z0-9-]+: [\x20-\x7e\x80-\xff]*\r\n)*\r\n"
)
SECRET = "s3cr3tS3CR3Ts3cr3t"

METHODS = [b"GET", b"POST", b"HEAD", b"OPTIONS", b"TRACE", b"CONNECT", b"PUT", b"DELETE", b"get", b"PRI", b"\x00", b""]
TARGETS = [
    b"/",
    b"/ws",
    b"/p/abcdefgh23",
    b"/operator",
    b"/assets/x.js",
    b"/healthz",
    b"/metrics",
    b"/trust",
    b"/leaktest/seen",
    b"/api/openapi.json",
    b"/api/auth/token",
    b"/api/turn-credentials",
    b"/api/connections/active",
    b"*",
    b"",
    b"//",
    b"/%",
    b"/%00",
    b"/\x00",
    b"/%2e%2e/%2e%2e/etc/passwd",
    b"/assets/%2e%2e%2fpresenter.html",
    b"/../../etc/passwd",
    b"/%ff%fe",
    b"/\xff\xfe",
    b"/\xe2\x80\xae",
    b"/%E2%80%AE",
    b"/" + b"a" * 300,
    b"/" + b"a" * 8000,
    b"/" + b"a" * 20_000,
    b"/?" + b"&a" * 3000,
    b"/%F0%9F",
    b"http://localhost/healthz",
    b"http://evil.example/",
    b"http://[::1",
    b"http://",
    b"https://a:b@localhost/",
    b"localhost:443",
    b"[::1]:443",
    b"evil:99999",
    b"mailto:a",
    b"/healthz#frag",
    b"/;a=b",
    b"\\\\host\\share",
    b"/a\tb",
    b"/.git/config",
    b"/api/%00",
    b"/p/" + b"%41" * 900,
    b"/assets/" + b"\xc3\xa9" * 100,
    b"/con",
    b"/aux.html",
    b"/presenter.html.gz",
]
VERSIONS = [
    b"HTTP/1.1",
    b"HTTP/1.0",
    b"HTTP/2.0",
    b"HTTP/0.9",
    b"HTTP/1.2",
    b"HTTP/9.9",
    b"http/1.1",
    b"HTTP/1.1 ",
    b"",
    b"SIP/2.0",
]
HEADERS = [
    b"Host: localhost",
    b"Host: evil.example",
    b"Host: ",
    b"Host: loc\x8falhost",
    b"Host: a,b",
    b"Host: [::1]:x",
    b"Host : localhost",
    b"Content-Length: 5",
    b"Content-Length: -1",
    b"Content-Length: 5, 6",
    b"Content-Length: 99999999999999999999",
    b"Content-Length: 0x5",
    b"Transfer-Encoding: chunked",
    b"Transfer-Encoding: chunked, chunked",
    b"Transfer-Encoding: gzip",
    b"Transfer-Encoding: \x0bchunked",
    b"Transfer-Encoding : chunked",
    b"Content-Encoding: gzip",
    b"Content-Encoding: \xff",
    b"Content-Type: application/json",
    b"Content-Type: text/html; charset=\xff",
    b"Content-Type: application/json; charset=klingon",
    b"Content-Type: multipart/form-data",
    b"Expect: 100-continue",
    b"Expect: the-unexpected",
    b"Connection: upgrade",
    b"Connection: close, close",
    b"Upgrade: websocket",
    b"Upgrade: h2c",
    b"Upgrade: websocket\xff",
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    b"Sec-WebSocket-Key: short",
    b"Sec-WebSocket-Key: \xff\xff",
    b"Sec-WebSocket-Key: ",
    b"Sec-WebSocket-Version: 13",
    b"Sec-WebSocket-Version: 0",
    b"Sec-WebSocket-Version: \xb2",
    b"Sec-WebSocket-Version: thirteen",
    b"Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=1",
    b"Sec-WebSocket-Extensions: \xff;;;",
    b"Sec-WebSocket-Protocol: a, \xff",
    b"Sec-WebSocket-Key1: old",
    b"Origin: https://evil.example",
    b"Origin: null",
    b"Origin: \xff",
    b"Origin: http://localhost",
    b"Sec-Fetch-Site: cross-site",
    b"Authorization: Bearer \xff\xff",
    b"Authorization: Basic !!!!",
    b"Authorization: " + SECRET.encode(),
    b"Authorization: Bearer swk_" + SECRET.encode(),
    b"Cookie: a=\xff; =; ;;",
    b"Cookie: __Host-slidewire-access=\xff\xff",
    b"Accept: text/html",
    b"Accept: \xff",
    b"Accept-Encoding: gzip;q=\xff",
    b"Range: bytes=-1",
    b"Range: bytes=5-1",
    b"Range: lines=1",
    b"If-Modified-Since: \xff",
    b"If-None-Match: \xff",
    b"If-Range: never",
    b"X-Forwarded-For: \xff, 1.2.3.4",
    b'Forwarded: for="',
    b"Slidewire-Socket: \xff\xff",
    b"Slidewire-Socket: " + b"a" * 5000,
    b"X-Long: " + b"a" * 9000,
    b"X\x00Y: 1",
    b"\xffname: 1",
    b"no colon",
    b": nameless",
    b" folded",
    b"X-Control: a\x1b[2J\x07b",
    b"X-Bidi: \xe2\x80\xae",
    b"X-Lf: a\nX-Next: b",
    b"X-Cr: a\rb",
    b"Accept-Language: " + b"x" * 100,
    b"Te: trailers",
    b"Trailer: Host",
    b"Date: yesterday",
    b"Via: 1.1 evil",
    b"Max-Forwards: 0",
]
BODIES = [
    b"",
    b"hello",
    b"5\r\nhello\r\n0\r\n\r\n",
    b"FFFFFFFFFFFFFFFFF\r\n",
    b"-1\r\n",
    b"5;ext=\xff\r\nhello\r\n0\r\n\r\n",
    b"zz\r\n",
    b"0\r\n\r\nGET /smuggled HTTP/1.1\r\n\r\n",
    b'{"type":"join"}',
    b"\x1f\x8b\x08\x00garbage",
    b"{" * 2000,
    b"\xff\xff",
    b"\x81\xfe",
    b"0\r\nHost: evil\r\n\r\n",
]
OTHERS = [
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"\x00\x01\x00\x00\x21\x12\xa4\x42",
    b"\x05\x01\x00",
    b"\r\n\r\n\r\n",
    b"\xff" * 500,
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"GET /",
    b"GET",
    b"G",
    b" " * 9000,
    b"A" * 70_000,
    b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\nGET / HTTP/1.1\r\n\r\n",
    b"\r\n\r\n\x00\r\n\r\nQUIT\n",
    b"GET / HTTP/1.1\nHost: localhost\n\n",
    b"HTTP/1.1 200 OK\r\n\r\n",
    b"EHLO x\r\n",
]


def head(dice: random.Random) -> bytes:
    """Mostly all right, so that it gets far, and wrong in one place or several."""
    if dice.random() < 0.05:
        return dice.choice(OTHERS)

    def one(usual: list[bytes], all_: list[bytes], odd: float) -> bytes:
        return dice.choice(all_ if dice.random() < odd else usual)

    target, method = one(TARGETS[:13], TARGETS, 0.5), one(METHODS[:2], METHODS, 0.2)
    headers = [b"Host: localhost"] if dice.random() < 0.9 else []
    headers += dice.choices(HEADERS, k=one([b"", b"x", b"xx"], [b"x" * 5, b"x" * 20, b"x" * 200], 0.1).count(b"x"))
    dice.shuffle(headers)
    line = b" ".join([method, target, one(VERSIONS[:1], VERSIONS, 0.1)])
    whole = b"\r\n".join([line, *headers, b"", b""]) + one([b""], BODIES, 0.3)
    if dice.random() < 0.1:
        at = dice.randrange(len(whole))
        whole = whole[:at] + dice.randbytes(dice.randrange(1, 4)) + whole[at + dice.randrange(3) :]
    return whole


async def answer_to(port: int, said: bytes) -> bytes:
    """All that comes back until the end, or until it is a WebSocket."""
    got = b""
    writer = None
    try:
        async with asyncio.timeout(PATIENCE):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(said)
            while (more := await reader.read(65536)) and not got.startswith(b"HTTP/1.1 101 "):
                got += more
    except ConnectionError:
        pass  # that is an end, too
    finally:
        if writer is not None:
            writer.close()
    return got


class Ears:
    """What `-vv` would write to standard error, of every logger there is."""

    def __init__(self) -> None:
        self.stream = io.StringIO()
        self.handler = LogHandler(self.stream)

    @property
    def text(self) -> str:
        return self.stream.getvalue()


@pytest.fixture
def ears() -> Iterator[Ears]:
    heard, root = Ears(), logging.getLogger()
    level = root.level
    root.setLevel(logging.DEBUG)
    root.addHandler(heard.handler)
    yield heard
    root.removeHandler(heard.handler)
    root.setLevel(level)


@contextlib.asynccontextmanager
async def serving(tmp_path: Path, **more: object) -> AsyncIterator[Ready]:
    pages = tmp_path / "pages"
    (pages / "assets").mkdir(parents=True)
    for name in ("presenter", "operator", "deck", "program", "leaktest", "account"):
        (pages / f"{name}.html").write_text("<!doctype html>hello")
    (pages / "assets" / "x.js").write_text("//")
    options = settings(tmp_path, http=True, accounts=True, pages_dir=pages, keepalive_seconds=0.5, **more)
    async with running(options) as ready:
        yield ready


@pytest.mark.parametrize("seed", range(3))
async def test_every_answer_is_one_and_none_is_a_mistake_of_ours(tmp_path: Path, seed: int, ears: Ears) -> None:
    dice = random.Random(seed)
    asked, statuses = 200, Counter[str]()
    async with serving(tmp_path, limits=UNGUARDED) as ready:
        heads = [head(dice) for _ in range(asked)]
        answers = await asyncio.gather(*(answer_to(ready.port, said) for said in heads))
    for said, answer in zip(heads, answers, strict=True):
        if not answer:
            statuses["closed"] += 1
            continue
        match = STATUS.match(answer)
        assert match is not None, (said[:300], answer[:2000])
        statuses[match[1].decode()] += 1
        later = re.findall(rb"HTTP/[0-9]\.[0-9] ([0-9]{3}) ", answer)
        assert all(status < b"500" for status in later), (said[:300], answer[:600])
    assert statuses["200"] and statuses["400"] and statuses["404"], statuses
    assert "Traceback" not in ears.text and SECRET not in ears.text
    assert len(ears.text) < 100 * asked, ears.text[:2000]
    for line in ears.text.splitlines():
        assert printable(line) == line


@pytest.mark.parametrize("name", [b"Upgrade", b"Connection", b"Sec-WebSocket-Key", b"Sec-WebSocket-Version"])
@pytest.mark.parametrize("odd", [b"\xff", b"\x85", b"\xc3\xa9"])
async def test_a_handshake_that_is_not_ascii_is_none(tmp_path: Path, ears: Ears, name: bytes, odd: bytes) -> None:
    """All of it is right but one header, to the end of which something is added."""
    right = {
        b"Host": b"localhost",
        b"Upgrade": b"websocket",
        b"Connection": b"Upgrade",
        b"Sec-WebSocket-Key": b"dGhlIHNhbXBsZSBub25jZQ==",
        b"Sec-WebSocket-Version": b"13",
    }
    said = {**right, name: right[name] + odd}
    lines = [b"GET /ws HTTP/1.1", *(b"%s: %s" % header for header in said.items()), b"", b""]
    async with serving(tmp_path) as ready:
        answer = await answer_to(ready.port, b"\r\n".join(lines))
    assert answer.startswith(b"HTTP/1.1 400 "), answer[:300]
    assert "Traceback" not in ears.text


async def test_who_goes_on_saying_what_is_none_is_blocked(tmp_path: Path) -> None:
    server = Server(settings(tmp_path, http=True, limits=replace(Limits(), tolerance=Rate(0.01, 10))))
    ready = await server.start()
    try:
        answers = [await answer_to(ready.port, b"\xff\xff\r\n\r\n") for _ in range(13)]
        assert all(answer.startswith(b"HTTP/1.0 400 ") for answer in answers[:10]) and answers[-1] == b""
        assert server.abuse_limiter.counts["requests that are none"] == 11
    finally:
        await server.stop()


async def test_files_come_from_a_table_and_no_path_from_outside_reaches_the_disk(tmp_path: Path) -> None:
    async with serving(tmp_path) as ready:
        (tmp_path / "pages" / "later.txt").write_text("was not there when it started")
        for path in (
            b"/later.txt",
            b"/presenter.html",
            b"/.",
            b"/..",
            b"/assets/..",
            b"/assets/.",
            b"/assets/",
            b"/assets/../presenter.html",
            b"/assets/%2e%2e%2fpresenter.html",
            b"/%2e%2e%2fstate%2fapi-token",
            b"/assets/" + b"a" * 300,
            b"/" + b"a" * 8000,
        ):
            answer = await answer_to(
                ready.port, b"GET " + path + b" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
            )
            assert answer.startswith(b"HTTP/1.1 404 "), (path, answer[:100])
        answer = await answer_to(
            ready.port, b"GET /assets/x.js HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        )
        assert answer.startswith(b"HTTP/1.1 200 ")
