"""Transport addresses, and hosts with ports as people write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slidewire.base.addresses import (
    IPV4,
    IPV6,
    Address,
    HostPort,
    bracketed,
    pack_host,
    parse_host_port,
    unpack_host,
)


def test_an_address_is_written_as_in_a_url_and_equals_what_a_socket_gives() -> None:
    assert str(Address("192.0.2.1", 80)) == "192.0.2.1:80"
    assert str(Address("2001:db8::1", 80)) == "[2001:db8::1]:80"
    assert Address("192.0.2.1", 80) == ("192.0.2.1", 80)
    assert (Address("192.0.2.1", 80).family, Address("::1", 80).family) == (IPV4, IPV6)
    assert (bracketed("a.example"), bracketed("::1")) == ("a.example", "[::1]")


@given(st.ip_addresses().map(str), st.integers(1, 65_535))
def test_what_is_written_is_read(host: str, port: int) -> None:
    assert parse_host_port(str(Address(host, port))) == (host, port)
    assert parse_host_port(bracketed(host)) == (host, None)
    assert unpack_host(pack_host(host)) == host


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("clicker.example", HostPort("clicker.example", None)),
        ("clicker.example:", HostPort("clicker.example", None)),
        ("clicker_1.example:8443", HostPort("clicker_1.example", 8443)),
        ("192.0.2.1:65535", HostPort("192.0.2.1", 65_535)),
        ("[2001:DB8::1]:8443", HostPort("2001:DB8::1", 8443)),
        ("[::ffff:192.0.2.1]", HostPort("::ffff:192.0.2.1", None)),
    ],
)
def test_a_host_and_perhaps_a_port(text: str, found: HostPort) -> None:
    assert parse_host_port(text) == found


@pytest.mark.parametrize(
    "text",
    [
        "", ":80", "a:0", "a:080", "a:65536", "a:x", "a b", "a/b", "a?b", "me@a", "::1", "[::1", "[a]", "[fe80::1%1]",
        "[]", "\u00e9", "a\n", "a:80\n", "a" * 256,
    ],
)  # fmt: skip
def test_anything_else_is_refused(text: str) -> None:
    assert parse_host_port(text) is None
