"""What the gate knows of an address: how fast it is worked for, and what of it is borne."""

from __future__ import annotations

from dataclasses import replace

import pytest

from slidewire.base.rates import Rate
from slidewire.signaling.abuse_limiter import AbuseLimiter
from slidewire.signaling.limits import Limits

LIMITS = replace(Limits(), work=Rate(100, 10), late=Rate(10, 20), flood=Rate(1, 3))
EVE, ADA = "192.0.2.7", "192.0.2.8"


def test_who_asks_for_more_than_its_turn_waits_and_nobody_else_does() -> None:
    abuse_limiter = AbuseLimiter(LIMITS, b"key")
    waits = [abuse_limiter.queue(EVE, 0.0, 5) for _ in range(5)]
    assert waits[:2] == [0, 0]
    assert [round(wait, 6) for wait in waits[2:]] == [0.05, 0.1, 0.15], "each behind the one before it"
    assert abuse_limiter.queue(ADA, 0.0, 5) == 0
    assert abuse_limiter.queue(EVE, 10.0, 5) == 0, "what waits is not held against it for ever"


def test_a_host_has_a_queue_of_its_own_as_much_faster_as_it_may_send() -> None:
    abuse_limiter = AbuseLimiter(LIMITS, b"key")
    for _ in range(5):
        abuse_limiter.queue(EVE, 0.0, 5)
    waits = [abuse_limiter.queue(EVE, 0.0, 40, is_host=True) for _ in range(4)]
    assert waits == [0, 0, pytest.approx(0.05), pytest.approx(0.1)], "eight times as much, and not behind the others"


def held_by(abuse_limiter: AbuseLimiter, address: str) -> int:
    """How many connections it gets before it is told that there are no more."""
    return next(count for count in range(10_000) if not abuse_limiter.hold(address, 0.0))


def test_who_takes_all_it_can_leaves_something_for_whoever_comes_next() -> None:
    abuse_limiter = AbuseLimiter(replace(Limits(), held=900), b"key")
    shares = [held_by(abuse_limiter, f"192.0.2.{number}") for number in range(10)]
    assert shares[:3] == [300, 200, 134], "the more are greedy, the less each gets"
    assert abuse_limiter.hold("198.51.100.1", 0.0)
    assert abuse_limiter.blocked_for("192.0.2.0", 0.0) == 0, "that there are so many is not the fault of one of them"
    for number, share in enumerate(shares):
        for _ in range(share):
            abuse_limiter.left(f"192.0.2.{number}")
    assert abuse_limiter.held == 1 and abuse_limiter.remembered == 1
    assert held_by(abuse_limiter, "192.0.2.0") == 300


def test_one_address_has_no_more_than_it_may_however_much_there_is() -> None:
    abuse_limiter = AbuseLimiter(replace(Limits(), held_per_address=5), b"key")
    assert held_by(abuse_limiter, EVE) == 5 and abuse_limiter.counts["too many connections at once"] == 1


def test_an_ipv6_address_waits_with_its_neighbours() -> None:
    abuse_limiter = AbuseLimiter(LIMITS, b"key")
    abuse_limiter.queue("2001:db8::1", 0.0, 10)
    assert abuse_limiter.queue("2001:db8::2", 0.0, 10) > 0
    assert abuse_limiter.queue("2001:db8:0:100::1", 0.0, 10) == 0


def test_what_is_late_and_what_is_dropped_are_borne_for_a_while_and_counted_apart() -> None:
    abuse_limiter = AbuseLimiter(LIMITS, b"key")
    assert [abuse_limiter.tolerates_late(EVE, 0.0, 8) for _ in range(3)] == [True, True, False]
    assert [abuse_limiter.tolerates(EVE, 0.0) for _ in range(4)] == [True, True, True, False]
    assert abuse_limiter.tolerates(ADA, 0.0) and abuse_limiter.tolerates_late(ADA, 0.0, 20)
    assert abuse_limiter.remembered == 2
    abuse_limiter.prune(60.0)
    assert abuse_limiter.remembered == 0
