"""Checks that are due at a time. A check answers when it is due again, or None.

There is one deadline for each check of each subject: the earliest that was asked for.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Hashable
from typing import Any, TypeAlias

Check: TypeAlias = Callable[[Any, float], float | None]
"""(subject, now) -> when it is due again."""
_Key: TypeAlias = tuple[Check, Hashable]


class Deadlines:
    """Nothing is kept of a check that was cancelled or is not due again."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int]] = []
        self._checks: dict[int, _Key] = {}
        self._armed: dict[_Key, tuple[float, int]] = {}
        self._order = itertools.count()

    def arm(self, when: float, check: Check, subject: Hashable) -> None:
        """Call `check(subject, now)` at `when`, unless it is due earlier already."""
        key = check, subject
        armed = self._armed.get(key)
        if armed is not None:
            if armed[0] <= when:
                return
            del self._checks[armed[1]]
        number = next(self._order)
        self._armed[key] = when, number
        self._checks[number] = key
        heapq.heappush(self._heap, (when, number))

    def cancel(self, check: Check, subject: Hashable) -> None:
        armed = self._armed.pop((check, subject), None)
        if armed is not None:
            del self._checks[armed[1]]

    def next(self) -> float | None:
        while self._heap and self._heap[0][1] not in self._checks:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def run(self, now: float) -> None:
        while (when := self.next()) is not None and when <= now:
            _, number = heapq.heappop(self._heap)
            key = check, subject = self._checks.pop(number)
            del self._armed[key]
            again = check(subject, now)
            if again is not None:
                self.arm(again, check, subject)
