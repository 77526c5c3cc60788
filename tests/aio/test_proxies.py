"""Who came to the proxy: never what a client wrote itself."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slidewire.aio.proxies import TrustedProxies

NETWORKS = ["127.0.0.1/32", "10.0.0.0/8", "2001:db8:ffff::/48"]
LISTED = TrustedProxies(NETWORKS)
FORWARDED = TrustedProxies(NETWORKS, "Forwarded")


@pytest.mark.parametrize(
    ("peer", "said", "client"),
    [
        ("192.0.2.1", ["198.51.100.1"], "192.0.2.1"),  # nobody's proxy: what it says counts for nothing
        ("127.0.0.1", [], "127.0.0.1"),
        ("127.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        ("::ffff:127.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        ("127.0.0.1", ["203.0.113.9, 198.51.100.1"], "198.51.100.1"),  # the first was written by the client
        ("127.0.0.1", ["203.0.113.9", "198.51.100.1, 10.1.2.3"], "198.51.100.1"),  # two proxies of ours
        ("127.0.0.1", ["198.51.100.1", "10.1.2.3"], "198.51.100.1"),  # in a header each
        ("127.0.0.1", ["10.1.2.3"], "10.1.2.3"),  # a client among the proxies
        ("127.0.0.1", ["198.51.100.1, unknown"], "127.0.0.1"),  # whoever said that is the last we know
        ("127.0.0.1", ["198.51.100.1, unknown, 10.1.2.3"], "10.1.2.3"),
        ("127.0.0.1", ["198.51.100.1, , 10.1.2.3"], "10.1.2.3"),  # it said nothing of who came to it
        ("127.0.0.1", ["198.51.100.1,"], "127.0.0.1"),
        ("127.0.0.1", ["198.51.100.1:4711"], "198.51.100.1"),
        ("127.0.0.1", ["[2001:db8::1]:4711"], "2001:db8::1"),
        ("127.0.0.1", ["2001:db8::1"], "2001:db8::1"),
        ("127.0.0.1", ["[2001:db8::1]nonsense"], "127.0.0.1"),
        ("127.0.0.1", ["fe80::1%eth0"], "127.0.0.1"),
        ("127.0.0.1", ["::ffff:198.51.100.1"], "198.51.100.1"),
        ("127.0.0.1", ["198.51.100.256"], "127.0.0.1"),
        ("127.0.0.1", ["0xc6336401"], "127.0.0.1"),
        ("127.0.0.1", ["unix:"], "127.0.0.1"),
        ("2001:db8:ffff::7", ["198.51.100.1"], "198.51.100.1"),
        ("127.0.0.1", [", ".join(["198.51.100.1"] + ["10.1.2.3"] * 50)], "10.1.2.3"),  # so far and no further
    ],
)
def test_the_list_is_read_from_its_end_to_the_first_that_is_no_proxys(peer: str, said: list[str], client: str) -> None:
    assert LISTED.client(peer, said) == client


@pytest.mark.parametrize(
    ("said", "client"),
    [
        (["for=198.51.100.1"], "198.51.100.1"),
        (["For=198.51.100.1;proto=https;by=10.0.0.1"], "198.51.100.1"),
        (['for="198.51.100.1:4711"'], "198.51.100.1"),
        (['for="[2001:db8::1]:4711";proto=https, For=10.1.2.3'], "2001:db8::1"),
        (['for="203.0.113.9, for=1.2.3.4", for=198.51.100.1'], "198.51.100.1"),
        (["for=198.51.100.1, proto=https"], "127.0.0.1"),  # the last proxy says nothing of whom
        (["for=198.51.100.1;for=203.0.113.9"], "127.0.0.1"),  # or too much
        (["for=198.51.100.1 nonsense"], "127.0.0.1"),
        (["for=_hidden"], "127.0.0.1"),
        (['for="203.0.113.9, for=198.51.100.1'], "127.0.0.1"),  # a quote that is left open hides nobody else's word
        (['for="203.0.113.9', "for=198.51.100.1"], "198.51.100.1"),  # and reaches no further than its own header
    ],
)
def test_forwarded_likewise(said: list[str], client: str) -> None:
    assert FORWARDED.client("127.0.0.1", said) == client


@given(st.lists(st.text(max_size=60), max_size=3))
def test_what_a_client_writes_in_front_changes_nothing(mine: list[str]) -> None:
    """Whatever it is, it neither raises nor hides whom our proxy saw, who stands in a header of its own at the end."""
    assert LISTED.client("127.0.0.1", [*mine, "198.51.100.1"]) == "198.51.100.1"
    assert LISTED.client("127.0.0.1", [", ".join([*mine, "198.51.100.1"])]) == "198.51.100.1"
    assert FORWARDED.client("127.0.0.1", [*mine, "for=198.51.100.1"]) == "198.51.100.1"
    assert FORWARDED.client("127.0.0.1", [", ".join([*mine, "for=198.51.100.1"])]) in ("198.51.100.1", "127.0.0.1")


def test_nobody_is_trusted_without_being_told() -> None:
    assert TrustedProxies().client("127.0.0.1", ["198.51.100.1"]) == "127.0.0.1"
    with pytest.raises(ValueError, match="hello"):
        TrustedProxies(["hello"])


@pytest.mark.parametrize("name", ["", "Host", "host", "X Forwarded", "X-For:", "Connection", "\u00e4"])
def test_what_is_no_header_that_says_who_somebody_is(name: str) -> None:
    with pytest.raises(ValueError, match="is no header"):
        TrustedProxies([], name)
