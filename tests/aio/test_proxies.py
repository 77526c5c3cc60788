"""Who came to the proxy: never what a client wrote itself."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slidewire.aio.proxies import TrustedProxies

PROXIES = TrustedProxies(["127.0.0.1/32", "10.0.0.0/8", "2001:db8:ffff::/48"])


@pytest.mark.parametrize(
    ("peer", "forwarded", "x_forwarded_for", "client"),
    [
        ("192.0.2.1", [], ["198.51.100.1"], "192.0.2.1"),  # nobody's proxy: its letters count for nothing
        ("127.0.0.1", [], [], "127.0.0.1"),
        ("127.0.0.1", [], ["198.51.100.1"], "198.51.100.1"),
        ("::ffff:127.0.0.1", [], ["198.51.100.1"], "198.51.100.1"),
        ("127.0.0.1", [], ["203.0.113.9, 198.51.100.1"], "198.51.100.1"),  # the first was written by the client
        ("127.0.0.1", [], ["203.0.113.9", "198.51.100.1, 10.1.2.3"], "198.51.100.1"),  # two proxies of ours
        ("127.0.0.1", [], ["10.1.2.3"], "10.1.2.3"),  # a client among the proxies
        ("127.0.0.1", [], ["198.51.100.1, unknown"], "127.0.0.1"),  # whoever said that is the last we know
        ("127.0.0.1", [], ["198.51.100.1:4711"], "198.51.100.1"),
        ("127.0.0.1", [], ["[2001:db8::1]:4711"], "2001:db8::1"),
        ("127.0.0.1", [], ["2001:db8::1"], "2001:db8::1"),
        ("127.0.0.1", ["for=198.51.100.1"], [], "198.51.100.1"),
        ("127.0.0.1", ['for="[2001:db8::1]:4711";proto=https, For=10.1.2.3'], [], "2001:db8::1"),
        ("127.0.0.1", ['for="203.0.113.9, for=1.2.3.4", for=198.51.100.1'], [], "198.51.100.1"),
        ("127.0.0.1", ["for=198.51.100.1, proto=https"], [], "127.0.0.1"),  # the last proxy says nothing of whom
        ("127.0.0.1", ["for=198.51.100.1"], ["203.0.113.9"], "198.51.100.1"),
        ("127.0.0.1", ["for=_hidden"], [], "127.0.0.1"),
        ("2001:db8:ffff::7", ["for=198.51.100.1"], [], "198.51.100.1"),
    ],
)
def test_the_rightmost_address_that_is_no_proxys(
    peer: str, forwarded: list[str], x_forwarded_for: list[str], client: str
) -> None:
    assert PROXIES.client(peer, forwarded, x_forwarded_for) == client


@given(st.lists(st.text(max_size=60), max_size=3), st.lists(st.text(max_size=60), max_size=3))
def test_what_a_client_writes_in_front_changes_nothing(mine: list[str], theirs: list[str]) -> None:
    """Whatever it is, it neither raises nor hides whom our proxy saw, who stands in a header of its own at the end."""
    assert PROXIES.client("127.0.0.1", [], [*mine, "198.51.100.1"]) == "198.51.100.1"
    PROXIES.client("127.0.0.1", theirs, mine)


def test_nobody_is_trusted_without_being_told() -> None:
    assert TrustedProxies().client("127.0.0.1", ["for=198.51.100.1"], ["198.51.100.1"]) == "127.0.0.1"
    with pytest.raises(ValueError, match="hello"):
        TrustedProxies(["hello"])
