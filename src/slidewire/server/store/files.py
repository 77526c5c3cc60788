"""Where the stores are in a state directory: accounts in one file, rooms in another.

Versions before migrations kept both in the rooms' file. The first program of this version that opens either takes the
accounts out of it: a complete copy becomes the accounts' file, then each file drops the other's tables. The rooms' file
as it was is kept beside it.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from slidewire.server.store.database import CHECK, SOUND, DamagedError, copy_database, damaged, why_not_usable
from slidewire.server.store.sql_accounts import SqlAccounts
from slidewire.server.store.sql_rooms import SqlRooms

ROOMS_FILE: Final = "rooms.sqlite3"
ACCOUNTS_FILE: Final = "accounts.sqlite3"
WITH_ACCOUNTS: Final = ".with-accounts.bak"
"""Ends the name of the copy of the rooms' file as it was."""
_ROOM_TABLES: Final = ("tombstones", "rooms")
_ACCOUNT_TABLES: Final = ("api_keys", "tokens", "sessions", "invitations", "accounts")
"""Those that refer to others first."""


def open_rooms(state_dir: Path) -> SqlRooms:
    """Raises StoreError, but for a damaged file without accounts: that is put aside."""
    has_both = False
    with contextlib.suppress(DamagedError):
        has_both = _has_both(state_dir)
    if has_both:
        _separate(state_dir)
    return SqlRooms(state_dir / ROOMS_FILE)


def open_accounts(state_dir: Path) -> SqlAccounts:
    """Raises StoreError."""
    if _has_both(state_dir):
        _separate(state_dir)
    return SqlAccounts(state_dir / ACCOUNTS_FILE)


def _has_both(state_dir: Path) -> bool:
    """Whether the rooms' file still has the accounts in it. Raises StoreError."""
    rooms, accounts = state_dir / ROOMS_FILE, state_dir / ACCOUNTS_FILE
    if accounts.exists() or not rooms.exists():
        return False
    with _errors(rooms), contextlib.closing(sqlite3.connect(rooms)) as database:
        return _has_accounts(database)


def _separate(state_dir: Path) -> None:
    """Raises StoreError; the rooms' file is then as it was."""
    rooms, accounts = state_dir / ROOMS_FILE, state_dir / ACCOUNTS_FILE
    with _errors(rooms), contextlib.closing(sqlite3.connect(rooms, isolation_level=None)) as database:
        (found,) = database.execute(CHECK).fetchone()
        if found != SOUND:
            raise damaged(rooms, found)
        database.execute("BEGIN IMMEDIATE")  # of two programs that start at once, one does it
        if _has_accounts(database) and not accounts.exists():
            copy_database(rooms, rooms.with_name(rooms.name + WITH_ACCOUNTS))
            _make_accounts_file(rooms, accounts)
            _drop(database, _ACCOUNT_TABLES)
        database.execute("COMMIT")


def _make_accounts_file(rooms: Path, accounts: Path) -> None:
    """Complete, or not there."""
    unfinished = accounts.with_name(f"{accounts.name}.new")
    copy_database(rooms, unfinished)
    with contextlib.closing(sqlite3.connect(unfinished, isolation_level=None)) as database:
        _drop(database, _ROOM_TABLES)
    unfinished.replace(accounts)


def _has_accounts(database: sqlite3.Connection) -> bool:
    query = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'accounts'"
    return database.execute(query).fetchone() is not None


def _drop(database: sqlite3.Connection, tables: tuple[str, ...]) -> None:
    for table in tables:
        database.execute(f"DROP TABLE IF EXISTS {table}")


@contextlib.contextmanager
def _errors(path: Path) -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise why_not_usable(path, error) from error
