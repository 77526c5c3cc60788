"""The presenter's idea of the host's clock never runs ahead of it by more than a few milliseconds of drift."""

from hypothesis import given
from hypothesis import strategies as st

from slidewire.control.hostclock import HostClock, serial_difference

delays = st.floats(0, 5)


@given(st.integers(0, 2**32 - 1), st.lists(st.tuples(st.floats(0.01, 20), delays), max_size=30))
def test_never_ahead_whatever_the_network_delays(start: int, readings: list[tuple[float, float]]) -> None:
    now = 1000.0

    def truth(at: float) -> int:
        return (start + round((at - 1000.0) * 1000)) & 0xFFFFFFFF

    clock = HostClock(start, now)
    for pause, delay in readings:
        now += pause
        clock.learn(truth(now - min(delay, now - 1000.0)), now)
        assert serial_difference(clock.read(now), truth(now)) <= 1
        assert serial_difference(clock.read(now + 2), truth(now + 2)) <= 1


def test_the_fastest_reading_counts() -> None:
    clock = HostClock(0, 10.0)
    clock.learn(950, 11.0)
    clock.learn(1990, 12.0)
    assert clock.read(12.0) == 2000
    clock = HostClock(0, 10.2)  # the first reading had taken 200 ms
    assert clock.read(11.0) == 800
    clock.learn(990, 11.0)
    assert clock.read(11.0) == 990


def test_a_presenter_whose_clock_is_fast_is_not_ahead_for_long() -> None:
    clock = HostClock(0, 0.0)
    fast = 1.0002  # 200 ppm: as bad as crystals get
    worst = 0
    for second in range(1, 3600):
        clock.learn(second * 1000, second * fast)
        worst = max(worst, serial_difference(clock.read(second * fast), second * 1000))
    assert worst <= 3
