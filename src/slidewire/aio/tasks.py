"""Tasks that run beside their owner and end with it. A failure is logged where it happened, never swallowed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

log = logging.getLogger(__name__)


class Tasks:
    """The tasks of one owner."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._tasks)

    def start(self, work: Coroutine[Any, Any, None], name: str | None = None) -> asyncio.Task[None]:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._finished)
        return task

    async def finish(self, within: float | None = None) -> None:
        """Wait until all of them are done, or for so many seconds."""
        while self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=within)
            if late:
                return

    def request_cancel(self) -> None:
        """Cancel all of them without waiting: one of them may be the caller."""
        for task in self._tasks:
            task.cancel()

    async def cancel(self) -> None:
        """Cancel all of them, and wait until they are done."""
        self.request_cancel()
        await self.finish()

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("%s failed", task.get_coro(), exc_info=error)
