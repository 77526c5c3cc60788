"""URIs of STUN and TURN servers: those of RFC 7064 §3 and RFC 7065 §3, what is none, and that nothing breaks it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slidewire.stun.uri import Uri, parse_uri


@pytest.mark.parametrize(
    ("text", "host", "port", "carrier", "is_relay"),
    [
        ("stun:example.org", "example.org", 3478, "UDP", False),
        ("stuns:example.org", "example.org", 5349, "TLS", False),
        ("stun:example.org:8000", "example.org", 8000, "UDP", False),
        ("stun:example.org?transport=tcp", "example.org", 3478, "TCP", False),
        ("turn:example.org", "example.org", 3478, "UDP", True),
        ("turns:example.org", "example.org", 5349, "TLS", True),
        ("turn:example.org:8000?transport=udp", "example.org", 8000, "UDP", True),
        ("turn:192.0.2.1?transport=tcp", "192.0.2.1", 3478, "TCP", True),
        ("turns:example.org:443?transport=tcp", "example.org", 443, "TLS", True),
        ("turns:example.org?transport=udp", "example.org", 5349, "DTLS", True),
        ("turn:[2001:db8::1]", "2001:db8::1", 3478, "UDP", True),
        ("turns:[2001:DB8::1]:443", "2001:DB8::1", 443, "TLS", True),
        ("turn:[::ffff:192.0.2.1]:65535?transport=tcp", "::ffff:192.0.2.1", 65535, "TCP", True),
        ("TURN:Example.org?TRANSPORT=TCP", "Example.org", 3478, "TCP", True),  # RFC 3986 §3.1, §6.2.2.1
        ("turn:my_relay-1.example:1", "my_relay-1.example", 1, "UDP", True),
    ],
)
def test_what_a_uri_says(text: str, host: str, port: int, carrier: str, is_relay: bool) -> None:
    uri = parse_uri(text)
    assert uri is not None
    assert (uri.text, uri.host, uri.port, uri.carrier, uri.is_relay) == (text, host, port, carrier, is_relay)


def test_whether_a_port_was_named_is_known() -> None:
    one, other = parse_uri("turn:a:3478"), parse_uri("turn:a")
    assert one is not None and other is not None
    assert (one.port, one.named_port) == (3478, 3478) and (other.port, other.named_port) == (3478, None)


@pytest.mark.parametrize(
    ("text", "stun"),
    [
        ("turn:a.example", "stun:a.example:3478"),
        ("turn:[2001:db8::1]:3000?transport=udp", "stun:[2001:db8::1]:3000"),
        ("turn:a.example?transport=tcp", None),
        ("turns:a.example", None),
    ],
)
def test_the_same_server_as_a_stun_server(text: str, stun: str | None) -> None:
    uri = parse_uri(text)
    assert uri is not None and uri.stun == stun


@pytest.mark.parametrize(
    "text",
    [
        "", "turn", "turn:", "turn::3478", "x:a", "http://a", "turn://a", " turn:a", "turn:a ", "turn:a\n", "turn:a b",
        "turn:a:", "turn:a:0", "turn:a:0x10", "turn:a:080", "turn:a:65536", "turn:a:99999999999999999999",
        "turn:a:3478:3478", "turn:a:-1", "turn:a:٣", "turn:a?transport=", "turn:a?transport=sctp", "turn:a?x=y",
        "turn:a?transport=udp&x=y", "turn:a?transport=udp?transport=tcp", "turn:user@a", "turn:a/path", "turn:a#f",
        "turn:2001:db8::1", "turn:[2001:db8::1", "turn:[]", "turn:[:::]", "turn:[fe80::1%eth0]", "turn:[192.0.2.1]",
        "\u017ftun:a", "turn\u017f:a", "turn:a?tran\u017fport=udp",  # a letter whose capital is S
        "turn:bücher.example", "turn:b%75cher.example", "turn:[a.example]", "turn:[2001:db8::1]x", "turn:" + 256 * "a",
    ],
)  # fmt: skip
def test_what_is_none(text: str) -> None:
    assert parse_uri(text) is None


@given(st.one_of(st.text(), st.text("stunrp:[]?=dcq0189af.%@/ \n", max_size=40).map(lambda rest: "turn:" + rest)))
def test_nothing_breaks_it(text: str) -> None:
    uri = parse_uri(text)
    if uri is None:
        return
    assert isinstance(uri, Uri) and 0 < uri.port < 65536 and uri.host
    assert not set(uri.host) & set("[]?/@# \n%")
    host = f"[{uri.host}]" if ":" in uri.host else uri.host
    again = parse_uri(f"{uri.scheme}:{host}:{uri.port}?transport={uri.transport}")
    assert again is not None
    assert (again.host, again.port, again.carrier, again.is_relay) == (uri.host, uri.port, uri.carrier, uri.is_relay)
