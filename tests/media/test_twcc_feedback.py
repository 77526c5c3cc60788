from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slidewire.media.twcc_feedback import INTERVAL, KEPT, TwccFeedback
from slidewire.rtp import rtcp
from slidewire.rtp.transport_feedback import TransportFeedback
from tests.support.work import counted


def told(arrivals: TwccFeedback) -> list[TransportFeedback]:
    """As the other end reads it."""
    found: list[TransportFeedback] = []
    while (effect := arrivals.next_effect()) is not None:
        datagram = rtcp.build(effect.packets)
        assert len(datagram) < 1200
        compound = rtcp.parse(datagram)
        assert not compound.malformed
        for packet in compound.packets:
            assert isinstance(packet, TransportFeedback)
            found.append(packet)
    return found


def test_gaps_are_told_also_between_two_feedbacks() -> None:
    arrivals = TwccFeedback(7)
    arrivals.note(65534, 9, 10.0)
    arrivals.handle_timer(10.0)
    (first,) = told(arrivals)
    assert (first.sender, first.media, first.base, first.packet_count) == (7, 9, 65534, 0)
    arrivals.note(2, 9, 10.02)
    arrivals.note(3, 9, 10.03)
    assert arrivals.get_timer() == pytest.approx(10.0 + INTERVAL)
    arrivals.handle_timer(10.04)
    assert told(arrivals) == []
    arrivals.handle_timer(10.05)
    (second,) = told(arrivals)
    assert (second.base, second.packet_count) == (65535, 1)
    assert [delta is not None for delta in second.deltas] == [False, False, False, True, True]
    assert second.arrivals()[3] - first.arrivals()[65534] == pytest.approx(0.03, abs=0.0003)
    assert arrivals.get_timer() is None, "nothing new, nothing said"


def test_a_late_packet_is_told_with_what_came_since() -> None:
    arrivals = TwccFeedback(1)
    for number in (10, 11, 13, 14):
        arrivals.note(number, 2, 5.0)
    arrivals.handle_timer(5.0)
    told(arrivals)
    arrivals.note(12, 2, 5.02)
    arrivals.handle_timer(5.1)
    (feedback,) = told(arrivals)
    assert feedback.base == 12 and list(feedback.arrivals()) == [12, 13, 14]


def test_numbers_that_jump_are_a_new_beginning() -> None:
    arrivals = TwccFeedback(1)
    for now, number in ((0.0, 5), (1.0, 30_000), (2.0, 10)):
        arrivals.note(number, 2, now)
        arrivals.handle_timer(now)
        (feedback,) = told(arrivals)
        assert list(feedback.arrivals()) == [number] and len(feedback.deltas) == 1


def test_after_a_long_wait() -> None:
    """The program was stopped for as long as no feedback can tell."""
    arrivals = TwccFeedback(1)
    arrivals.note(1, 2, 0.0)
    arrivals.note(2, 2, 60.0)
    arrivals.handle_timer(60.0)
    (feedback,) = told(arrivals)
    assert list(feedback.arrivals()) == [2]


@settings(max_examples=50)
@given(st.integers(0, 2**32), st.floats(0, 0.5), st.integers(0, 65535))
def test_everything_that_came_is_told_once_at_least_and_right(seed: int, loss: float, first: int) -> None:
    """Packets overtake each other, and some are lost: the last feedback about each says what is true."""
    dice = random.Random(seed)
    arrivals = TwccFeedback(1)
    came = {}
    for index in range(150):
        if dice.random() >= loss:
            came[(first + index) & 0xFFFF] = 1000 + index * 0.005 + dice.random() * 0.03
    heard: dict[int, float | None] = {}

    def hear() -> None:
        for feedback in told(arrivals):
            for index, delta in enumerate(feedback.deltas):
                if delta is None:
                    heard.setdefault((feedback.base + index) & 0xFFFF, None)
            heard.update(feedback.arrivals())

    for number, now in sorted(came.items(), key=lambda item: item[1]):
        while (timer := arrivals.get_timer()) is not None and timer <= now:
            arrivals.handle_timer(timer)
        arrivals.note(number, 2, now)
        hear()
    arrivals.handle_timer(1003)
    hear()
    assert {number for number, when in heard.items() if when is not None} == set(came)
    assert all(when == pytest.approx(came[number], abs=0.0003) for number, when in heard.items() if when is not None)
    assert all(number in heard for number in range(min(heard), max(heard)) if first < 60_000)


@given(st.lists(st.tuples(st.integers(0, 65535), st.floats(0, 20)), max_size=200))
def test_any_numbers_at_any_time(notes: list[tuple[int, float]]) -> None:
    arrivals = TwccFeedback(1)
    now = 0.0
    for number, wait in notes:
        now += wait
        arrivals.note(number, 2, now)
        if wait > 10:
            arrivals.handle_timer(now)
            told(arrivals)
    arrivals.handle_timer(now + 1)
    told(arrivals)


def test_memory_is_bounded_although_no_feedback_leaves() -> None:
    arrivals = TwccFeedback(1)
    for index in range(20_000):
        arrivals.note(index * 2 & 0xFFFF, 2, index * 1e-4)
    arrivals.handle_timer(2.0)
    assert sum(len(feedback.deltas) for feedback in told(arrivals)) <= 5000


@pytest.mark.parametrize("step", [1, 499, 501, 2900])
def test_numbers_that_jump_are_one_step_each(step: int) -> None:
    """Each is told of in a feedback of its own, which is no reason to go through all of them again."""
    arrivals = TwccFeedback(1)
    with counted() as work:
        for number in range(3000):
            arrivals.note(number * step & 0xFFFF, 7, 0.001 * number)
        arrivals.handle_timer(4.0)
        told = []
        while (effect := arrivals.next_effect()) is not None:
            told.append(effect)
    assert work.lines < 100 * 3000 and len(told) <= KEPT
