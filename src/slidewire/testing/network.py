"""A network for tests: seeded, in simulated time, with the weather that real ones have.

Nothing here waits. `send` decides at once whether and when a datagram arrives; `deliver` gives what is due by `now`.
The laboratory of the tests makes the same weather between real programs (tests/support/lab.py).
"""

from __future__ import annotations

import heapq
import itertools
import random
from collections.abc import Hashable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class NetworkConditions:
    """What one direction of one path does to datagrams. Times in seconds, the rest probabilities."""

    delay: float = 0.0
    jitter: float = 0.0
    """Added uniformly between 0 and this: with enough of it, datagrams overtake each other."""
    loss: float = 0.0
    burst: float = 1.0
    """Mean length of a loss burst in datagrams (Gilbert's model); 1 is independent loss."""
    duplicate: float = 0.0
    reorder: float = 0.0
    """Share of datagrams that overtake the others: they take no more than a tenth of the delay."""
    rate: float = 0.0
    """Bytes per second that go through; 0 is no bound."""
    queue: float = 0.2
    """Seconds of waiting for the rate, beyond which datagrams are dropped."""


CALM = NetworkConditions()


class SimulatedPath:
    """One direction of one path."""

    def __init__(self, weather: NetworkConditions, rng: random.Random) -> None:
        self.weather = weather
        self._rng = rng
        self._losing: set[Hashable] = set()
        self._busy_until = 0.0
        self._in_flight: list[tuple[float, int, bytes]] = []
        self._tie = itertools.count()

    def send(self, data: bytes, now: float, flow: Hashable = None) -> bool:
        """Whether it will arrive. Each `flow` has loss bursts of its own."""
        arrivals = self.arrivals(len(data), now, flow)
        for arrival in arrivals:
            heapq.heappush(self._in_flight, (arrival, next(self._tie), data))
        return bool(arrivals)

    def arrivals(self, size: int, now: float, flow: Hashable = None) -> list[float]:
        """When a datagram of this size sent now arrives: never, once or more often. For owners with a queue of their
        own."""
        weather, random = self.weather, self._rng.random
        if self._is_lost(flow):
            return []
        departure = now
        if weather.rate:
            if self._busy_until - now > weather.queue:
                return []
            departure = self._busy_until = max(now, self._busy_until) + size / weather.rate
        copies = 2 if weather.duplicate and random() < weather.duplicate else 1
        return [
            departure
            + (weather.delay / 10 if weather.reorder and random() < weather.reorder else weather.delay)
            + random() * weather.jitter
            for _ in range(copies)
        ]

    def next_arrival(self) -> float | None:
        return self._in_flight[0][0] if self._in_flight else None

    def deliver(self, now: float) -> bytes | None:
        """The next datagram that has arrived by now; call until None."""
        if self._in_flight and self._in_flight[0][0] <= now:
            return heapq.heappop(self._in_flight)[2]
        return None

    def _is_lost(self, flow: Hashable) -> bool:
        weather = self.weather
        if weather.loss >= 1.0:
            return True
        if weather.burst <= 1.0:
            return self._rng.random() < weather.loss
        # Gilbert: leave the bad state with 1/burst, enter it so that the mean share of loss is `loss`.
        leave = 1.0 / weather.burst
        enter = leave * weather.loss / (1.0 - weather.loss)
        if self._rng.random() < (leave if flow in self._losing else enter):
            self._losing ^= {flow}
        return flow in self._losing
