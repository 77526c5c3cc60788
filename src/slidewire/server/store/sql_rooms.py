"""Rooms and tombstones in SQL."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec
import sqlalchemy as sa

from slidewire.server.store.database import DamagedError, Database, Schema
from slidewire.server.store.repositories import RoomChange
from slidewire.server.store.tables import rooms, tombstones
from slidewire.signaling.effects import DropRoom, SaveRoom, SaveTombstone
from slidewire.signaling.messages import Code, Link
from slidewire.signaling.room import StoredRoom, Tombstone

SCHEMA: Final = Schema("rooms", "rooms_0001")

log = logging.getLogger(__name__)


class SqlRooms:
    """A `RoomRepository`. Its database need not outlast a power cut: hosts announce their rooms again."""

    def __init__(self, path: Path) -> None:
        """Raises StoreError, but for a damaged file: that is put aside."""
        try:
            self._database = Database(path, SCHEMA, "NORMAL")
        except DamagedError as error:
            aside = put_aside(path)
            log.warning("%s It is kept as %s; the hosts bring their rooms back.", error, aside.name)
            self._database = Database(path, SCHEMA, "NORMAL")

    def close(self) -> None:
        self._database.close()

    def load(self, wall: float) -> tuple[list[StoredRoom], list[Tombstone]]:
        with self._database.writing() as database:
            database.execute(sa.delete(tombstones).where(tombstones.c.until <= wall))
            database.execute(sa.delete(rooms).where(rooms.c.idle_until <= wall))
            stored = [
                StoredRoom(
                    row.code, row.token_hash, msgspec.json.decode(row.links, type=tuple[Link, ...]), row.idle_until
                )
                for row in database.execute(sa.select(rooms))
            ]
            ended = [
                Tombstone(row.link, row.room, Code(row.code), row.until)
                for row in database.execute(sa.select(tombstones))
            ]
        return stored, ended

    def write(self, changes: Sequence[RoomChange]) -> None:
        with self._database.writing() as database:
            for change in changes:
                match change:
                    case SaveRoom(room):
                        database.execute(sa.delete(rooms).where(rooms.c.code == room.code))
                        links = msgspec.json.encode(room.links)
                        row = {"code": room.code, "token_hash": room.token_hash, "links": links}
                        database.execute(sa.insert(rooms).values(**row, idle_until=room.idle_until))
                    case DropRoom(code):
                        database.execute(sa.delete(rooms).where(rooms.c.code == code))
                    case SaveTombstone(tombstone):
                        database.execute(sa.delete(tombstones).where(tombstones.c.link == tombstone.link))
                        named = {"link": tombstone.link, "room": tombstone.room, "code": str(tombstone.code)}
                        database.execute(sa.insert(tombstones).values(**named, until=tombstone.until))


def put_aside(path: Path) -> Path:
    """Under another name, with what SQLite keeps beside it, so that a new file does not read any of it."""
    aside = path.with_name(path.name + ".bad")
    for suffix in ("", "-wal", "-shm"):
        part = path.with_name(path.name + suffix)
        if part.exists():
            part.replace(aside.with_name(aside.name + suffix))
        else:
            aside.with_name(aside.name + suffix).unlink(missing_ok=True)
    return aside
