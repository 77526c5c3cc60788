"""Accounts and rooms of the versions that kept both in one file, opened by this one."""

from __future__ import annotations

import hashlib
import logging
import sqlite3
from pathlib import Path

import argon2
import pytest

from slidewire.server.accounts.api_keys import Bounds, Scope, Wanted
from slidewire.server.accounts.store import AccountStore, Denied
from slidewire.server.store.database import DamagedError, StoreError
from slidewire.server.store.files import ACCOUNTS_FILE, ROOMS_FILE, WITH_ACCOUNTS, open_accounts, open_rooms
from slidewire.signaling.messages import Code, Link, Place
from slidewire.signaling.room import StoredRoom, Tombstone
from tests.server.store.before import DAY, FIRST, NOW, change, spoil_page, tables, write_together

ROOM = StoredRoom(
    "KQ4F7", b"\x01" * 32, (Link("abcdefghij", "A" * 43), Link("klmnopqrst", "B" * 43, place=Place.AUDIENCE)), None
)
OTHER_ROOM = StoredRoom("XW3T9", b"\x02" * 32, (), NOW + 7200)
REVOKED = Tombstone("uvwxyz2345", "KQ4F7", Code.LINK_REVOKED, NOW + DAY)
ROOM_TABLES = {"rooms", "tombstones", "alembic_version"}
ACCOUNT_TABLES = {"accounts", "invitations", "sessions", "tokens", "api_keys", "alembic_version"}


@pytest.fixture
def together(tmp_path: Path) -> Path:
    write_together(tmp_path / ROOMS_FILE)
    return tmp_path


def names(state: Path) -> list[str]:
    store = AccountStore(open_accounts(state))
    found = store.names()
    store.close()
    return found


def rooms(state: Path) -> tuple[list[StoredRoom], list[Tombstone]]:
    repository = open_rooms(state)
    found = repository.load(NOW)
    repository.close()
    return found


class TestTheLastVersionBefore:
    @pytest.mark.parametrize("order", ["accounts first", "rooms first"])
    def test_each_gets_its_own_file(self, together: Path, order: str) -> None:
        for _ in range(2):
            if order == "accounts first":
                assert names(together) == ["ada", "bob"]
            assert rooms(together) == ([ROOM, OTHER_ROOM], [REVOKED])
            assert names(together) == ["ada", "bob"]
        assert tables(together / ROOMS_FILE) == ROOM_TABLES
        assert tables(together / ACCOUNTS_FILE) == ACCOUNT_TABLES
        assert tables(together / (ROOMS_FILE + WITH_ACCOUNTS)) == (ROOM_TABLES | ACCOUNT_TABLES) - {"alembic_version"}
        assert not any(file.stat().st_mode & 0o077 for file in together.iterdir())

    def test_what_was_good_is_and_what_was_not_is_not(self, together: Path) -> None:
        store = AccountStore(open_accounts(together))
        hashed = store.password_hash("ada")
        assert hashed is not None and argon2.PasswordHasher().verify(hashed, "correct horse battery staple")
        ada, bob = store.session_of("swa_1", NOW), store.session_of("swa_3", NOW)
        assert ada is not None and (ada.account, ada.authenticated) == ("ada", NOW)
        assert bob is not None and (bob.account, bob.seen) == ("bob", NOW + 60)
        assert store.invited("swi_3", NOW) == "bob" and store.invited("swi_4", NOW) is None
        parent, child = store.key_of("swk_1", NOW), store.key_of("swk_2", NOW)
        assert parent is not None and child is not None
        scopes = frozenset({Scope.ADMIN, Scope.READ})
        assert parent.bounds == Bounds(scopes, NOW + DAY, ("192.0.2.0/24",), 30)
        assert child.charged == ((child.id, 30), (parent.id, 30)) and store.revoke_key(parent.id) == 2
        for used in ("swi_1", "swi_2"):
            with pytest.raises(Denied, match="invitation_unknown"):
                store.invited(used, NOW)
        assert store.refresh("swr_1", NOW).account == "ada"
        with pytest.raises(Denied, match="token_reused"):
            store.refresh("swr_2", NOW)
        assert store.session_of("swa_3", NOW) is None
        store.close()

    def test_what_was_only_begun_is_begun_again(self, together: Path) -> None:
        (together / (ACCOUNTS_FILE + ".new")).write_bytes(b"half a file")
        assert names(together) == ["ada", "bob"]
        assert not list(together.glob("*.new"))

    def test_accounts_that_have_their_file_are_not_replaced(self, together: Path) -> None:
        assert names(together) == ["ada", "bob"]
        write_together(together / ROOMS_FILE)  # as by an older version, put back for an evening
        store = AccountStore(open_accounts(together))
        assert store.remove("bob")
        store.close()
        assert rooms(together) == ([ROOM, OTHER_ROOM], [REVOKED]) and names(together) == ["ada"]


