"""How a presenter's camera comes in, for operators: is the picture bad because of the network?

Pure. Counts of a media connection are looked at every few seconds, and what has come since is said in steps, so that
operators hear of it when it matters and not at every packet.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from typing import Any, Final

from slidewire.control.state import Reception

EVERY: Final = 3.0
"""Seconds between two looks."""
PERCENT: Final = (0, 1, 2, 5, 10, 20, 50)
RATES: Final = tuple(step * 10**power for power in range(5) for step in (10, 15, 20, 30, 50, 70))
"""Kilobits a second."""


class LinkQuality:
    """Of one line of one connection."""

    def __init__(self) -> None:
        self.told: Reception | None = None
        """None: nothing came."""
        self._at: float | None = None
        self._before = (0, 0, 0, 0)

    def look(self, counts: Mapping[str, Any], now: float) -> bool:
        """Whether there is something else to be told."""
        if self._at is not None and now - self._at < EVERY:
            return False
        counted = (
            int(counts.get("bytes", 0)),
            int(counts.get("packets", 0)),
            int(counts.get("lost", 0)),
            int(counts.get("given_up", 0)),
        )
        said, since = self.told, self._at
        if since is not None:
            octets, packets, lost, gone = (max(0, a - b) for a, b in zip(counted, self._before, strict=True))
            self.told = _steps(octets * 8 / 1000 / (now - since), packets, lost, gone)
        self._at, self._before = now, counted
        return self.told != said


def _steps(kbps: float, packets: int, lost: int, gone: int) -> Reception | None:
    sent = packets + lost
    if not packets:
        return None
    return Reception(
        kbps=_step(RATES, kbps),
        lost=_step(PERCENT, 100 * lost / sent + 0.5),
        gone=_step(PERCENT, 100 * gone / sent + 0.5),
    )


def _step(steps: tuple[int, ...], value: float) -> int:
    """The highest that is not above it; or the first."""
    return steps[max(0, bisect_right(steps, value) - 1)]
