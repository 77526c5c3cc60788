from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from slidewire.rtp.sequence import TIMESTAMP_BITS, Unwrapper, difference, is_newer


def test_differences_across_the_wrap() -> None:
    assert difference(1, 0xFFFF) == 2
    assert difference(0xFFFF, 1) == -2
    assert difference(0x8000, 0) == -0x8000
    assert is_newer(0, 0xFFFF) and not is_newer(0xFFFF, 0) and not is_newer(5, 5)


def test_unwraps_over_two_wraps_and_back() -> None:
    unwrapper = Unwrapper()
    assert [unwrapper.unwrap(n) for n in (65534, 65535, 0, 30000, 60000, 0, 65535, 3)] == [
        65534, 65535, 65536, 95536, 125536, 131072, 131071, 131075,
    ]  # fmt: skip


def test_peeking_changes_nothing() -> None:
    unwrapper = Unwrapper()
    unwrapper.unwrap(100)
    assert unwrapper.peek(20000) == 20000
    assert unwrapper.peek(40000) == 40000 - 65536
    assert unwrapper.unwrap(40000) == 40000 - 65536, "still judged from 100"


@given(st.integers(0, 2**40), st.lists(st.integers(-30000, 30000), max_size=50))
def test_any_stream_with_gaps_below_half_the_range_is_restored(start: int, steps: list[int]) -> None:
    for bits in (16, TIMESTAMP_BITS):
        unwrapper, highest = Unwrapper(bits), start
        offset = unwrapper.unwrap(start % (1 << bits)) - start
        for step in steps:
            place = highest + step
            assert unwrapper.unwrap(place % (1 << bits)) == place + offset
            highest = max(highest, place)
