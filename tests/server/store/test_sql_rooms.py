"""Rooms and tombstones come back as they were written."""

from __future__ import annotations

from pathlib import Path

from slidewire.server.store.sql_rooms import SqlRooms
from slidewire.signaling.effects import DropRoom, SaveRoom, SaveTombstone
from slidewire.signaling.messages import Code, Link, Place
from slidewire.signaling.room import StoredRoom, Tombstone

NOW = 1_800_000_000.0
ROOM = StoredRoom("KQ4F7", b"\x01" * 32, (Link("abcdefghij", "A" * 43, NOW + 60, Place.OPERATOR),), None)
IDLE = StoredRoom("XW3T9", b"\x02" * 32, (), NOW + 60)
REVOKED = Tombstone("uvwxyz2345", "KQ4F7", Code.LINK_REVOKED, NOW + 60)


def test_what_was_written_last_is_loaded(tmp_path: Path) -> None:
    path = tmp_path / "rooms.sqlite3"
    repository = SqlRooms(path)
    earlier = StoredRoom("KQ4F7", b"\x03" * 32, (), NOW + 60)
    repository.write([SaveRoom(earlier), SaveRoom(ROOM), SaveRoom(IDLE), SaveTombstone(REVOKED)])
    repository.write([SaveTombstone(REVOKED), DropRoom("never there")])
    repository.close()
    again = SqlRooms(path)
    assert again.load(NOW) == ([ROOM, IDLE], [REVOKED])
    again.write([DropRoom("XW3T9")])
    assert again.load(NOW) == ([ROOM], [REVOKED])
    again.close()


def test_what_is_over_is_removed(tmp_path: Path) -> None:
    repository = SqlRooms(tmp_path / "rooms.sqlite3")
    repository.write([SaveRoom(ROOM), SaveRoom(IDLE), SaveTombstone(REVOKED)])
    assert repository.load(NOW + 60) == ([ROOM], [])
    assert repository.load(NOW) == ([ROOM], []), "for good"
    repository.close()
