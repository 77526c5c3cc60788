"""The host's screen stays on while a show runs, as a feature of the show."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence

from slidewire.host.desktop.errors import DesktopError
from slidewire.host.desktop.inhibitor import Inhibitor
from slidewire.host.show.feature import Feature

log = logging.getLogger(__name__)


class KeepAwake(Feature):
    def __init__(self, is_running: Callable[[], bool], inhibitors: Sequence[Inhibitor]) -> None:
        """`is_running`: whether a show is on the screen. `inhibitors`: all are asked, and one that works is enough."""
        self._is_running = is_running
        self._inhibitors = inhibitors
        self._is_held = False
        self._changing: asyncio.Task[None] | None = None

    def handle_timer(self, now: float) -> None:
        if self._inhibitors and self._changing is None and self._is_running() is not self._is_held:
            self._is_held = not self._is_held
            self._changing = asyncio.create_task(self._hold() if self._is_held else self._release(), name="keep awake")
            self._changing.add_done_callback(self._changed)

    def _changed(self, task: asyncio.Task[None]) -> None:
        self._changing = None

    async def close(self) -> None:
        if self._changing is not None:
            await self._changing
        await self._release()

    async def _hold(self) -> None:
        held = 0
        for inhibitor in self._inhibitors:
            try:
                await inhibitor.hold()
                held += 1
            except DesktopError as error:
                log.info("%s", error)
        if not held:
            log.warning("this desktop cannot be asked to stay awake: see that no screen saver or lock comes up")

    async def _release(self) -> None:
        for inhibitor in self._inhibitors:
            await inhibitor.release()
