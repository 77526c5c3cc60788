"""When pictures give way, so that what is short is not late: a state, a receipt, a laser.

Sans-I/O. A picture fills the queue of a narrow network, often half a second of it, and whatever is sent after it stands
behind it there. The round trip of the control channel tells how long that queue is: it is longer than the shortest one
by so much.
"""

from __future__ import annotations

from typing import Final

QUEUE: Final = 0.1
"""Seconds in the queue, beyond which pictures wait."""
WINDOW: Final = 10.0
"""The shortest round trip is that of one or two of these: a network may change."""
STALE: Final = 0.5
"""After so long without a measurement pictures go on: the network may lose much."""


class Pace:
    def __init__(self) -> None:
        self._latest = self._shortest = self._shortest_before = float("inf")
        self._window_began = self._measured_at = float("-inf")

    def measured(self, round_trip: float, now: float) -> None:
        if now - self._window_began > WINDOW:
            self._shortest_before, self._shortest, self._window_began = self._shortest, round_trip, now
        self._shortest = min(self._shortest, round_trip)
        self._latest, self._measured_at = round_trip, now

    def holds_back(self, now: float) -> bool:
        """Whether the next part of a picture is to wait."""
        shortest = min(self._shortest, self._shortest_before)
        return now - self._measured_at < STALE and self._latest > shortest + QUEUE
