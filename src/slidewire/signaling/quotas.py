"""How many messages and bytes a connection may send, and the presenters of a room together.

Each message is charged to its connection. A presenter's is charged again in its room: to its own share, and when that
is used up to what its address has there and what the room has for all. So one that floods takes nothing from those
that do not.
"""

from __future__ import annotations

from typing import Final

from slidewire.base.rates import Bucket, Buckets
from slidewire.signaling.limits import Limits

PLACES: Final = 256
"""How many addresses of one room are remembered."""


class RoomQuotas:
    def __init__(self, limits: Limits) -> None:
        self._places: Buckets[str] = Buckets(limits.place_messages, PLACES)
        self._place_bytes: Buckets[str] = Buckets(limits.place_bytes, PLACES)
        self._messages, self._bytes = Bucket(limits.room_messages), Bucket(limits.room_bytes)
        self._joins: Buckets[str] = Buckets(limits.link_joins)
        self._place_joins: Buckets[tuple[str, str]] = Buckets(limits.place_joins, PLACES)

    def take_message(self, address: str, now: float) -> float:
        return self._places.take(address, now) or self._messages.take(now)

    def take_bytes(self, address: str, now: float, size: int) -> float:
        return self._place_bytes.take(address, now, size) or self._bytes.take(now, size)

    def take_join(self, link: str, address: str, now: float) -> float:
        """Those who join by one link from one address take nothing from those who join by it from others."""
        return self._place_joins.take((link, address), now) or self._joins.take(link, now)

    def forget_link(self, link: str) -> None:
        self._joins.full_at.pop(link, None)

    def prune(self, now: float) -> None:
        self._places.prune(now)
        self._place_bytes.prune(now)
        self._joins.prune(now)
        self._place_joins.prune(now)


class ConnectionQuotas:
    def __init__(self, limits: Limits, address: str) -> None:
        self._address = address
        self._host_factor = limits.host_factor
        self._messages, self._bytes = Bucket(limits.messages), Bucket(limits.bytes)
        self._share_messages, self._share_bytes = Bucket(limits.share_messages), Bucket(limits.share_bytes)
        self._told = float("-inf")

    def becomes_host(self) -> None:
        """What was charged so far stays charged."""
        for bucket in (self._messages, self._bytes):
            bucket.rate = bucket.rate.times(self._host_factor)

    def take(self, size: int, now: float, room: RoomQuotas | None) -> float:
        """0, or the seconds to wait. `room`: of a presenter, its room's. What was taken from one bucket stays taken,
        also if another has not enough."""
        wait = self._messages.take(now) or self._bytes.take(now, size)
        if wait or room is None:
            return wait
        wait = self._share_messages.take(now) and room.take_message(self._address, now)
        return wait or (self._share_bytes.take(now, size) and room.take_bytes(self._address, now, size))

    def is_past_its_share(self, now: float) -> bool:
        return self._share_messages.rate.left(self._share_messages.full_at, now) == 0

    def is_to_be_told(self, now: float) -> bool:
        """At most once a second: an answer to each would double the flood."""
        if now - self._told < 1.0:
            return False
        self._told = now
        return True
