"""Who pays for a message: the connection, and of a presenter's its share before what the room has for all."""

from __future__ import annotations

import pytest

from slidewire.rates import Rate
from slidewire.signaling.limits import Limits
from slidewire.signaling.spending import ConnectionSpending, RoomSpending

LIMITS = Limits(
    messages=Rate(1, 100),
    bytes=Rate(1000, 10_000),
    host_factor=2,
    flood=Rate(1, 3),
    share_messages=Rate(1, 5),
    share_bytes=Rate(100, 500),
    room_messages=Rate(1, 10),
    room_bytes=Rate(100, 2000),
)


def test_a_host_has_so_many_times_as_much_and_what_it_has_spent_stays_spent() -> None:
    host = ConnectionSpending(LIMITS)
    for _ in range(60):
        assert host.take(0, 0.0, None) == 0
    host.becomes_host()
    assert sum(host.take(0, 0.0, None) == 0 for _ in range(500)) == 200 - 2 * 60


def test_bytes_count_as_messages_do() -> None:
    own = ConnectionSpending(LIMITS)
    assert own.take(9_000, 0.0, None) == 0
    assert own.take(1_500, 0.0, None) == pytest.approx(0.5)
    assert own.take(1_500, 0.5, None) == 0


@pytest.mark.parametrize(("size", "share", "common"), [(0, 5, 10), (100, 5, 10)])
def test_a_flood_takes_what_the_room_has_for_all_and_nothing_of_anybodys_share(
    size: int, share: int, common: int
) -> None:
    room = RoomSpending(LIMITS)
    eve, ada = ConnectionSpending(LIMITS), ConnectionSpending(LIMITS)
    assert sum(eve.take(size, 0.0, room) == 0 for _ in range(50)) == share + common
    assert sum(ada.take(size, 0.0, room) == 0 for _ in range(50)) == share


def test_who_goes_on_is_told_once_a_second_and_then_it_is_a_flood() -> None:
    own = ConnectionSpending(LIMITS)
    assert [own.is_to_be_told(now) for now in (0.0, 0.5, 0.99, 1.0, 1.5)] == [True, False, False, True, False]
    assert [own.may_go_on(0.0) for _ in range(4)] == [True, True, True, False]
