"""Files that earlier versions of the server wrote."""

from __future__ import annotations

import gzip
import sqlite3
from pathlib import Path
from typing import Final

NOW: Final = 1_800_000_000.0
DAY: Final = 86_400.0

TOGETHER: Final = Path(__file__).parent / "files" / "rooms-before-accounts-had-their-own.sqlite3.gz"
"""Written by the last version before migrations, at `NOW`.

Its accounts ada and bob have the password "correct horse battery staple". Its tokens are called swi_1, swa_1 … in the
order they were made: of ada swa_1 and swr_1, of bob swa_2, swr_2 (used), swa_3 and swr_3; swi_3 is for bob and swi_4
for a new account; swk_1 made swk_2. It has the rooms KQ4F7 and XW3T9, and a link that was revoked.
"""

FIRST: Final = """
CREATE TABLE accounts (name TEXT PRIMARY KEY, password TEXT NOT NULL, created REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE invitations (hash BLOB PRIMARY KEY, account TEXT, until REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE sessions (
  id TEXT PRIMARY KEY, account TEXT NOT NULL REFERENCES accounts ON DELETE CASCADE, created REAL NOT NULL,
  ends REAL NOT NULL
) WITHOUT ROWID;
CREATE TABLE tokens (
  hash BLOB PRIMARY KEY, session TEXT NOT NULL REFERENCES sessions ON DELETE CASCADE, refreshes INTEGER NOT NULL,
  until REAL NOT NULL, used INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE INDEX tokens_by_session ON tokens (session);
CREATE TABLE api_keys (
  id TEXT PRIMARY KEY, hash BLOB NOT NULL UNIQUE, name TEXT NOT NULL, scopes TEXT NOT NULL, expires REAL NOT NULL,
  addresses TEXT NOT NULL, per_minute INTEGER NOT NULL, made_by TEXT NOT NULL REFERENCES accounts ON DELETE CASCADE,
  created REAL NOT NULL
) WITHOUT ROWID;
"""
"""The statements of the first version that had accounts."""


def write_together(path: Path) -> None:
    path.write_bytes(gzip.decompress(TOGETHER.read_bytes()))
    path.chmod(0o600)


def tables(path: Path) -> set[str]:
    database = sqlite3.connect(path)
    try:
        return {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    finally:
        database.close()


def change(path: Path, *statements: str) -> None:
    database = sqlite3.connect(path)
    try:
        for statement in statements:
            database.execute(statement)
        database.commit()
    finally:
        database.close()


def spoil_page(path: Path, number: int) -> None:
    """Nonsense in the place of one page. The first one says which tables there are."""
    with path.open("r+b") as file:
        file.seek(4096 * number)
        file.write(b"\xff" * 4096)
