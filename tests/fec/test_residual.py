"""What our masks leave lost, beside libwebrtc's: the promise of slidewire.fec.masks. The wide comparison, every size up
to 48, is `python -m benchmarks.fec --check`; here are sizes that can be counted whole, and the two that are goals."""

from __future__ import annotations

import random

import pytest

from benchmarks.fec import libwebrtc_masks
from benchmarks.fec.channel import overweight, patterns
from benchmarks.fec.elimination import eliminate
from benchmarks.fec.erasures import Rows, heaviest, optimum, peel, residual, spectrum
from slidewire.fec import masks

LOSSES = (0.01, 0.02, 0.05, 0.1, 0.2)
EVERY_PATTERN = 10**9


def one_by_one(rows: Rows, lost: set[int], repairs: set[int]) -> set[int]:
    """Peeling as libwebrtc's AttemptRecovery does it: start again after each packet."""
    lost = set(lost)
    while True:
        single = next((lost & set(rows[row]) for row in sorted(repairs) if len(lost & set(rows[row])) == 1), None)
        if single is None:
            return lost
        lost -= single


def test_peeling_many_patterns_is_peeling_each() -> None:
    rows = masks.spread(12, 5)
    count = 500
    lost = patterns(17, 0.3, 1, count)
    left = peel(rows, lost, (1 << count) - 1)
    for index in range(count):
        gone = {packet for packet in range(12) if lost[packet] >> index & 1}
        received = {row for row in range(5) if not lost[12 + row] >> index & 1}
        assert {packet for packet in range(12) if left[packet] >> index & 1} == one_by_one(rows, gone, received)


def test_elimination_is_never_worse_and_sometimes_better() -> None:
    rows, count = masks.spread(12, 8), 4000
    lost = patterns(20, 0.3, 1, count)
    left = peel(rows, lost, (1 << count) - 1)
    peeled = sum(map(int.bit_count, left))
    assert peeled / 2 < eliminate(rows, lost, left) < peeled


def test_channels_lose_what_they_are_asked_to() -> None:
    for burst in (1, 4):
        lost = patterns(50, 0.05, burst, 4000)
        assert sum(map(int.bit_count, lost)) / 200_000 == pytest.approx(0.05, rel=0.1)
    ends = sum((lost[index] & ~lost[index + 1]).bit_count() for index in range(49))
    assert sum(map(int.bit_count, lost[:49])) / ends == pytest.approx(4, rel=0.1)
    few = patterns(6, 0.5, 1, 300)
    counts = [sum(packet >> index & 1 for packet in few) for index in range(300)]
    assert overweight(few, 2, (1 << 300) - 1) == sum(1 << index for index, count in enumerate(counts) if count > 2)


def test_one_repair_packet_is_on_the_optimum() -> None:
    for k in (1, 5, 11):
        found = spectrum(masks.spread(k, 1), k, k + 1, EVERY_PATTERN)
        for loss in LOSSES:
            assert residual(found, k, 1, loss) == pytest.approx(optimum(k, 1, loss))


def test_known_figures_of_libwebrtcs_masks() -> None:
    """At 5 %, found independently by listing all patterns with another program."""
    for k, m, known in ((10, 2, 1.01e-2), (10, 4, 1.80e-3), (10, 5, 7.66e-4), (5, 2, 4.36e-3)):
        found = spectrum(libwebrtc_masks.rows(k, m), k, k + m, EVERY_PATTERN)
        assert residual(found, k, m, 0.05) == pytest.approx(known, rel=0.005)


def test_never_above_libwebrtcs_where_every_pattern_can_be_counted() -> None:
    for k in range(1, 9):
        for m in range(1, min(k, 13 - k) + 1):
            ours = spectrum(masks.spread(k, m), k, k + m, EVERY_PATTERN)
            theirs = spectrum(libwebrtc_masks.rows(k, m), k, k + m, EVERY_PATTERN)
            for loss in LOSSES:
                assert residual(ours, k, m, loss) <= residual(theirs, k, m, loss) * (1 + 1e-9), (k, m, loss)


@pytest.mark.parametrize(("k", "m", "times"), [(24, 8, 10), (48, 16, 50)])
def test_the_goals_at_five_percent(k: int, m: int, times: float) -> None:
    most, seed = heaviest(k + m, 0.05, 1e-7), random.Random(5).randrange(1000)
    ours = residual(spectrum(masks.spread(k, m), k, most, 1 << 14, seed), k, m, 0.05)
    theirs = residual(spectrum(libwebrtc_masks.rows(k, m), k, most, 1 << 14, seed), k, m, 0.05)
    assert ours * times < theirs
