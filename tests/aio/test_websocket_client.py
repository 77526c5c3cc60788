"""The small decisions of the client's socket: where to connect, through which proxy. Its life is in tests/server."""

from __future__ import annotations

import pytest
from yarl import URL

from slidewire.aio.websocket_client import system_proxy, websocket_url


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
