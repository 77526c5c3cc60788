"""Which slide is drawn next: one drawing at a time, for those who may click first, for links in turn.

Drawing is the most costly thing that a link which may only view can ask for, and in some decks the show stands still
meanwhile. So the drawings of one link have a budget of seconds, beyond which they wait.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Final

from slidewire.base.rates import Bucket, Rate
from slidewire.host.show.fair_queue import FairQueue

SECONDS: Final = Rate(0.5, 15.0)
"""Seconds of drawing, for each link."""


class DrawingQueue:
    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._budgets: dict[str, Bucket] = {}
        self._is_drawing = False
        self._waiting: tuple[FairQueue[asyncio.Future[None]], ...] = FairQueue(), FairQueue()
        """Of those who may click, and of those who only look on."""

    @contextlib.asynccontextmanager
    async def turn(self, link: str, session: int, *, may_click: bool) -> AsyncIterator[None]:
        """Wait for the turn of this session; it is over when the block ends, which is charged to the link."""
        budget = self._budgets.setdefault(link, Bucket(SECONDS))
        while (debt := budget.take(self._clock(), 0.0)) > 0:  # noqa: ASYNC110  others of the link may draw meanwhile
            await asyncio.sleep(debt)
        if self._is_drawing:
            mine: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting[0 if may_click else 1].put(link, session, mine)
            try:
                await mine
            except asyncio.CancelledError:
                if mine.done() and not mine.cancelled():
                    self._pass_on()  # it had its turn just now
                raise
        self._is_drawing = True
        began = self._clock()
        try:
            yield
        finally:
            now = self._clock()
            budget.charge(now, now - began)
            self._pass_on()

    def _pass_on(self) -> None:
        self._is_drawing = False
        for queue in self._waiting:
            while queue:
                following = queue.pop()
                if not following.done():  # else it was cancelled while it waited
                    self._is_drawing = True
                    following.set_result(None)
                    return
