"""An event loop in simulated time: when nothing is ready, the clock jumps to the next timer.

    with simulated(random.Random(7)) as loop:
        loop.run_until_complete(play())

Meanwhile every clock of the process shows the loop's time, and what draws secrets draws from the dice: the same seed is
the same play. Nothing that is run may wait for a socket, a thread or another process.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import selectors
from collections.abc import Iterator
from typing import Any
from unittest import mock

BEGAN = 1_800_000_000.0
"""What the wall clock shows when the loop's is 0."""


class NothingHappens(AssertionError):
    """Everything waits, and nothing is due."""


class _Selector(selectors.SelectSelector):
    def __init__(self) -> None:
        super().__init__()
        self.now = 1000.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise NothingHappens("everything waits, and no timer is set")
        self.now += max(0.0, timeout)
        return []


class SimulatedLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._simulated = _Selector()
        super().__init__(self._simulated)
        self.failures: list[str] = []
        """What tasks and callbacks raised and nobody caught."""
        self.set_exception_handler(self._note)

    def time(self) -> float:
        return self._simulated.now

    def spend(self, seconds: float) -> None:
        """Something took this long, and nothing else was done meanwhile."""
        self._simulated.now += seconds

    def _note(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        self.failures.append(f"{context['message']}: {error!r}")


@contextlib.contextmanager
def simulated(dice: random.Random) -> Iterator[SimulatedLoop]:
    loop = SimulatedLoop()

    def clock_gettime(clock: int) -> float:
        return loop.time()

    def wall() -> float:
        return BEGAN + loop.time()

    with (
        mock.patch("time.monotonic", loop.time),
        mock.patch("time.clock_gettime", clock_gettime),
        mock.patch("time.time", wall),
        mock.patch("secrets.token_bytes", dice.randbytes),
    ):
        try:
            yield loop
        finally:
            loop.close()
