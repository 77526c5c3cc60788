"""A network for tests: seeded, in simulated time, with the weather that real ones have.

Nothing here waits. `send` decides at once whether and when a datagram arrives; `deliver` gives what is due by `now`.
"""

from __future__ import annotations

import heapq
import itertools
import random
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Weather:
    """What one direction of one path does to datagrams. Times in seconds, the rest probabilities."""

    delay: float = 0.0
    jitter: float = 0.0
    """Added uniformly between 0 and this: with enough of it, datagrams overtake each other."""
    loss: float = 0.0
    burst: float = 1.0
    """Mean length of a loss burst in datagrams (Gilbert's model); 1 is independent loss."""
    duplicate: float = 0.0


CALM = Weather()


class SimulatedPath:
    """One direction of one path."""

    def __init__(self, weather: Weather, rng: random.Random) -> None:
        self.weather = weather
        self._rng = rng
        self._losing = False
        self._in_flight: list[tuple[float, int, bytes]] = []
        self._tie = itertools.count()

    def send(self, data: bytes, now: float) -> None:
        if self._is_lost():
            return
        copies = 2 if self._rng.random() < self.weather.duplicate else 1
        for _ in range(copies):
            arrival = now + self.weather.delay + self._rng.random() * self.weather.jitter
            heapq.heappush(self._in_flight, (arrival, next(self._tie), data))

    def next_arrival(self) -> float | None:
        return self._in_flight[0][0] if self._in_flight else None

    def deliver(self, now: float) -> bytes | None:
        """The next datagram that has arrived by now; call until None."""
        if self._in_flight and self._in_flight[0][0] <= now:
            return heapq.heappop(self._in_flight)[2]
        return None

    def _is_lost(self) -> bool:
        weather = self.weather
        if weather.loss >= 1.0:
            return True
        if weather.burst <= 1.0:
            return self._rng.random() < weather.loss
        # Gilbert: leave the bad state with 1/burst, enter it so that the mean share of loss is `loss`.
        leave = 1.0 / weather.burst
        enter = leave * weather.loss / (1.0 - weather.loss)
        self._losing = self._rng.random() >= leave if self._losing else self._rng.random() < enter
        return self._losing
