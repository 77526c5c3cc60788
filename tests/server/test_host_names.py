"""To which names the server answers. What a browser takes for another site's is never answered as that site's."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from slidewire.server.app import Ready
from slidewire.server.host_names import HostNames, parse_authority
from slidewire.system.errors import SetupError
from tests.server.certificates import make_certificate
from tests.server.test_server import browser, running, settings


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("clicker.example", "clicker.example"),
        ("Clicker.EXAMPLE:8443", "clicker.example"),
        ("clicker.example.", "clicker.example"),
        ("clicker.example.:443", "clicker.example"),
        ("clicker.example:", "clicker.example"),
        ("my_service:80", "my_service"),
        ("192.0.2.1", None),
        ("192.0.2.1:8443", None),
        ("[2001:DB8::1]", None),
        ("[::1]:8443", None),
        ("2130706433", "2130706433"),  # no address as browsers write them, and so a name
    ],
)
def test_a_host_and_maybe_a_port(text: str, name: str | None) -> None:
    found = parse_authority(text)
    assert found is not None and found.name == name and found.text == text.lower()


@pytest.mark.parametrize(
    "text",
    [
        "", ".", "..", "a..b", ":80", "clicker.example:x", "clicker.example:99999", "clicker.example:80:80",
        "::1", "[::1",
        "[fe80::1%25eth0]", "[clicker]", "me@clicker.example", "clicker.example/", "clicker.example,localhost", "a b",
        "loc\udc8falhost", "\u0131nvalid.example", "a" * 64, "a." * 130,
        'a"><script>x', "localhost\x00", "\u0661.example",
    ],
)  # fmt: skip
def test_what_is_none(text: str) -> None:
    assert parse_authority(text) is None


@pytest.fixture
def system(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """What the system calls itself: short, and in full."""
    called = ["lectern", "lectern.campus.example"]
    monkeypatch.setattr(socket, "gethostname", lambda: called[0])
    monkeypatch.setattr(socket, "getfqdn", lambda name: called[1])
    yield called
    for thread in threading.enumerate():
        if thread.name == "own name":
            thread.join()


class TestNames:
    def test_localhost_what_was_given_and_what_the_system_calls_itself(self, system: list[str]) -> None:
        names = HostNames(["Clicker.Example.", "127.0.0.1"])
        for thread in threading.enumerate():
            if thread.name == "own name":
                thread.join()
        for name in (
            "localhost", "clicker.example", "lectern", "lectern.local", "lectern-2.local", "lectern.campus.example"
        ):  # fmt: skip
            assert name in names, name
        for name in (
            "evil.example", "lectern.evil.example", "evil.local", "a.lectern.local", "clicker.example.evil.example",
            "notlocalhost", "", "local", "lectern-2.example", "evil.localhost",
        ):  # fmt: skip
            assert name not in names, name

    def test_a_system_that_is_called_something_else_from_now_on(self, system: list[str]) -> None:
        names = HostNames([], ask_dns=False)
        assert "lectern.local" in names
        system[0] = "podium-3.local"
        assert "podium-3.local" in names and "podium.local" in names and "lectern.local" not in names

    def test_the_certificates_names_as_they_are_at_the_moment(self) -> None:
        covered = ["Slides.Example", "*.halls.example"]
        names = HostNames([], lambda: covered, ask_dns=False)
        assert "slides.example" in names and "a.halls.example" in names
        assert "halls.example" not in names and "a.b.halls.example" not in names
        covered.clear()
        assert "slides.example" not in names


async def said(ready: Ready, head: str) -> tuple[int, str]:
    """The answer to one request, over plain HTTP."""
    reader, writer = await asyncio.open_connection("127.0.0.1", ready.port)
    try:
        writer.write(head.replace("\n", "\r\n").encode("latin-1") + b"Connection: close\r\n\r\n")
        async with asyncio.timeout(20):
            answer = (await reader.read()).decode()
    finally:
        writer.close()
    return int(answer.split(" ", 2)[1]), answer


class TestServer:
    @pytest.mark.parametrize(
        ("head", "status"),
        [
            ("GET /healthz HTTP/1.1\nHost: localhost\n", 200),
            ("GET /healthz HTTP/1.1\nHost: LocalHost.:99\n", 200),
            ("GET /healthz HTTP/1.1\nHost: 192.0.2.7\n", 200),
            ("GET /healthz HTTP/1.1\nHost: [2001:db8::7]:443\n", 200),
            ("GET /healthz HTTP/1.1\nHost: clicker.example\n", 200),
            ("GET /healthz HTTP/1.1\nHost: backend\n", 200),
            ("GET /healthz HTTP/1.0\n", 200),
            ("GET /healthz HTTP/1.0\nHost: evil.example\n", 421),
            ("GET http://localhost/healthz HTTP/1.1\nHost: evil.example\n", 200),  # RFC 9112 §3.2.2
            ("GET http://evil.example/healthz HTTP/1.1\nHost: localhost\n", 421),
            ("GET http://me@localhost/healthz HTTP/1.1\nHost: localhost\n", 400),
            ("GET /healthz HTTP/1.1\nHost: evil.example\n", 421),
            ("GET /nothing HTTP/1.1\nHost: evil.example\n", 421),
            ("GET / HTTP/1.1\nHost: evil.example\n", 421),
            ("POST /ws HTTP/1.1\nHost: evil.example\nContent-Length: 0\n", 421),
            ("GET /api/connections/active HTTP/1.1\nHost: evil.example\n", 421),
            ("GET /healthz HTTP/1.1\n", 400),
            ("GET /healthz HTTP/1.1\nHost:\n", 400),
            ("GET /healthz HTTP/1.1\nHost: localhost\nHost: localhost\n", 400),
            ("GET / HTTP/1.1\nHost: loc\x8falhost\n", 400),
            ('GET / HTTP/1.1\nHost: a"><script>x\n', 400),
        ],
    )  # fmt: skip
    async def test_who_asks_for_what(self, tmp_path: Path, head: str, status: int) -> None:
        options = settings(tmp_path, http=True, url="https://clicker.example", host_names=("backend",))
        async with running(options) as ready:
            got, answer = await said(ready, head)
            assert got == status, answer
            assert "<script>x" not in answer

    async def test_sockets_too_and_the_sentence_says_what_to_do(self, tmp_path: Path) -> None:
        async with running(settings(tmp_path, http=True)) as ready:
            upgrade = (
                "GET /ws HTTP/1.1\nHost: evil.example\nUpgrade: websocket\nSec-WebSocket-Version: 13\n"
                "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\n"
            )
            got, answer = await said(ready, upgrade)
            assert got == 421 and "--host-name" in answer
            got, answer = await said(ready, "GET / HTTP/1.1\nHost: evil.example\nAccept: text/html\n")
            assert got == 421 and "<h1>Not by this name</h1>" in answer

    async def test_the_names_of_the_certificate_that_was_given(self, tmp_path: Path) -> None:
        certificate, key, _ = make_certificate(tmp_path, "slides", also=("slides.example",))
        options = settings(tmp_path, tls_cert=certificate, tls_key=key)
        async with running(options) as ready, browser(ready) as session:
            for host, status in (("slides.example", 200), ("evil.example", 421)):
                async with session.get("/healthz", headers={"Host": host}, ssl=False) as answer:
                    assert answer.status == status

    async def test_a_name_that_is_none(self, tmp_path: Path) -> None:
        with pytest.raises(SetupError, match="--host-name"):
            async with running(settings(tmp_path, host_names=("https://clicker.example",))):
                pass

    async def test_strangers_do_not_fill_the_log_with_names(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        async with running(settings(tmp_path, http=True)) as ready:
            for number in range(30):
                await said(ready, f"GET / HTTP/1.1\nHost: evil{number}.example\n")
            assert 1 <= caplog.text.count("not one of this server's names") <= 8


def test_the_system_has_a_name_here() -> None:
    assert socket.gethostname().lower() in HostNames([], ask_dns=False)
