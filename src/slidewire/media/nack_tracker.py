"""Which packets of a stream are missing, which of them are asked for again now, and when one is given up.

A packet is missing as soon as a later one came. It may only have been overtaken, or a repair packet that is on its
way may give it, so that it is asked for a little later; then again whenever a round trip has passed without it, as
questions and answers are lost like everything else. It is given up when it would come too late to be of use.

Round trips are learned from the answers. Nothing in one says to which question it is; most are to the first one, as
most packets are not lost, so that the middle one of a few is right.
"""

from __future__ import annotations

import statistics
from collections import deque
from dataclasses import dataclass
from typing import Final

FIRST_ASK: Final = 0.010
ASK_AGAIN: Final = 0.020
"""On top of the round trip."""
MOST_ASKS: Final = 10
MOST: Final = 250
"""More are missing only where a network was away for a while, and then a key frame is cheaper than all of them."""
ROUND_TRIPS_KEPT: Final = 9
USUAL_ROUND_TRIP: Final = 0.1
SHORTEST_ROUND_TRIP, LONGEST_ROUND_TRIP = 0.005, 1.0


@dataclass(slots=True)
class _Gap:
    since: float
    due: float
    asked: int = 0
    first: float = 0.0
    """When it was asked for at first."""


class NackTracker:
    def __init__(self, *, patience: float, ask: bool) -> None:
        self.round_trip = USUAL_ROUND_TRIP
        self._round_trips: deque[float] = deque(maxlen=ROUND_TRIPS_KEPT)
        self.given_up = 0
        self._patience = patience
        self._ask = ask
        self._holes: dict[int, _Gap] = {}
        """By place, in order."""
        self._timer: float | None = None

    def __contains__(self, place: object) -> bool:
        return place in self._holes

    def __len__(self) -> int:
        return len(self._holes)

    @property
    def patience(self) -> float:
        """Where a round trip is long, three of them; never more than twice the usual."""
        return min(2 * self._patience, max(self._patience, 3 * self.round_trip)) if self._ask else self._patience

    def notice(self, start: int, end: int, now: float) -> None:
        """Everything from `start` up to before `end` did not come."""
        if end - start + len(self._holes) > MOST:
            self.given_up += len(self._holes) + end - start
            self._holes.clear()
            return
        for place in range(start, end):
            self._holes[place] = _Gap(now, now + FIRST_ASK)
        if start < end:
            due = now + (FIRST_ASK if self._ask else self._patience)
            self._timer = due if self._timer is None else min(self._timer, due)

    def came(self, place: int, now: float, *, retransmitted: bool) -> bool:
        """Whether it was missing."""
        hole = self._holes.pop(place, None)
        if hole is None:
            return False
        if retransmitted and hole.asked:
            self.learn(now - hole.first)
        return True

    def learn(self, round_trip: float) -> None:
        self._round_trips.append(min(LONGEST_ROUND_TRIP, max(SHORTEST_ROUND_TRIP, round_trip)))
        self.round_trip = statistics.median(self._round_trips)

    def forget_before(self, place: int) -> None:
        """What is before it is of no use any more."""
        while self._holes and (first := next(iter(self._holes))) < place:
            del self._holes[first]

    def first_from(self, place: int) -> int | None:
        self.forget_before(place)
        return next(iter(self._holes), None)

    def get_timer(self) -> float | None:
        """It may be earlier than what is to be done, never later."""
        return self._timer if self._holes else None

    def handle_timer(self, now: float) -> list[int]:
        """Give up what is too old. Which places are to be asked for."""
        if self._timer is None or now < self._timer:
            return []
        asked = []
        patience = self.patience
        for place, hole in list(self._holes.items()):
            if now >= hole.since + patience:
                del self._holes[place]
                self.given_up += 1
            elif self._ask and now >= hole.due:
                hole.asked += 1
                hole.first = hole.first or now
                hole.due = now + self.round_trip + ASK_AGAIN if hole.asked < MOST_ASKS else hole.since + patience
                asked.append(place)
        self._timer = self._next()
        return asked

    def _next(self) -> float | None:
        if not self._holes:
            return None
        end = min(hole.since for hole in self._holes.values()) + self.patience
        return min(end, *(hole.due for hole in self._holes.values())) if self._ask else end
