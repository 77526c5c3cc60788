"""The presenter's idea of the host's clock never runs ahead of it by more than a few milliseconds of drift."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slidewire.control.host_clock import AGES_EVERY, HostClock, milliseconds, serial_difference

delays = st.floats(0, 5)


@given(st.integers(0, 2**32 - 1), st.lists(st.tuples(st.floats(0.01, 20), delays), max_size=30))
def test_never_ahead_whatever_the_network_delays(start: int, readings: list[tuple[float, float]]) -> None:
    now = 1000.0

    def truth(at: float) -> int:
        return (start + round((at - 1000.0) * 1000)) & 0xFFFFFFFF

    clock = HostClock(start, now)
    for pause, delay in readings:
        now += pause
        written = now - min(delay, now - 1000.0)
        clock.learn(truth(written), milliseconds(written - 0.01), now)
        assert serial_difference(clock.read(now), truth(now)) <= 1
        assert serial_difference(clock.read(now + 2), truth(now + 2)) <= 1


def test_the_fastest_reading_counts() -> None:
    clock = HostClock(0, 10.0)
    clock.learn(950, 10_900, 11.0)
    clock.learn(1980, 11_900, 12.0)
    assert clock.read(12.0) == 2000 - 1, "the first one, a millisecond of age taken off"
    clock = HostClock(0, 10.2)  # the first reading had taken 200 ms
    assert clock.read(11.0) == 800
    clock.learn(990, 10_900, 11.0)
    assert clock.read(11.0) == 990


def test_a_bound_ages_also_while_nothing_is_heard() -> None:
    clock = HostClock(0, 10.0)
    assert clock.read(10.0 + 3600) == 3_600_000 - 1_800


@pytest.mark.parametrize("round_trip", [0.02, 0.5])
def test_a_clock_that_was_set_forward_is_not_believed_for_longer_than_a_heartbeat(round_trip: float) -> None:
    """A phone sets its clock by an hour; or the host's stood still for an hour, while its machine slept."""
    hour = 3600.0
    clock = HostClock(0, 10.0)
    clock.learn(1000, 11_000 - 10, 11.0)
    assert clock.read(12.0 + hour) > hour * 1000
    clock.learn(2000, milliseconds(12.0 + hour - round_trip), 12.0 + hour)
    assert clock.read(12.0 + hour) == 2000


def test_a_pong_that_was_kept_back_takes_nothing_from_a_good_bound() -> None:
    clock = HostClock(0, 10.0)
    clock.learn(1000, 10_980, 11.0)
    clock.learn(1500, 11_480, 50.0)  # kept for 38.5 seconds: the round trip says so
    assert clock.read(50.0) == 40_000 - 40_000 // AGES_EVERY


def test_a_presenter_whose_clock_is_fast_is_not_ahead_for_long() -> None:
    clock = HostClock(0, 0.0)
    fast = 1.0004  # 200 ppm each, in opposite directions
    worst = 0
    for second in range(1, 3600):
        clock.learn(second * 1000, milliseconds(second * fast - 0.05), second * fast)
        worst = max(worst, serial_difference(clock.read(second * fast), second * 1000))
    assert worst <= 3
