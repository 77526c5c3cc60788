"""One SQLite file behind SQLAlchemy: opened, checked, and brought to this version's tables by its migrations.

Three things can be wrong with a file, and each is told apart, because each asks for something else: it cannot be opened
now (rights, space, another program), it is *damaged*, or it was written by a *newer* version. No file is renamed or
replaced here. Before a file is changed, a copy of it is kept beside it under the name of the revision it had.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from slidewire.system.errors import SetupError

MIGRATIONS: Final = Path(__file__).parent / "migrations"
BUSY_SECONDS: Final = 5.0
"""How long a transaction waits for one of another program."""
UNVERSIONED: Final = "unversioned"
"""The revision of a file from before there were migrations."""
_LAST_UNVERSIONED: Final = 1
"""`PRAGMA user_version` of such a file: 0 or this."""
CHECK: Final = "PRAGMA quick_check(1)"
SOUND: Final = "ok"
_WRITES: Final = "slidewire_writes"


class StoreError(SetupError):
    """A store cannot be used. The message is a sentence for a person, with the remedy."""


class DamagedError(StoreError):
    """What is in the file is not a database, or no longer a whole one."""


class NewerError(StoreError):
    """A newer version of Slidewire wrote the file."""


@dataclass(frozen=True, slots=True)
class Schema:
    name: str
    """The folder of its migrations."""
    head: str
    """The newest of them."""


class Database:
    """A file whose tables are those of this version. `synchronous`: FULL keeps what was committed through a power cut,
    NORMAL keeps the file whole."""

    def __init__(self, path: Path, schema: Schema, synchronous: Literal["NORMAL", "FULL"]) -> None:
        """Raises StoreError."""
        self.path = path
        with contextlib.suppress(OSError):  # the database says what is wrong
            path.touch(mode=0o600)  # before anything is in it; the files beside it get the same mode
        self._engine = _engine(path, synchronous)
        self._writing_engine = self._engine.execution_options(**{_WRITES: True})
        try:
            with self._errors():
                self._check()
                self._upgrade(schema)
                path.chmod(0o600)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        self._engine.dispose()

    @contextlib.contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """One transaction that sees one state of the file. Raises StoreError."""
        with self._errors(), self._engine.begin() as connection:
            yield connection

    @contextlib.contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """One transaction that takes the right to write before it reads: another program (`slidewire account`) may have
        the file open, too. Raises StoreError."""
        with self._errors(), self._writing_engine.begin() as connection:
            yield connection

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except (SQLAlchemyError, OSError) as error:
            raise why_not_usable(self.path, error) from error

    def _check(self) -> None:
        with self.reading() as connection:
            found = connection.exec_driver_sql(CHECK).scalar_one()
        if found != SOUND:
            raise damaged(self.path, found)

    def _upgrade(self, schema: Schema) -> None:
        with self.reading() as connection:
            revision, is_empty = self._revision(connection), not sa.inspect(connection).get_table_names()
        if revision == schema.head:
            return
        import alembic.command  # a seventh of a second that only a file of another version costs
        from alembic.config import Config
        from alembic.script import ScriptDirectory

        config = Config()
        config.set_main_option("script_location", _escaped(MIGRATIONS))
        config.set_main_option("version_locations", _escaped(MIGRATIONS / schema.name))
        config.set_main_option("path_separator", "newline")
        known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
        if revision not in {*known, UNVERSIONED}:
            raise _newer(self.path, revision)
        if not is_empty:
            copy_database(self.path, self.path.with_name(f"{self.path.name}.{revision}.bak"))
        with self.writing() as connection:
            config.attributes["connection"] = connection
            alembic.command.upgrade(config, schema.head)

    def _revision(self, connection: sa.Connection) -> str:
        if sa.inspect(connection).has_table("alembic_version"):
            found = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar_one_or_none()
            return UNVERSIONED if found is None else str(found)
        version = int(connection.exec_driver_sql("PRAGMA user_version").scalar_one())
        if version > _LAST_UNVERSIONED:
            raise _newer(self.path, str(version))
        return UNVERSIONED


def copy_database(path: Path, target: Path) -> None:
    """All of a database, whether others have it open or not. `target` is complete or not there. Raises sqlite3.Error
    and OSError."""
    beside = target.with_name(f"{target.name}.{os.getpid()}.new")
    try:
        beside.touch(mode=0o600)
        with contextlib.closing(sqlite3.connect(path)) as source, contextlib.closing(sqlite3.connect(beside)) as copy:
            source.backup(copy)
        beside.replace(target)
    finally:
        beside.unlink(missing_ok=True)


def damaged(path: Path, found: str) -> DamagedError:
    """`found`: what SQLite says of it, on one line or several."""
    found = " ".join(found.split())
    return DamagedError(
        f"{path} is damaged ({found}). Put a backup of it in its place, or move it away to begin with an empty one."
    )


def why_not_usable(path: Path, error: Exception) -> StoreError:
    """Of what SQLite, SQLAlchemy or the system raised."""
    cause = getattr(error, "orig", None) or error
    if isinstance(cause, sqlite3.Error):
        code = getattr(cause, "sqlite_errorcode", 0) & 0xFF  # without its extension
        if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            return damaged(path, str(cause))
    return StoreError(f"{path} cannot be used ({cause}). Make its folder writable, and see that its disk has room.")


def _newer(path: Path, revision: str) -> NewerError:
    return NewerError(
        f"{path} was written by a newer version of Slidewire (its revision is {revision}). Run that version again, or "
        f"put a file of this version in its place: {path.name}.….bak beside it is a copy from before the upgrade."
    )


def _engine(path: Path, synchronous: str) -> sa.Engine:
    engine = sa.create_engine(
        sa.URL.create("sqlite", database=str(path)),
        connect_args={"timeout": BUSY_SECONDS, "check_same_thread": False},
    )

    def connected(connection: sqlite3.Connection, _: Any) -> None:
        connection.isolation_level = None  # transactions are begun below, and not by the driver's guess
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA synchronous = {synchronous}")
        connection.execute("PRAGMA foreign_keys = ON")

    def began(connection: sa.Connection) -> None:
        writes = connection.get_execution_options().get(_WRITES)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    sa.event.listen(engine, "connect", connected)
    sa.event.listen(engine, "begin", began)
    return engine


def _escaped(path: Path) -> str:
    """For a configuration in which % begins a reference."""
    return str(path).replace("%", "%%")
