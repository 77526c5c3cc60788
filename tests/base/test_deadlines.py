"""Deadlines: each check of each subject at the earliest time that was asked for, and nothing kept afterwards."""

from slidewire.base.deadlines import Deadlines


class Recorder:
    def __init__(self) -> None:
        self.calls: list[tuple[str, str, float]] = []
        self.again: dict[str, float] = {}

    def first(self, subject: str, now: float) -> float | None:
        self.calls.append(("first", subject, now))
        return self.again.pop(subject, None)

    def second(self, subject: str, now: float) -> float | None:
        self.calls.append(("second", subject, now))
        return None


def test_checks_run_in_the_order_of_their_times_and_not_before_them() -> None:
    deadlines, recorder = Deadlines(), Recorder()
    deadlines.arm(3.0, recorder.first, "late")
    deadlines.arm(1.0, recorder.first, "early")
    assert deadlines.next() == 1.0
    deadlines.run(0.9)
    assert recorder.calls == []
    deadlines.run(2.0)
    assert recorder.calls == [("first", "early", 2.0)]
    assert deadlines.next() == 3.0


def test_the_earliest_of_a_check_and_a_subject_counts() -> None:
    deadlines, recorder = Deadlines(), Recorder()
    deadlines.arm(5.0, recorder.first, "a")
    deadlines.arm(9.0, recorder.first, "a")
    deadlines.arm(2.0, recorder.first, "a")
    deadlines.run(10.0)
    assert recorder.calls == [("first", "a", 10.0)]
    assert deadlines.next() is None


def test_two_checks_of_one_subject_have_a_deadline_each() -> None:
    deadlines, recorder = Deadlines(), Recorder()
    deadlines.arm(1.0, recorder.first, "a")
    deadlines.arm(2.0, recorder.second, "a")
    deadlines.cancel(recorder.first, "a")
    assert deadlines.next() == 2.0
    deadlines.run(2.0)
    assert recorder.calls == [("second", "a", 2.0)]


def test_a_check_that_answers_a_time_is_asked_again_then() -> None:
    deadlines, recorder = Deadlines(), Recorder()
    recorder.again["a"] = 4.0
    deadlines.arm(1.0, recorder.first, "a")
    deadlines.run(1.5)
    assert deadlines.next() == 4.0
    deadlines.run(4.0)
    assert [now for _, _, now in recorder.calls] == [1.5, 4.0]
    assert deadlines.next() is None


def test_nothing_is_kept_of_what_is_over() -> None:
    deadlines, recorder = Deadlines(), Recorder()
    for number in range(1000):
        deadlines.arm(1.0 + number, recorder.first, str(number))
        deadlines.cancel(recorder.first, str(number))
    deadlines.cancel(recorder.first, "never armed")
    assert deadlines.next() is None
    assert not deadlines._heap and not deadlines._checks and not deadlines._armed
