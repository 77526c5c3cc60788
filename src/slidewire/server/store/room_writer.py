"""The hub's changes, written to a repository a moment later, so that no click waits for a disk.

Changes are gathered for a moment and written in one transaction by a thread. A crash loses at most that moment, and
losing the whole file loses nothing that the hosts do not announce again, except which links were revoked or ended (and
those the hosts know too).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import Final

from slidewire.server.store.database import StoreError
from slidewire.server.store.repositories import RoomChange, RoomRepository
from slidewire.signaling.effects import DropRoom, SaveRoom, SaveTombstone

WRITE_SECONDS: Final = 0.25

log = logging.getLogger(__name__)


class RoomWriter:
    def __init__(self, repository: RoomRepository) -> None:
        self._repository = repository
        self._changes: dict[tuple[str, str], RoomChange] = {}
        self._task: asyncio.Task[None] | None = None
        self._closing = asyncio.Event()

    def save(self, change: RoomChange) -> None:
        """Soon. The latest change of a thing replaces the earlier ones."""
        match change:
            case SaveRoom(room):
                key = ("room", room.code)
            case DropRoom(code):
                key = ("room", code)
            case SaveTombstone(tombstone):
                key = ("tombstone", tombstone.link)
        self._changes[key] = change
        if self._task is None:
            self._task = asyncio.create_task(self._write_soon(), name="room writer")

    async def close(self) -> None:
        """Write what waits, then close the repository."""
        self._closing.set()
        if self._task is not None:
            await self._task
        self._repository.close()

    async def _write_soon(self) -> None:
        while self._changes:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._closing.wait(), WRITE_SECONDS)
            changes, self._changes = list(self._changes.values()), {}
            try:
                await asyncio.to_thread(self._repository.write, changes)
            except StoreError as error:
                log.warning("Rooms could not be written, and are in memory only: %s", error)
        self._task = None
