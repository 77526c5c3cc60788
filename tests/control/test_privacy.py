"""Which addresses pass: the table of control/privacy.py written out once more, and what a hostile other end may try."""

from __future__ import annotations

import ipaddress
import json
import random
import re

import pytest

from slidewire.control.privacy import Filter, IceServer, Kind, Privacy, kind_of, permit_servers, read_privacy, stricter
from tools import make_privacy_vectors

MDNS = "6ba7b810-9dad-11d1-80b4-00c04fd430c8.local"
EVERY, NOT_PRIVATE, NEAR, NEVER = range(4)


def passes(policy: Privacy, near: bool, candidate: str) -> str | None:
    filter_ = Filter(policy)
    filter_.is_near = near
    passed = filter_.candidate(candidate)
    assert filter_.stopped == (passed is None)
    return passed


@pytest.mark.parametrize(
    ("address", "kind", "when"),
    [
        ("203.0.113.1", "relay", EVERY),
        ("192.168.1.1", "relay", EVERY),  # the relay's, which is the server's, and no secret to its members
        (MDNS, "host", NOT_PRIVATE),
        ("198.51.100.7", "host", NOT_PRIVATE),
        ("2600::7", "host", NOT_PRIVATE),
        ("198.51.100.7", "srflx", NOT_PRIVATE),
        ("198.51.100.7", "prflx", NOT_PRIVATE),
        ("192.168.1.7", "host", NEAR),
        ("fd00::7", "host", NEAR),
        ("fe80::7", "host", NEAR),
        ("169.254.1.7", "host", NEAR),
        ("100.64.1.7", "srflx", NEAR),
        ("::ffff:192.168.1.7", "srflx", NEAR),
        ("127.0.0.1", "prflx", NEAR),
        ("host.example", "host", NEVER),
        ("0300.0250.1.7", "host", NEVER),
    ],
)
def test_what_passes_under_which_policy(address: str, kind: str, when: int) -> None:
    candidate = f"candidate:1 1 udp 1 {address} 50000 typ {kind}"
    for near in (False, True):
        expected = {
            Privacy.OPEN: when != NEVER,
            Privacy.BALANCED: when in (EVERY, NOT_PRIVATE) or (when == NEAR and near),
            Privacy.PRIVATE: when == EVERY,
        }
        assert {policy: passes(policy, near, candidate) is not None for policy in Privacy} == expected


def test_a_policy_is_tightened_and_never_loosened() -> None:
    order = [Privacy.OPEN, Privacy.BALANCED, Privacy.PRIVATE]
    for one in order:
        for other in order:
            assert stricter(one, other) is order[max(order.index(one), order.index(other))]
    assert read_privacy(None, Privacy.BALANCED) is Privacy.BALANCED
    assert read_privacy("closed", Privacy.OPEN) is Privacy.PRIVATE, "a later version's word: the strictest we know"


@pytest.mark.parametrize("policy", [Privacy.BALANCED, Privacy.PRIVATE])
def test_no_description_made_of_candidates_holds_a_local_address(policy: Privacy) -> None:
    """Whatever an agent writes, in whatever place; and what has passed passes again unchanged."""
    dice = random.Random(8839)
    local = [
        "10.1.2.3",
        "192.168.7.8",
        "172.20.0.9",
        "fd12::9",
        "fe80::1",
        "::ffff:10.1.2.3",
        "100.99.1.1",
        "169.254.7.7",
    ]
    for _ in range(500):
        lines = [
            f"o=- 1 2 IN IP4 {dice.choice(local)}",
            f"c=IN IP4 {dice.choice(local)}",
            f"m=application {dice.randrange(65536)} x",
        ]
        for _ in range(5):
            kind = dice.choice(["host", "srflx", "prflx"])
            address, related = dice.choice([*local, "8.8.8.8", MDNS]), dice.choice(local)
            lines.append(
                f"a=candidate:{dice.randrange(9)} 1 udp {dice.randrange(1 << 31)} {address} 9 typ {kind} "
                f"raddr {related} rport 9 generation 0 x-was {dice.choice(local)}"
            )
        lines += [f"a=rtcp:9 IN IP4 {dice.choice(local)}", f"a=remote-candidates:1 {dice.choice(local)} 9"]
        filter_ = Filter(policy)
        left = filter_.description("\r\n".join(lines))
        assert not any(address in left for address in local), left
        assert Filter(policy).description(left) == left


def test_a_foundation_says_nothing_of_the_address_that_it_was_made_of() -> None:
    """Ours, for one, are a hash of it: somebody with a list of all private addresses would find it."""
    filter_ = Filter(Privacy.BALANCED)
    named = [filter_.candidate(f"candidate:{found} 1 udp 1 8.8.8.8 9 typ srflx") for found in ("5c1b", "0a77", "5c1b")]
    assert [re.match(r"candidate:(\d+) ", str(text))[1] for text in named] == ["1", "2", "1"]  # type: ignore[index]


def test_addresses_are_what_the_registries_say() -> None:
    dice = random.Random(1918)
    for _ in range(20_000):
        four = ipaddress.IPv4Address(dice.getrandbits(32))
        if four.is_private and not any(four in ipaddress.ip_network(net) for net in DOCUMENTATION):
            assert kind_of(str(four)) is Kind.LOCAL, four
        six = ipaddress.IPv6Address(dice.getrandbits(128))
        if not six.is_global and six not in ipaddress.ip_network("2001::/23"):
            assert kind_of(str(six)) is Kind.LOCAL, six


DOCUMENTATION = ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "198.18.0.0/15")
"""Nobody's, so that nothing is learnt from them."""


@pytest.mark.parametrize(
    "word", [None, 5, [], {}, "x" * 100_000, "candidate:" + " a b" * 50_000, "\0", "candidate:1 1"]
)
def test_whatever_comes_is_judged(word: object) -> None:
    assert Filter(Privacy.BALANCED).candidate(str(word)) is None


def test_which_ice_servers_may_be_used() -> None:
    own = {
        "urls": ["stun:Clicker.example:3478", "turns:clicker.example?transport=tcp"],
        "username": "a",
        "credential": "b",
    }
    others = [
        {"urls": "stun:stun.example:19302"},
        {"urls": ["turn:clicker.example@evil.example", "turn:evil.example?transport=udp&clicker.example"]},
        {"urls": ["http://clicker.example/", "turn:clicker.example.evil.example", "turn:"]},
        {"urls": None},
        {},
        "stun:clicker.example",
    ]
    permitted, refused = permit_servers([own, *others], ["clicker.example"])
    ours = IceServer(tuple(own["urls"]), "a", "b")
    assert permitted == [ours] and set(refused) == {"stun.example", "clicker.example.evil.example", "?"}
    listed, _ = permit_servers([own, *others], ["clicker.example", "stun.example:19302"])
    assert listed == [ours, IceServer(("stun:stun.example:19302",))]


def test_the_vectors_are_this_code_s() -> None:
    kept = make_privacy_vectors.TARGET.read_text()
    assert json.loads(kept) == json.loads(json.dumps(make_privacy_vectors.vectors())), (
        "run tools/make_privacy_vectors.py"
    )
