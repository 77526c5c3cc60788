"""Rates, tables that have an end, and blocks."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slidewire.base.rates import Blocks, Bucket, Buckets, Rate, Sieve


@given(
    st.floats(0.1, 1000), st.integers(1, 100), st.lists(st.floats(0, 1), min_size=1, max_size=200)
)  # fmt: skip
def test_never_more_than_the_burst_and_the_rate(per_second: float, burst: int, pauses: list[float]) -> None:
    rate, now, full_at, taken = Rate(per_second, burst), 100.0, 0.0, 0
    for pause in pauses:
        now += pause
        after = rate.take(full_at, now)
        assert (after is None) == (rate.wait(full_at, now) > 0)
        assert rate.left(full_at, now) <= burst
        if after is not None:
            full_at, taken = after, taken + 1
        assert taken <= burst + per_second * (now - 100.0) + 1e-6


def test_a_bucket_is_full_at_first_whatever_the_clock_shows_and_says_how_long_to_wait() -> None:
    for now in (-1e6, 0.0, 1e9):
        bucket = Bucket(Rate(10, 2))
        assert [bucket.take(now) for _ in range(3)] == pytest.approx([0, 0, 0.1], abs=1e-6)
        assert bucket.take(now, cost=2.0) == pytest.approx(0.2, abs=1e-6), "what was refused costs nothing"
        assert bucket.take(now + 0.2, cost=2.0) == 0


def test_a_table_keeps_those_who_used_it_last() -> None:
    buckets: Buckets[int] = Buckets(Rate(1, 2), most=3)
    for key in (1, 2, 3, 1, 4):
        assert buckets.take(key, 0.0) == 0
    assert list(buckets.full_at) == [3, 1, 4], "2 was idle longest"
    assert buckets.take(1, 0.0) == pytest.approx(1.0) and buckets.left(4, 0.0) == 1
    buckets.prune(10.0)
    assert not buckets.full_at


def test_a_sieve_remembers_nobody() -> None:
    sieve = Sieve(Rate(1, 2), b"key", buckets=64)
    assert [sieve.take(b"one", 0.0) for _ in range(3)] == [True, True, False]
    for number in range(10_000):
        sieve.take(number.to_bytes(4, "big"), 0.0)
    assert len(sieve._full_at) == 64
    assert sieve.take(b"one", 100.0)


def test_a_sieve_can_queue_instead_of_refusing() -> None:
    sieve = Sieve(Rate(10, 2), b"key")
    assert [sieve.queue(b"one", 5.0) for _ in range(5)] == pytest.approx([0, 0, 0.1, 0.2, 0.3])
    assert sieve.queue(b"one", 6.0) == 0


class TestBlocks:
    def blocks(self, **more: int) -> Blocks[str]:
        return Blocks(Rate(1, 3), first=10.0, longest=60.0, forgiven=100.0, **more)

    def offend_until_blocked(self, blocks: Blocks[str], now: float) -> float:
        for _ in range(10):
            if (made := blocks.penalize("eve", now, "guessing")) is not None:
                return made.seconds
        raise AssertionError("it is never blocked")

    def test_some_is_tolerated(self) -> None:
        blocks = self.blocks()
        assert [blocks.penalize("eve", 0.0, "x") for _ in range(3)] == [None] * 3
        assert blocks.left("eve", 0.0) == 0 and not blocks.refuses("eve", 0.0)

    def test_each_is_twice_as_long_up_to_the_longest(self) -> None:
        blocks, now, lengths = self.blocks(), 0.0, []
        for _ in range(5):
            lengths.append(self.offend_until_blocked(blocks, now))
            now += lengths[-1]
        assert lengths == pytest.approx([10, 20, 40, 60, 60], rel=0.1)

    def test_time_forgives(self) -> None:
        blocks = self.blocks()
        assert self.offend_until_blocked(blocks, 0.0) == 10
        assert self.offend_until_blocked(blocks, 10.0) == 20
        assert self.offend_until_blocked(blocks, 30.0 + 200.0) == 10
        blocks.prune(1e6)
        assert len(blocks) == 0

    def test_what_is_heavier_than_the_tolerance_blocks_at_once(self) -> None:
        blocks = self.blocks()
        made = blocks.penalize("eve", 0.0, "a flood", float("inf"))
        assert made is not None and made.seconds == 10 and made.why == "a flood"

    def test_what_is_refused_meanwhile_is_counted_and_prolongs_nothing(self) -> None:
        blocks = self.blocks()
        self.offend_until_blocked(blocks, 0.0)
        for _ in range(100):
            assert blocks.refuses("eve", 1.0) and blocks.penalize("eve", 1.0, "x") is None
        (block,) = blocks.current(1.0)
        assert (block.key, block.why, block.refused, block.seconds) == ("eve", "guessing", 200, 9.0)
        assert not blocks.refuses("eve", 10.0)

    def test_the_table_has_an_end(self) -> None:
        blocks = self.blocks(most=100)
        for number in range(1000):
            blocks.penalize(str(number), 0.0, "x")
        assert len(blocks) == 100
