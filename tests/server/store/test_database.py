"""A file of an earlier version is brought up to date with a copy kept, one of a later version is left alone, and what
cannot be used is said with its remedy."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.config import Config
from alembic.script import ScriptDirectory

from slidewire.server.store import sql_accounts, sql_rooms
from slidewire.server.store.database import MIGRATIONS, DamagedError, Database, NewerError, Schema, StoreError
from slidewire.server.store.tables import ACCOUNTS, ROOMS
from tests.server.store.before import change, spoil_page, tables, write_together

BOTH = [(sql_accounts.SCHEMA, ACCOUNTS), (sql_rooms.SCHEMA, ROOMS)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "some store.sqlite3"


def opened(path: Path, schema: Schema = sql_accounts.SCHEMA) -> None:
    Database(path, schema, "NORMAL").close()


def described(connection: sa.Connection) -> dict[str, list[set[tuple[object, ...]]]]:
    """The tables: columns with type and default, foreign keys with what a deletion does, indexes."""
    names = set(sa.inspect(connection).get_table_names()) - {"alembic_version"}
    facts = {
        "table_info": ("name", "type", '"notnull"', "dflt_value", "pk"),
        "foreign_key_list": ('"table"', '"from"', '"to"', "on_delete"),
        "index_list": ("name", '"unique"', "origin"),
    }
    queries = {name: f"SELECT {', '.join(columns)} FROM pragma_{name}(?)" for name, columns in facts.items()}
    return {
        table: [set(map(tuple, connection.exec_driver_sql(query, (table,)))) for query in queries.values()]
        for table in names
    }


@pytest.mark.parametrize(("schema", "metadata"), BOTH)
def test_the_migrations_make_the_tables_that_the_code_uses(path: Path, schema: Schema, metadata: sa.MetaData) -> None:
    database = Database(path, schema, "NORMAL")
    made = sa.create_engine("sqlite://", poolclass=sa.StaticPool)
    metadata.create_all(made)
    with database.reading() as migrated, made.connect() as created:
        assert described(migrated) == described(created)
    database.close()
    made.dispose()
    assert not list(path.parent.glob("*.bak")), "a new file has nothing worth a copy"


@pytest.mark.parametrize("schema", [schema for schema, _ in BOTH], ids=lambda schema: schema.name)
def test_the_newest_migration_is_the_one_that_is_named(schema: Schema) -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("version_locations", str(MIGRATIONS / schema.name))
    config.set_main_option("path_separator", "newline")
    assert ScriptDirectory.from_config(config).get_heads() == [schema.head]


def test_an_upgrade_keeps_a_copy_and_is_done_once(path: Path) -> None:
    write_together(path)
    opened(path)
    copy = path.with_name(path.name + ".unversioned.bak")
    assert "alembic_version" not in tables(copy) and "alembic_version" in tables(path)
    assert copy.stat().st_mode & 0o077 == 0, "it has the same secrets in it"
    copy.unlink()
    opened(path)
    assert not copy.exists()


def test_an_upgrade_that_fails_changes_nothing(path: Path) -> None:
    write_together(path)
    change(path, "DROP TABLE api_keys", "CREATE VIEW api_keys AS SELECT 1")
    before = tables(path)
    with pytest.raises(StoreError):
        opened(path)
    assert tables(path) == before


@pytest.mark.parametrize(
    "written_by_the_next",
    ["UPDATE alembic_version SET version_num = 'accounts_9999'", "ALTER TABLE accounts ADD COLUMN locked INTEGER"],
)
def test_a_file_of_a_later_version_is_refused_and_left_alone(path: Path, written_by_the_next: str) -> None:
    opened(path)
    change(path, "UPDATE alembic_version SET version_num = 'accounts_9999'", written_by_the_next)
    before = path.read_bytes()
    with pytest.raises(NewerError, match=r"newer version of Slidewire.*accounts_9999.*Run that version again"):
        opened(path)
    assert path.read_bytes() == before and [file.name for file in path.parent.iterdir()] == [path.name]


def test_a_later_number_from_before_migrations_is_refused_too(path: Path) -> None:
    write_together(path)
    change(path, "PRAGMA user_version = 2")
    with pytest.raises(NewerError):
        opened(path)
    assert path.exists()


def test_going_back_is_putting_the_copy_in_its_place(path: Path) -> None:
    """As the sentence says: a later version made the copy before it changed the file."""
    opened(path)
    change(path, "INSERT INTO accounts VALUES ('ada', 'a hash', 1)")
    copy = path.with_name(f"{path.name}.{sql_accounts.SCHEMA.head}.bak")
    copy.write_bytes(path.read_bytes())
    change(path, "UPDATE alembic_version SET version_num = 'accounts_9999'")
    with pytest.raises(NewerError, match=re.escape(f"{path.name}.….bak")):
        opened(path)
    copy.replace(path)
    database = Database(path, sql_accounts.SCHEMA, "FULL")
    with database.reading() as connection:
        assert connection.exec_driver_sql("SELECT name FROM accounts").scalars().all() == ["ada"]
    database.close()


@pytest.mark.parametrize("page", [0, 3])
def test_a_damaged_file_is_said_and_left_alone(path: Path, page: int) -> None:
    write_together(path)
    spoil_page(path, page)
    before = path.read_bytes()
    with pytest.raises(DamagedError, match=r"is damaged.*backup"):
        opened(path)
    assert path.read_bytes() == before


def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="Make its folder writable"):
        opened(tmp_path / "nowhere" / "accounts.sqlite3")


def test_a_transaction_that_fails_is_undone(path: Path) -> None:
    database = Database(path, sql_accounts.SCHEMA, "NORMAL")

    def add_twice() -> None:
        with database.writing() as connection:
            for _ in range(2):
                connection.exec_driver_sql("INSERT INTO accounts VALUES ('ada', 'a hash', 1)")

    with pytest.raises(StoreError):
        add_twice()
    with database.reading() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM accounts").scalar_one() == 0
    database.close()
