"""Changes are written together, the latest of each thing; a repository that fails costs no room its life."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import pytest

from slidewire.server.store.database import StoreError
from slidewire.server.store.repositories import RoomChange
from slidewire.server.store.room_writer import RoomWriter
from slidewire.signaling.effects import DropRoom, SaveRoom
from slidewire.signaling.room import StoredRoom, Tombstone


class Written:
    """A repository in memory."""

    def __init__(self) -> None:
        self.transactions: list[list[RoomChange]] = []
        self.is_open = True
        self.fails = False

    def load(self, wall: float) -> tuple[list[StoredRoom], list[Tombstone]]:
        return [], []

    def write(self, changes: Sequence[RoomChange]) -> None:
        if self.fails:
            raise StoreError("no space")
        self.transactions.append(list(changes))

    def close(self) -> None:
        self.is_open = False


def room(code: str, idle_until: float | None = None) -> SaveRoom:
    return SaveRoom(StoredRoom(code, b"\x01" * 32, (), idle_until))


async def test_closing_writes_what_waits_once() -> None:
    repository = Written()
    writer = RoomWriter(repository)
    for change in (room("A"), room("B"), room("A", 1.0), DropRoom("B")):
        writer.save(change)
    assert repository.transactions == [], "no caller waits for a disk"
    await writer.close()
    assert repository.transactions == [[room("A", 1.0), DropRoom("B")]] and not repository.is_open


async def test_a_repository_that_fails_is_said(caplog: pytest.LogCaptureFixture) -> None:
    repository = Written()
    repository.fails = True
    writer = RoomWriter(repository)
    writer.save(room("A"))
    with caplog.at_level(logging.WARNING):
        await writer.close()
    assert "in memory only: no space" in caplog.text and not repository.is_open
