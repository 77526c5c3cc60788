from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.fec.erasures import residual, spectrum
from slidewire.fec import masks
from slidewire.fec.policy import NOTHING, Limits, Network, Shape, Stream, expected, plan

VIDEO = Stream(packets=8, interval=1 / 30)


def test_short_round_trips_and_no_loss_need_no_repair_packets() -> None:
    assert plan(Network(0.05, 1, 0.02), VIDEO) == NOTHING
    assert plan(Network(0.001, 1, 0.3), VIDEO) == NOTHING
    assert plan(Network(0.008, 1, 0.08), VIDEO) == NOTHING, "retransmission gets there in time for so few"
    assert NOTHING.mask(10) == ()


def test_the_longer_the_round_trip_the_more_protection() -> None:
    plans = [plan(Network(0.05, 1, round_trip), VIDEO) for round_trip in (0.02, 0.08, 0.15, 0.3)]
    spent = [each.overhead * each.frames for each in plans]
    assert spent == sorted(spent) and spent[0] == 0 < spent[1] < spent[-1]
    assert all(each.retransmit for each in plans)


def test_small_frames_are_gathered() -> None:
    """Two packets a frame cannot be protected under the ceiling: half as many again would be one for two."""
    small = plan(Network(0.05, 1, 0.3), Stream(2, 1 / 30))
    assert small.frames > 1 and len(small.mask(2 * small.frames)) >= 1
    assert plan(Network(0.05, 1, 0.3), Stream(2, 1 / 5)).frames == 0, "at five frames a second there is no time"


def test_bursts_are_spread_over_as_many_frames_as_the_delay_allows() -> None:
    bursty = plan(Network(0.05, 4, 0.3), VIDEO)
    assert (bursty.shape, bursty.frames, bursty.blocks) == (Shape.DEALT, 4, 4)
    assert bursty.frames * VIDEO.interval <= Limits().delay
    assert bursty.pace(VIDEO.interval) == pytest.approx(4 / 30)
    mask = bursty.mask(32)
    for start in range(29):
        burst = set(range(start, start + 4))
        assert all(len(burst & set(row)) <= 1 for row in mask), "a burst of four is at most one loss for each"
    patient = plan(Network(0.05, 4, 0.3), VIDEO, Limits(delay=0.4, reach=masks.MOST))
    assert patient.frames == 6, "48 packets: what a mask reaches"


@given(
    st.builds(Network, st.floats(0, 1), st.floats(1, 20), st.floats(0, 2)),
    st.builds(Stream, st.floats(0.5, 100), st.floats(0.01, 1)),
    st.builds(Limits, st.floats(0, 1), st.floats(0.01, 1), st.integers(1, 48)),
    st.integers(1, 60),
)
def test_no_plan_goes_above_its_limits(network: Network, stream: Stream, limits: Limits, packets: int) -> None:
    made = plan(network, stream, limits)
    assert made.overhead <= limits.overhead + 1e-9
    assert made.frames <= 1 or made.frames * stream.interval <= limits.delay + 1e-6
    mask = made.mask(packets, limits)
    assert len(mask) <= limits.overhead * min(packets, limits.reach)
    assert all(index < packets for row in mask for index in row)


@pytest.mark.parametrize(("k", "m"), [(8, 1), (8, 2), (12, 3), (12, 4), (16, 5), (24, 8), (48, 16)])
@pytest.mark.parametrize("loss", [0.02, 0.05, 0.1])
def test_what_is_expected_of_a_mask_is_not_far_from_what_it_does(k: int, m: int, loss: float) -> None:
    """The estimate chooses among few sizes: it must not promise what the mask does not hold."""
    truth = residual(spectrum(masks.spread(k, m), k, 24, 2048), k, m, loss)
    least = 1e-4  # below what any goal asks for it is too hopeful
    assert max(truth, least) / 1.6 <= max(expected(k, m, loss), least) <= max(truth, least) * 12