class TestTheFirstVersion:
    @pytest.fixture
    def first(self, tmp_path: Path) -> Path:
        database = sqlite3.connect(tmp_path / ROOMS_FILE)
        database.executescript(FIRST)
        sha = hashlib.sha256
        database.execute("INSERT INTO accounts VALUES ('ada', 'a hash', ?)", (NOW,))
        database.execute("INSERT INTO sessions VALUES ('0123456789abcdef', 'ada', ?, ?)", (NOW, NOW + 30 * DAY))
        tokens = [(sha(b"swa_old").digest(), 0, NOW + 900), (sha(b"swr_old").digest(), 1, NOW + 7 * DAY)]
        for hashed, refreshes, until in tokens:
            row = (hashed, "0123456789abcdef", refreshes, until, 0)
            database.execute("INSERT INTO tokens VALUES (?, ?, ?, ?, ?)", row)
        key = ("0123456789ab", sha(b"swk_old").digest(), "board", "admin connections.read", NOW + DAY, "192.0.2.0/24")
        database.execute("INSERT INTO api_keys VALUES (?, ?, ?, ?, ?, ?, 30, 'ada', ?)", (*key, NOW))
        database.execute("INSERT INTO invitations VALUES (?, NULL, ?)", (sha(b"swi_old").digest(), NOW + DAY))
        database.execute("PRAGMA user_version = 1")
        database.commit()
        database.close()
        return tmp_path

    def test_what_was_in_it_is_as_good_as_it_was(self, first: Path) -> None:
        for _ in range(2):  # it is changed once
            store = AccountStore(open_accounts(first))
            session = store.session_of("swa_old", NOW)
            assert session is not None and session.account == "ada"
            assert session.authenticated == 0, "when the password was given is not known: not lately"
            key = store.key_of("swk_old", NOW)
            assert key is not None and key.parent is None and key.made_by == "ada" and key.charged == ((key.id, 30),)
            assert key.bounds == Bounds(frozenset({Scope.ADMIN, Scope.READ}), NOW + DAY, ("192.0.2.0/24",), 30)
            assert store.invited("swi_old", NOW) is None
            store.close()
        store = AccountStore(open_accounts(first))
        assert key is not None
        child, token = store.make_key("child", Wanted(frozenset({Scope.READ})), key, NOW)
        assert child.bounds == Bounds(frozenset({Scope.READ}), NOW + DAY, ("192.0.2.0/24",), 30)
        assert store.open_session("ada", "a hash", NOW).account == store.refresh("swr_old", NOW).account == "ada"
        assert store.revoke_key(key.id) == 2 and store.key_of(token, NOW) is None
        store.close()

    def test_and_so_are_the_rooms_beside_it(self, first: Path) -> None:
        names(first)
        assert rooms(first) == ([], [])
        assert not list(first.glob("*.bad"))


class TestDamage:
    def test_rooms_are_put_aside_and_said(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        (tmp_path / ROOMS_FILE).write_bytes(b"no database, this" * 100)
        (tmp_path / (ROOMS_FILE + "-wal")).write_bytes(b"of another file")
        with caplog.at_level(logging.WARNING):
            assert rooms(tmp_path) == ([], [])
        assert "rooms.sqlite3.bad" in caplog.text
        assert (tmp_path / "rooms.sqlite3.bad").read_bytes().startswith(b"no database")
        assert not list(tmp_path.glob("accounts*"))

    def test_accounts_are_not(self, together: Path) -> None:
        assert names(together) == ["ada", "bob"]
        (together / ACCOUNTS_FILE).write_bytes(b"no database, this" * 100)
        for _ in range(2):
            with pytest.raises(DamagedError, match=r"accounts\.sqlite3 is damaged"):
                open_accounts(together)
        assert rooms(together) == ([ROOM, OTHER_ROOM], [REVOKED])

    def test_nor_is_a_file_of_rooms_with_accounts_in_it(self, together: Path) -> None:
        path = together / ROOMS_FILE
        spoil_page(path, 5)
        for open_either in (open_accounts, open_rooms):
            with pytest.raises(StoreError, match="is damaged"):
                open_either(together)
        assert path.exists() and not (together / ACCOUNTS_FILE).exists() and not list(together.glob("*.bad"))

    def test_nor_one_that_might_have_them(self, tmp_path: Path) -> None:
        (tmp_path / ROOMS_FILE).write_bytes(b"no database, this" * 100)
        with pytest.raises(DamagedError, match=r"rooms\.sqlite3 is damaged"):
            open_accounts(tmp_path)

    def test_rooms_of_a_later_version_are_not_put_aside_either(self, tmp_path: Path) -> None:
        rooms(tmp_path)
        change(tmp_path / ROOMS_FILE, "UPDATE alembic_version SET version_num = 'rooms_9999'")
        with pytest.raises(StoreError, match="newer version"):
            open_rooms(tmp_path)
        assert not list(tmp_path.glob("*.bad"))
