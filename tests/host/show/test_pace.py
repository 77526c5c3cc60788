from __future__ import annotations

from slidewire.host.show.pace import QUEUE, STALE, WINDOW, Pace


def test_pictures_wait_while_the_round_trip_is_longer_than_the_shortest_by_a_queue() -> None:
    pace = Pace()
    assert not pace.holds_back(0.0), "nothing is known"
    pace.measured(0.2, 0.0)
    assert not pace.holds_back(0.0), "a long way is no queue"
    pace.measured(0.2 + QUEUE / 2, 0.1)
    assert not pace.holds_back(0.1)
    pace.measured(0.2 + QUEUE * 2, 0.2)
    assert pace.holds_back(0.2)
    pace.measured(0.25, 0.3)
    assert not pace.holds_back(0.3)


def test_where_nothing_is_measured_any_more_pictures_go_on() -> None:
    pace = Pace()
    pace.measured(0.02, 0.0)
    pace.measured(1.0, 1.0)
    assert pace.holds_back(1.0 + STALE / 2) and not pace.holds_back(1.0 + STALE)


def test_another_network_with_a_longer_way_is_believed_after_a_while() -> None:
    pace = Pace()
    pace.measured(0.02, 0.0)
    now = 1.0
    while now < 2 * WINDOW + 2:
        pace.measured(0.5, now)
        now += 0.1
    assert not pace.holds_back(now)
