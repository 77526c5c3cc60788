"""The small decisions of the client's socket: where to connect, through which proxy. Its life is in tests/server."""

from __future__ import annotations

import asyncio
import os

import pytest
from yarl import URL

from slidewire.aio.websocket_client import SignalingSocket, system_proxy, websocket_url
from slidewire.signaling.client import Lost, SignalingClient, join


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ("https://clicker.example", "wss://clicker.example/ws"),
        ("https://clicker.example/", "wss://clicker.example/ws"),
        ("https://192.168.1.7:8443/p/abcdefgh23#secret", "wss://192.168.1.7:8443/ws"),
        ("http://127.0.0.1:8080", "ws://127.0.0.1:8080/ws"),
        ("https://[::1]:8443", "wss://[::1]:8443/ws"),
    ],
)
def test_where_the_signaling_of_a_server_or_link_is(given: str, url: str) -> None:
    assert websocket_url(given) == url


@pytest.mark.parametrize("given", ["clicker.example", "ftp://clicker.example", "https://", "", "https:///ws"])
def test_what_is_no_server(given: str) -> None:
    with pytest.raises(ValueError, match="not a server's address"):
        websocket_url(given)


def test_proxies_are_for_other_computers(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("https_proxy", "HTTPS_PROXY", "no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    assert system_proxy(URL("wss://clicker.example/ws")) is None
    monkeypatch.setenv("https_proxy", "http://192.0.2.1:3128")
    assert system_proxy(URL("wss://clicker.example/ws")) == "http://192.0.2.1:3128"
    assert system_proxy(URL("wss://127.0.0.1:8443/ws")) is None
    monkeypatch.setenv("no_proxy", "clicker.example")
    assert system_proxy(URL("wss://clicker.example/ws")) is None
    monkeypatch.delenv("no_proxy")
    monkeypatch.setenv("https_proxy", "socks5://192.0.2.1:1080")
    assert system_proxy(URL("wss://clicker.example/ws")) is None, "aiohttp speaks to HTTP proxies only"


class Proxy:
    """Wants to know who it is for. It has seen the password, and so has aiohttp's own text for what came of it."""

    def __init__(self) -> None:
        self.asked = b""

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.asked = await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
        writer.close()


async def lost_by(server: str) -> str:
    """Why the first attempt failed."""
    lost: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def hear(event: object) -> None:
        if isinstance(event, Lost) and not lost.done():
            lost.set_result(event.reason)

    client = SignalingClient(join("abcdefgh23", bytes(16)), entropy=os.urandom)
    socket = SignalingSocket(server, client, hear)
    await socket.start()
    try:
        async with asyncio.timeout(20):
            return await lost
    finally:
        await socket.stop()


async def test_a_proxys_password_is_in_no_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    proxy = Proxy()
    listening = await asyncio.start_server(proxy, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    for name in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(name, f"http://me:s3cr3t@127.0.0.1:{port}")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    try:
        for server in ("https://clicker.example", "http://clicker.example"):
            reason = await lost_by(server)
            assert b"Proxy-Authorization: Basic" in proxy.asked, "it was told"
            assert "407" in reason and "s3cr3t" not in reason and "me:" not in reason
    finally:
        listening.close()
    reason = await lost_by("https://clicker.example")
    assert f"The proxy 127.0.0.1:{port}" in reason and "s3cr3t" not in reason
