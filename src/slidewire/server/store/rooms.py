"""Rooms and ended links in SQLite, so that a restarted server knows them before their hosts are back.

Written behind: the hub's effects are gathered for a moment and written in one transaction by a thread. A crash loses
at most that moment, and losing the whole file loses nothing that the hosts do not announce again, except which links
were revoked or ended (and those the hosts know too).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sqlite3
from pathlib import Path
from typing import Final

import msgspec

from slidewire.signaling.effects import DropRoom, SaveRoom, SaveTombstone
from slidewire.signaling.messages import Code, Link
from slidewire.signaling.room import StoredRoom, Tombstone

WRITE_SECONDS: Final = 0.25
SCHEMA_VERSION: Final = 1

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS rooms (
  code TEXT PRIMARY KEY, token_hash BLOB NOT NULL, links BLOB NOT NULL, idle_until REAL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS tombstones (
  link TEXT PRIMARY KEY, room TEXT NOT NULL, code TEXT NOT NULL, until REAL NOT NULL
) WITHOUT ROWID;
"""

log = logging.getLogger(__name__)

Change = SaveRoom | DropRoom | SaveTombstone


class RoomStore:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._database = _open(path)
        self._changes: dict[tuple[str, str], Change] = {}
        self._writer: asyncio.Task[None] | None = None
        self._hurry = asyncio.Event()

    def load(self, wall: float) -> tuple[list[StoredRoom], list[Tombstone]]:
        """What is still good, and forget the rest."""
        with self._database as database:
            database.execute("DELETE FROM tombstones WHERE until <= ?", (wall,))
            database.execute("DELETE FROM rooms WHERE idle_until <= ?", (wall,))
        rooms = [
            StoredRoom(code, token_hash, msgspec.json.decode(links, type=tuple[Link, ...]), idle_until)
            for code, token_hash, links, idle_until in self._database.execute(
                "SELECT code, token_hash, links, idle_until FROM rooms"
            )
        ]
        tombstones = [
            Tombstone(link, room, Code(code), until)
            for link, room, code, until in self._database.execute("SELECT link, room, code, until FROM tombstones")
        ]
        return rooms, tombstones

    def save(self, change: Change) -> None:
        """Soon. The latest change of a thing replaces the earlier ones."""
        match change:
            case SaveRoom(room):
                key = ("room", room.code)
            case DropRoom(code):
                key = ("room", code)
            case SaveTombstone(tombstone):
                key = ("tombstone", tombstone.link)
        self._changes[key] = change
        if self._writer is None:
            self._writer = asyncio.create_task(self._write_soon(), name="room store")

    async def close(self) -> None:
        """Write what waits, then let go of the file."""
        self._hurry.set()
        if self._writer is not None:
            await self._writer
        self._database.close()

    async def _write_soon(self) -> None:
        while self._changes:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._hurry.wait(), WRITE_SECONDS)
            changes, self._changes = list(self._changes.values()), {}
            await asyncio.to_thread(self._write, changes)
        self._writer = None

    def _write(self, changes: list[Change]) -> None:
        try:
            with self._database as database:
                for change in changes:
                    match change:
                        case SaveRoom(room):
                            row = (room.code, room.token_hash, msgspec.json.encode(room.links), room.idle_until)
                            database.execute("INSERT OR REPLACE INTO rooms VALUES (?, ?, ?, ?)", row)
                        case DropRoom(code):
                            database.execute("DELETE FROM rooms WHERE code = ?", (code,))
                        case SaveTombstone(stone):
                            grave = (stone.link, stone.room, str(stone.code), stone.until)
                            database.execute("INSERT OR REPLACE INTO tombstones VALUES (?, ?, ?, ?)", grave)
        except sqlite3.Error as error:
            log.warning("Rooms could not be written to %s: %s. They live on in memory.", self._path, error)


def _open(path: Path) -> sqlite3.Connection:
    """A file that cannot be used is put aside: rooms are not worth a server that does not start."""
    for attempt in range(2):
        with contextlib.suppress(OSError):  # the database says what is wrong
            path.touch(mode=0o600)  # before anything is in it; the files beside it take after it
        database = sqlite3.connect(path, check_same_thread=False, timeout=2.0)
        try:
            database.execute("PRAGMA journal_mode = WAL")
            database.execute("PRAGMA synchronous = NORMAL")
            version = database.execute("PRAGMA user_version").fetchone()[0]
            if version not in (0, SCHEMA_VERSION):
                raise sqlite3.DatabaseError(f"schema {version} is not this version's")
            database.executescript(_SCHEMA)
            database.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        except sqlite3.OperationalError:
            database.close()
            raise
        except sqlite3.DatabaseError as error:
            database.close()
            if attempt:
                raise
            log.warning("%s cannot be used (%s); it is kept as %s.bad", path, error, path.name)
            path.replace(path.with_name(path.name + ".bad"))
        else:
            path.chmod(0o600)
            return database
    raise AssertionError("unreachable")
