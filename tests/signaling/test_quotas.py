"""Who pays for a message: the connection, and of a presenter's its share before what the room has for all."""

from __future__ import annotations

import pytest

from slidewire.base.rates import Rate
from slidewire.signaling.limits import Limits
from slidewire.signaling.quotas import ConnectionQuotas, RoomQuotas

LIMITS = Limits(
    messages=Rate(1, 100),
    bytes=Rate(1000, 10_000),
    host_factor=2,
    share_messages=Rate(1, 5),
    share_bytes=Rate(100, 500),
    place_messages=Rate(1, 10),
    place_bytes=Rate(100, 2000),
    room_messages=Rate(1, 25),
    room_bytes=Rate(100, 3500),
)


def test_a_host_has_so_many_times_as_much_and_what_it_has_spent_stays_spent() -> None:
    host = ConnectionQuotas(LIMITS, "one")
    for _ in range(60):
        assert host.take(0, 0.0, None) == 0
    host.becomes_host()
    assert sum(host.take(0, 0.0, None) == 0 for _ in range(500)) == 200 - 2 * 60


def test_bytes_count_as_messages_do() -> None:
    own = ConnectionQuotas(LIMITS, "one")
    assert own.take(9_000, 0.0, None) == 0
    assert own.take(1_500, 0.0, None) == pytest.approx(0.5)
    assert own.take(1_500, 0.5, None) == 0


@pytest.mark.parametrize("size", [0, 100])
def test_a_flood_takes_what_its_address_has_and_nothing_of_anybodys_share(size: int) -> None:
    room = RoomQuotas(LIMITS)
    eve, her_other_self, neighbour = (ConnectionQuotas(LIMITS, "hers") for _ in range(3))
    elsewhere = ConnectionQuotas(LIMITS, "elsewhere")
    share, place = 5, 10
    assert sum(eve.take(size, 0.0, room) == 0 for _ in range(50)) == share + place
    assert sum(her_other_self.take(size, 0.0, room) == 0 for _ in range(50)) == share
    assert sum(neighbour.take(size, 0.0, room) == 0 for _ in range(50)) == share
    assert sum(elsewhere.take(size, 0.0, room) == 0 for _ in range(50)) == share + place


def test_there_is_an_end_to_what_a_room_takes_from_all_addresses_together() -> None:
    room = RoomQuotas(LIMITS)
    everybody = {place: ConnectionQuotas(LIMITS, place) for place in "abcd"}
    taken = [sum(each.take(0, 0.0, room) == 0 for _ in range(50)) for each in everybody.values()]
    assert taken == [15, 15, 10, 5], "five each, ten of what the address has, and 25 of what the room has"
    room.prune(1000.0)
    assert everybody["d"].take(0, 1000.0, room) == 0


def test_who_goes_on_is_told_once_a_second() -> None:
    own = ConnectionQuotas(LIMITS, "one")
    assert [own.is_to_be_told(now) for now in (0.0, 0.5, 0.99, 1.0, 1.5)] == [True, False, False, True, False]
