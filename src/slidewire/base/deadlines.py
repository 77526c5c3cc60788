"""When to look at what again: a check answers when it wants to be asked next, or None.

What is no longer there just says None, so that nothing has to be cancelled.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable
from typing import Any

Check = Callable[[Any, float], float | None]
"""(subject, now) -> when to ask again."""


class Deadlines:
    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Check, Any]] = []
        self._order = itertools.count()

    def arm(self, when: float, check: Check, subject: Any) -> None:
        heapq.heappush(self._heap, (when, next(self._order), check, subject))

    def next(self) -> float | None:
        return self._heap[0][0] if self._heap else None

    def run(self, now: float) -> None:
        while self._heap and self._heap[0][0] <= now:
            _, _, check, subject = heapq.heappop(self._heap)
            again = check(subject, now)
            if again is not None:
                self.arm(again, check, subject)
