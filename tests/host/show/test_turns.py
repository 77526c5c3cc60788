import pytest

from slidewire.base.rates import Rate
from slidewire.host.show.turns import LOOK_AGAIN, Turns


def anyone(session: int) -> bool:
    return True


def test_everyone_has_one_turn_before_anyone_has_two() -> None:
    turns, told = Turns(Rate(100, 1)), []
    now = 0.0
    for session in range(5):
        turns.mark(session)
    for _ in range(10):
        now += 0.01
        for session in turns.take(now, anyone, 4):
            told.append(session)
            turns.mark(session)
    assert told == [0, 1, 2, 3, 4] * 2


def test_a_session_that_is_due_already_is_due_once() -> None:
    turns = Turns(Rate(100, 10))
    for _ in range(100):
        turns.mark(1)
    assert turns.take(0.0, anyone, 4) == [1]
    assert turns.take(1.0, anyone, 4) == [] and turns.get_timer() is None


def test_who_cannot_be_told_keeps_its_turn_and_holds_up_nobody() -> None:
    turns = Turns(Rate(100, 10))
    turns.mark(1)
    turns.mark(2)
    assert turns.take(0.0, lambda session: session == 2, 4) == [2]
    assert turns.get_timer() == LOOK_AGAIN
    assert turns.take(LOOK_AGAIN, anyone, 4) == [1]


def test_no_more_are_told_at_once_than_asked_for_and_than_the_rate_has() -> None:
    turns = Turns(Rate(10, 6))
    for session in range(20):
        turns.mark(session)
    assert turns.take(0.0, anyone, 4) == [0, 1, 2, 3] and turns.get_timer() == 0.0
    assert turns.take(0.0, anyone, 4) == [4, 5] and turns.get_timer() == pytest.approx(0.1)
    turns.forget(6)
    assert turns.take(0.1, anyone, 4) == [7]


def test_one_session_has_a_turn_no_more_often_than_the_spacing() -> None:
    turns = Turns(Rate(1000, 10), spacing=0.5)
    turns.mark(1)
    assert turns.take(0.0, anyone, 4) == [1]
    turns.mark(1)
    turns.mark(2)
    assert turns.take(0.1, anyone, 4) == [2] and turns.get_timer() == 0.5
    assert turns.take(0.5, anyone, 4) == [1]


def test_a_session_that_is_delayed_has_its_turn_afterwards() -> None:
    turns = Turns(Rate(1000, 10))
    turns.mark(1)
    assert turns.take(0.0, anyone, 4) == [1]
    turns.delay(1, 2.0)
    turns.mark(1)
    assert turns.take(1.0, anyone, 4) == [] and turns.get_timer() == 2.0
    assert turns.take(2.0, anyone, 4) == [1]
