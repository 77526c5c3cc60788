from __future__ import annotations

import itertools
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slidewire.host.media.screen import changes
from slidewire.host.media.screen.changes import BAND, Cadence, Pace, changed_rows, share_of
from slidewire.host.media.screen.tiers import MARGIN, PATIENCE, TIERS, Ladder, fit, tier_for

ROW = 40


def picture(height: int = 100) -> bytearray:
    return bytearray(random.Random(height).randbytes(ROW * height))


def test_nothing_changed_is_no_rows() -> None:
    assert changed_rows(picture(), picture(), ROW) == []


def test_without_a_picture_before_or_of_another_size_everything_changed() -> None:
    assert changed_rows(None, picture(), ROW) == [range(100)]
    assert changed_rows(picture(90), picture(), ROW) == [range(100)]


@given(st.sets(st.integers(0, 99), max_size=6), st.data())
def test_every_changed_row_is_in_a_band_and_no_untouched_band_is(rows: set[int], data: st.DataObject) -> None:
    before, after = picture(), picture()
    for row in rows:
        after[row * ROW + data.draw(st.integers(0, ROW - 1))] ^= data.draw(st.integers(1, 255))
    found = changed_rows(before, after, ROW)
    covered = {row for band in found for row in band}
    assert rows <= covered
    assert {row // BAND for row in covered} == {row // BAND for row in rows}
    assert all(one.stop < other.start for one, other in itertools.pairwise(found))
    assert share_of(found, 100) == len(covered) / 100


def looks_of(pace: Pace, share: float, seconds: float, took: float = 0.0) -> int:
    """How often it looks in that time, if so much changes each time and it takes that long."""
    looks, start = 0, max(pace.due(), 0.0)
    while pace.due() < start + seconds:
        now = max(pace.due(), start)
        pace.looked(now, share)
        if share:
            pace.took(took)
        looks += 1
    return looks


def test_at_rest_it_looks_fifteen_times_a_second() -> None:
    assert looks_of(Pace(), 0.0, 10) == pytest.approx(150, abs=2)


def test_what_is_small_moves_at_thirty_and_what_is_large_at_fifteen() -> None:
    assert looks_of(Pace(), 0.04, 10) == pytest.approx(300, abs=2)
    assert looks_of(Pace(), 1.0, 10) == pytest.approx(150, abs=2)
    assert 160 < looks_of(Pace(), 0.4, 10) < 290


def test_a_slow_computer_is_left_half_of_a_processor_but_never_fewer_than_five_looks() -> None:
    assert looks_of(Pace(), 1.0, 10, took=0.05) == pytest.approx(100, abs=5)
    assert looks_of(Pace(), 1.0, 10, took=1.0) == pytest.approx(50, abs=5)


def test_looks_that_are_a_little_late_keep_the_beat() -> None:
    pace, dice, now, times = Pace(10), random.Random(1), 0.0, []
    while now < 60:
        now = max(pace.due(), 0.0) + dice.uniform(0.001, 0.03)
        pace.looked(now, 0.04)
        times.append(now)
    assert len(times) == pytest.approx(600, abs=3)


def test_the_pace_can_be_limited() -> None:
    assert looks_of(Pace(10), 0.04, 10) == pytest.approx(100, abs=2)
    assert looks_of(Pace(10), 0.0, 10) == pytest.approx(100, abs=2)


def encode_until(cadence: Cadence, until: float, bits: int = 1000) -> list[float]:
    """Encode whenever it is due."""
    times = []
    while (now := cadence.due()) < until:
        cadence.encoded(now, bits, is_key=cadence.is_key_due(now))
        times.append(now)
    return times


def quiet(fastest: float = 10, rate: float = 1_000_000) -> Cadence:
    """A cadence whose first frame, of time 0, is done."""
    cadence = Cadence(fastest, rate)
    assert cadence.due() <= 0
    cadence.changed(0.0)
    cadence.encoded(0.0, 1000, is_key=True)
    return cadence


def test_a_change_is_encoded_at_once_five_times_again_and_then_once_a_second() -> None:
    cadence = quiet()
    assert encode_until(cadence, 4.9) == pytest.approx([0.15, 0.3, 0.5, 0.75, 1.0, 2.0, 3.0, 4.0])
    cadence.changed(4.95)
    assert encode_until(cadence, 7.9) == pytest.approx([4.95, 5.1, 5.25, 5.45, 5.7, 5.95, 6.95])


def test_changes_wait_for_the_frame_rate_and_the_newest_is_taken() -> None:
    cadence = quiet(fastest=10)
    for change in (0.01, 0.04, 0.07, 0.09):
        cadence.changed(change)
    assert cadence.due() == pytest.approx(0.1, abs=0.011)
    cadence.encoded(0.1, 1000, is_key=False)
    assert not cadence.has_change


def test_frames_never_run_further_ahead_of_their_rate_than_a_moment() -> None:
    cadence = quiet(fastest=30, rate=100_000)
    sent, now = 0, 0.0
    while now < 20:
        cadence.changed(now)
        now = max(cadence.due(), now)
        assert sent <= 100_000 * (now + changes.DEBT)
        cadence.encoded(now, 40_000, is_key=False)
        sent += 40_000
        now += 0.001
    assert sent > 0.9 * 100_000 * 20


def test_key_frames_are_a_second_apart_and_shared() -> None:
    cadence = quiet()
    cadence.want_key()
    assert cadence.due() < 1.0 and not cadence.is_key_due(0.9)
    keys = []
    for step in range(1, 4000):
        now = step / 1000
        cadence.want_key()
        if cadence.due() <= now:
            key = cadence.is_key_due(now)
            cadence.encoded(now, 1000, is_key=key)
            keys += [now] if key else []
    assert keys == pytest.approx([1.0, 2.0, 3.0], abs=0.01)


def test_a_key_frame_that_was_not_made_is_still_wanted() -> None:
    cadence = quiet()
    cadence.want_key()
    cadence.encoded(1.5, 0, is_key=False)
    assert cadence.is_key_due(1.6)


@pytest.mark.parametrize(("rate", "tier"), [(9e6, 0), (4e6, 0), (3.9e6, 1), (1e6, 2), (130e3, 5), (1.0, 5)])
def test_the_tier_is_the_best_that_the_network_carries(rate: float, tier: int) -> None:
    assert tier_for(rate) is TIERS[tier]


def test_down_at_once_and_up_with_patience() -> None:
    ladder = Ladder(2_100_000)
    assert ladder.set_rate(600_000, 0.0) is TIERS[3]
    better = TIERS[2].rate * MARGIN + 1
    assert ladder.set_rate(better, 1.0) is TIERS[3]
    assert ladder.set_rate(TIERS[2].rate, 3.0) is TIERS[3], "not by its margin: patience starts again"
    assert ladder.set_rate(better, 4.0) is TIERS[3]
    assert ladder.set_rate(better, 4.0 + PATIENCE - 0.1) is TIERS[3]
    assert ladder.set_rate(better, 4.0 + PATIENCE) is TIERS[2]


@given(st.integers(1, 10_000), st.integers(1, 10_000))
def test_sizes_fit_are_even_and_never_larger(width: int, height: int) -> None:
    to_width, to_height = fit(width, height, 1920, 1080)
    assert to_width % 2 == to_height % 2 == 0
    assert 2 <= to_width <= max(min(width, 1920), 2) and 2 <= to_height <= max(min(height, 1080), 2)


def test_sizes_keep_their_shape() -> None:
    assert fit(1920, 1080, 1280, 720) == (1280, 720)
    assert fit(3840, 2160, 1920, 1080) == (1920, 1080)
    assert fit(1024, 768, 960, 540) == (720, 540)
    assert fit(1366, 768, 1920, 1080) == (1366, 768)
