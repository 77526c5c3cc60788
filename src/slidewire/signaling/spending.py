"""What a connection may spend, and a room: so many messages, so many bytes.

A message is paid from its connection's allowance. A presenter's is paid once more: from the share that it has of its
room for itself, and when that is used up, from what the room has for all of them. So whoever floods takes nothing from
those who do not.
"""

from __future__ import annotations

from slidewire.rates import Bucket, Buckets
from slidewire.signaling.limits import Limits


class RoomSpending:
    def __init__(self, limits: Limits) -> None:
        self.messages, self.bytes = Bucket(limits.room_messages), Bucket(limits.room_bytes)
        self.joins: Buckets[str] = Buckets(limits.link_joins)
        """By link."""


class ConnectionSpending:
    def __init__(self, limits: Limits) -> None:
        self._host_factor = limits.host_factor
        self._messages, self._bytes = Bucket(limits.messages), Bucket(limits.bytes)
        self._share_messages, self._share_bytes = Bucket(limits.share_messages), Bucket(limits.share_bytes)
        self._flood = Bucket(limits.flood)
        self._told = float("-inf")

    def becomes_host(self) -> None:
        """What it has spent so far stays spent."""
        for bucket in (self._messages, self._bytes):
            bucket.rate = bucket.rate.times(self._host_factor)

    def take(self, size: int, now: float, room: RoomSpending | None) -> float:
        """0, or the seconds to wait. `room`: whose presenter this is. What is taken of one bucket stays taken, also if
        another has not enough."""
        wait = self._messages.take(now) or self._bytes.take(now, size)
        if wait or room is None:
            return wait
        wait = self._share_messages.take(now) and room.messages.take(now)
        return wait or (self._share_bytes.take(now, size) and room.bytes.take(now, size))

    def may_go_on(self, now: float) -> bool:
        """Another message that was not paid: False if that is a flood."""
        return self._flood.take(now) == 0

    def is_to_be_told(self, now: float) -> bool:
        """At most once a second: an answer to each would double the flood."""
        if now - self._told < 1.0:
            return False
        self._told = now
        return True
