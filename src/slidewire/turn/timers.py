"""When to look at what again. One alarm for each thing: the earliest that was asked for."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Hashable
from typing import Any

Check = Callable[[Any, float], float | None]
"""(thing, now) -> when to look again, or None."""


class Timers:
    """Nothing is kept of a thing once it is cancelled or has been looked at for the last time."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int]] = []
        self._alarms: dict[int, tuple[Check, Any]] = {}
        self._armed: dict[Hashable, tuple[float, int]] = {}
        self._order = itertools.count()

    def arm(self, when: float, check: Check, thing: Hashable) -> None:
        """Call `check` at `when`, unless something earlier has been asked for already."""
        armed = self._armed.get(thing)
        if armed is not None:
            if armed[0] <= when:
                return
            del self._alarms[armed[1]]
        number = next(self._order)
        self._armed[thing] = when, number
        self._alarms[number] = check, thing
        heapq.heappush(self._heap, (when, number))

    def cancel(self, thing: Hashable) -> None:
        armed = self._armed.pop(thing, None)
        if armed is not None:
            del self._alarms[armed[1]]

    def next(self) -> float | None:
        while self._heap and self._heap[0][1] not in self._alarms:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def run(self, now: float) -> None:
        while (when := self.next()) is not None and when <= now:
            _, number = heapq.heappop(self._heap)
            check, thing = self._alarms.pop(number)
            del self._armed[thing]
            again = check(thing, now)
            if again is not None:
                self.arm(max(again, now), check, thing)
