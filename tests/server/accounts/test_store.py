"""The rules of accounts, sessions and keys, with the time in the test's hands; and what of them is on the disk."""

from __future__ import annotations

import asyncio
import hashlib
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from slidewire.aio.clock import wall
from slidewire.server.accounts.api_keys import MOST_GENERATIONS, Bounds, Scope, Wanted
from slidewire.server.accounts.store import (
    ACCESS_SECONDS,
    CONFIRMED_SECONDS,
    INVITATION_SECONDS,
    MOST_HASHES_WAITING,
    MOST_KEYS,
    MOST_KEYS_OF_KEYS,
    MOST_SESSIONS,
    REFRESH_SECONDS,
    SESSION_SECONDS,
    Accounts,
    AccountStore,
    Busy,
    Denied,
    Ended,
    OpenSession,
    Session,
)
from slidewire.server.store.rooms import RoomStore

NOW = 1_800_000_000.0
DAY = 86_400.0


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "rooms.sqlite3"


@pytest.fixture
def book(path: Path) -> Iterator[AccountStore]:
    opened = AccountStore(path)
    yield opened
    opened.close()


@pytest.fixture
def ada(book: AccountStore) -> Session:
    return book.accept(book.invite(None, NOW), "ada", "a hash", NOW)


READ = Wanted(frozenset({Scope.READ}), DAY)
ADMIN = Wanted(frozenset({Scope.READ, Scope.ADMIN}), DAY)


def signed_in(book: AccountStore, session: Session, now: float = NOW) -> OpenSession:
    found = book.session_of(session.access, now)
    assert found is not None
    return found


def denied(code: str) -> pytest.RaisesExc[Denied]:
    return pytest.raises(Denied, match=f"^{code}$")


class TestInvitations:
    def test_one_is_good_once(self, book: AccountStore) -> None:
        token = book.invite(None, NOW)
        assert book.invited(token, NOW) is None
        book.accept(token, "ada", "a hash", NOW)
        assert book.names() == ["ada"]
        with denied("invitation_unknown"):
            book.accept(token, "eve", "a hash", NOW)
        assert book.names() == ["ada"]

    def test_one_expires(self, book: AccountStore) -> None:
        token = book.invite(None, NOW)
        with denied("invitation_unknown"):
            book.accept(token, "ada", "a hash", NOW + INVITATION_SECONDS)

    def test_without_accounts_only_the_newest_is_good(self, book: AccountStore) -> None:
        first, second = book.invite(None, NOW), book.invite(None, NOW + 1)
        with denied("invitation_unknown"):
            book.invited(first, NOW + 2)
        assert book.invited(second, NOW + 2) is None

    def test_a_name_that_is_taken_costs_nothing(self, book: AccountStore, ada: Session) -> None:
        token = book.invite(None, NOW)
        with denied("account_taken"):
            book.accept(token, "ada", "another hash", NOW)
        assert book.password_hash("ada") == "a hash"
        book.accept(token, "bob", "a hash", NOW)

    def test_another_password_ends_what_was_signed_in(self, book: AccountStore, ada: Session) -> None:
        token = book.invite("ada", NOW)
        assert book.invited(token, NOW) == "ada"
        with denied("invitation_unknown"):
            book.accept(token, "bob", "a hash", NOW)
        book.accept(token, "ada", "another hash", NOW)
        assert book.password_hash("ada") == "another hash" and book.session_of(ada.access, NOW) is None

    def test_nobody_is_invited_as_somebody_who_is_not(self, book: AccountStore) -> None:
        with denied("account_unknown"):
            book.invite("ada", NOW)


class TestSessions:
    def test_an_access_token_is_good_for_a_quarter_of_an_hour(self, book: AccountStore, ada: Session) -> None:
        found = book.session_of(ada.access, NOW + ACCESS_SECONDS - 1)
        assert found is not None and (found.account, found.expires) == ("ada", NOW + ACCESS_SECONDS)
        assert book.session_of(ada.access, NOW + ACCESS_SECONDS) is None

    def test_tokens_are_not_mistaken_for_one_another(self, book: AccountStore, ada: Session) -> None:
        assert book.session_of(ada.refresh, NOW) is None and book.key_of(ada.access, NOW) is None
        with denied("token_invalid"):
            book.refresh(ada.access, NOW)

    def test_a_refresh_token_is_good_for_a_day(self, book: AccountStore, ada: Session) -> None:
        with denied("token_invalid"):
            book.refresh(ada.refresh, NOW + REFRESH_SECONDS)
        renewed = book.refresh(ada.refresh, NOW + REFRESH_SECONDS - 1)
        assert book.session_of(renewed.access, NOW + REFRESH_SECONDS) is not None

    def test_a_refresh_token_that_is_used_twice_ends_all_that_came_of_it(
        self, book: AccountStore, ada: Session
    ) -> None:
        second = book.refresh(ada.refresh, NOW + 1)
        third = book.refresh(second.refresh, NOW + 2)
        with denied("token_reused"):
            book.refresh(ada.refresh, NOW + 3)
        for tokens in (ada, second, third):
            assert book.session_of(tokens.access, NOW + 4) is None
            with denied("token_invalid"):
                book.refresh(tokens.refresh, NOW + 4)

    def test_and_nothing_else(self, book: AccountStore, ada: Session) -> None:
        other = book.open_session("ada", "a hash", NOW)
        book.refresh(ada.refresh, NOW)
        with denied("token_reused"):
            book.refresh(ada.refresh, NOW)
        assert book.session_of(other.access, NOW) is not None

    def test_reuse_is_noticed_until_the_token_would_have_expired(self, book: AccountStore, ada: Session) -> None:
        session, now = ada, NOW
        for _ in range(6):
            now += REFRESH_SECONDS / 7
            session = book.refresh(session.refresh, now)
            book.open_session("ada", "a hash", now)  # which tidies up
        with denied("token_reused"):
            book.refresh(ada.refresh, NOW + REFRESH_SECONDS - 1)
        assert book.session_of(session.access, now) is None

    def test_a_session_ends_however_it_is_refreshed(self, book: AccountStore, ada: Session) -> None:
        session, now = ada, NOW
        while now + 0.9 * DAY < NOW + SESSION_SECONDS:
            now += 0.9 * DAY
            session = book.refresh(session.refresh, now)
        assert session.refresh_expires == NOW + SESSION_SECONDS
        with denied("token_invalid"):
            book.refresh(session.refresh, NOW + SESSION_SECONDS)

    def test_revoking(self, book: AccountStore, ada: Session) -> None:
        other = book.open_session("ada", "a hash", NOW)
        assert book.revoke(ada.refresh) and not book.revoke(ada.refresh) and not book.revoke("swa_guessed")
        assert book.session_of(ada.access, NOW) is None and book.session_of(other.access, NOW) is not None
        third = book.open_session("ada", "a hash", NOW)
        assert book.revoke(other.access, everywhere=True)
        assert book.session_of(third.access, NOW) is None

    def test_an_account_that_is_removed_takes_everything_with_it(self, book: AccountStore, ada: Session) -> None:
        _, key = book.make_key("k", READ, signed_in(book, ada), NOW)
        assert book.remove("ada") and not book.remove("ada")
        assert book.session_of(ada.access, NOW) is None and book.key_of(key, NOW) is None
        with denied("sign_in_wrong"):
            book.open_session("ada", "a hash", NOW)

    def test_there_are_only_so_many(self, book: AccountStore, ada: Session) -> None:
        sessions = [book.open_session("ada", "a hash", NOW + n) for n in range(1, MOST_SESSIONS + 1)]
        assert book.session_of(ada.access, NOW + 30) is None
        assert all(book.session_of(session.access, NOW + 30) for session in sessions)


class TestKeys:
    def test_one_is_what_it_was_made(self, book: AccountStore, ada: Session) -> None:
        wanted = Wanted(frozenset({Scope.TURN, Scope.READ}), DAY, ("192.0.2.0/24",), 30)
        made, token = book.make_key("board", wanted, signed_in(book, ada), NOW)
        assert book.key_of(token, NOW) == made and book.keys(NOW) == [made]
        assert book.key_of(token, NOW + DAY) is None and book.keys(NOW + DAY) == []
        assert book.revoke_key(made.id) and not book.revoke_key(made.id)
        assert book.key_of(token, NOW) is None

    @pytest.mark.parametrize(
        ("networks", "address", "welcome"),
        [
            ((), "203.0.113.9", True),
            (("192.0.2.0/24", "2001:db8::/48"), "192.0.2.77", True),
            (("192.0.2.0/24", "2001:db8::/48"), "2001:db8::1", True),
            (("192.0.2.0/24",), "192.0.3.1", False),
            (("192.0.2.0/24",), "2001:db8::1", False),
            (("192.0.2.7/32",), "?", False),
        ],
    )
    def test_where_from(
        self, book: AccountStore, ada: Session, networks: tuple[str, ...], address: str, welcome: bool
    ) -> None:
        made, _ = book.make_key("k", Wanted(READ.scopes, addresses=networks), signed_in(book, ada), NOW)
        assert made.bounds.may_come_from(address) is welcome

    def test_there_are_only_so_many(self, book: AccountStore, ada: Session) -> None:
        session = signed_in(book, ada)
        for _ in range(MOST_KEYS):
            book.make_key("k", READ, session, NOW)
        with denied("too_many_keys"):
            book.make_key("k", READ, session, NOW)
        book.make_key("k", READ, session, NOW + DAY)

    def test_who_has_signed_in_has_places_that_no_key_can_take(self, book: AccountStore, ada: Session) -> None:
        session = signed_in(book, ada)
        parent, _ = book.make_key("parent", ADMIN, session, NOW)
        for _ in range(MOST_KEYS_OF_KEYS):
            book.make_key("child", READ, parent, NOW)
        with denied("too_many_keys"):
            book.make_key("child", READ, parent, NOW)
        book.make_key("mine", READ, session, NOW)

    def test_a_tree_is_only_so_deep(self, book: AccountStore, ada: Session) -> None:
        key, _ = book.make_key("k", ADMIN, signed_in(book, ada), NOW)
        for depth in range(2, MOST_GENERATIONS + 1):
            key, _ = book.make_key("k", ADMIN, key, NOW)
            assert len(key.charged) == depth
        with denied("too_many_keys"):
            book.make_key("k", ADMIN, key, NOW)

    def test_a_key_sees_and_revokes_itself_and_what_it_made(self, book: AccountStore, ada: Session) -> None:
        root, _ = book.make_key("root", ADMIN, signed_in(book, ada), NOW)
        one, _ = book.make_key("one", ADMIN, root, NOW)
        two, _ = book.make_key("two", ADMIN, root, NOW + 1)
        leaf, _ = book.make_key("leaf", READ, one, NOW + 2)
        assert book.keys(NOW, root.id) == sorted([root, one, two, leaf], key=lambda key: (key.created, key.id))
        assert {key.id for key in book.keys(NOW, one.id)} == {one.id, leaf.id}
        for above in (root, two):
            assert book.revoke_key(above.id, one.id) == 0
        assert book.revoke_key(leaf.id, one.id) == 1 and book.revoke_key(one.id, one.id) == 1
        assert {key.id for key in book.keys(NOW)} == {root.id, two.id}


class TestWhatHangsOnIt:
    """What ends with what; `test_keys` has it for any tree."""

    @pytest.fixture
    def family(self, book: AccountStore, ada: Session) -> tuple[str, str]:
        """A key, and one that it made."""
        parent, token = book.make_key("parent", ADMIN, signed_in(book, ada), NOW)
        return token, book.make_key("child", READ, parent, NOW)[1]

    def are_good(self, book: AccountStore, family: Iterable[str], now: float = NOW) -> list[bool]:
        return [book.key_of(token, now) is not None for token in family]

    def test_signing_out_leaves_keys_to_the_programs_that_have_them(
        self, book: AccountStore, ada: Session, family: tuple[str, str]
    ) -> None:
        assert book.revoke(ada.access) == Ended("ada", 1, 0)
        assert self.are_good(book, family) == [True, True]

    def test_signing_out_everywhere(self, book: AccountStore, ada: Session, family: tuple[str, str]) -> None:
        other = book.open_session("ada", "a hash", NOW)
        assert book.revoke(other.refresh, everywhere=True) == Ended("ada", 2, 2)
        assert self.are_good(book, family) == [False, False]

    def test_nobody_else_is_signed_out(self, book: AccountStore, family: tuple[str, str]) -> None:
        bob = book.accept(book.invite(None, NOW), "bob", "b hash", NOW)
        book.revoke(bob.access, everywhere=True)
        assert self.are_good(book, family) == [True, True]

    def test_another_password_by_an_invitation(self, book: AccountStore, family: tuple[str, str]) -> None:
        book.accept(book.invite("ada", NOW), "ada", "another hash", NOW)
        assert self.are_good(book, family) == [False, False]

    def test_another_password_by_who_knows_the_old_one(
        self, book: AccountStore, ada: Session, family: tuple[str, str]
    ) -> None:
        session = signed_in(book, ada)
        fresh = book.change_password(session.id, "a hash", "another hash", NOW)
        assert self.are_good(book, family) == [False, False] and book.session_of(ada.access, NOW) is None
        assert book.session_of(fresh.access, NOW) is not None and book.password_hash("ada") == "another hash"
        with denied("token_invalid"):
            book.change_password(session.id, "another hash", "a third", NOW)

    def test_an_account_that_is_removed_or_signed_out_by_the_server_s_owner(
        self, book: AccountStore, ada: Session, family: tuple[str, str]
    ) -> None:
        assert book.sign_out("ada") == Ended("ada", 1, 2) and book.sign_out("eve") is None
        assert self.are_good(book, family) == [False, False] and book.session_of(ada.access, NOW) is None

    def test_a_session_that_was_stolen_takes_the_keys_that_were_made_in_it(
        self, book: AccountStore, ada: Session, family: tuple[str, str]
    ) -> None:
        other = book.open_session("ada", "a hash", NOW)
        _, spared = book.make_key("other", READ, signed_in(book, other), NOW)
        book.refresh(ada.refresh, NOW)
        with denied("token_reused"):
            book.refresh(ada.refresh, NOW)
        assert self.are_good(book, (*family, spared)) == [False, False, True]

    def test_expiry(self, book: AccountStore, family: tuple[str, str]) -> None:
        assert self.are_good(book, family, NOW + DAY) == [False, False]

    def test_one_of_an_account_s_sessions(self, book: AccountStore, ada: Session) -> None:
        bob = book.accept(book.invite(None, NOW), "bob", "b hash", NOW)
        other = signed_in(book, book.open_session("ada", "a hash", NOW + 1), NOW + 1)
        assert [session.id for session in book.sessions("ada", NOW + 1)] == [signed_in(book, ada).id, other.id]
        assert not book.end_session("ada", signed_in(book, bob).id)
        assert book.end_session("ada", other.id) and not book.end_session("ada", other.id)
        assert book.sessions("ada", NOW + REFRESH_SECONDS) == []


class TestRaces:
    """Whoever asked has lost the right to by the time it is done."""

    def test_a_key_that_was_revoked_makes_none(self, book: AccountStore, ada: Session) -> None:
        parent, _ = book.make_key("parent", ADMIN, signed_in(book, ada), NOW)
        book.revoke_key(parent.id)
        with denied("token_invalid"):
            book.make_key("child", READ, parent, NOW)
        assert book.keys(NOW) == []

    def test_a_session_that_has_ended_makes_none_and_changes_no_password(
        self, book: AccountStore, ada: Session
    ) -> None:
        session = signed_in(book, ada)
        book.revoke(ada.access)
        for change in (
            lambda: book.make_key("k", READ, session, NOW),
            lambda: book.change_password(session.id, "a hash", "another hash", NOW),
            lambda: book.confirm(session.id, "a hash", NOW),
        ):
            with denied("token_invalid"):
                change()
        assert book.password_hash("ada") == "a hash"

    def test_a_password_that_was_right_when_it_was_compared(self, book: AccountStore, ada: Session) -> None:
        session = signed_in(book, ada)
        book.accept(book.invite(None, NOW), "bob", "b hash", NOW)
        for old in ("another hash", "b hash"):
            changes: list[Callable[[str], Session]] = [
                lambda hashed: book.open_session("ada", hashed, NOW),
                lambda hashed: book.confirm(session.id, hashed, NOW),
                lambda hashed: book.change_password(session.id, hashed, "a third", NOW),
            ]
            for change in changes:
                with denied("sign_in_wrong"):
                    change(old)

    def test_of_two_who_use_a_refresh_token_at_once_neither_goes_on(self, path: Path, ada: Session) -> None:
        """By two programs that have the file open."""
        books = [AccountStore(path), AccountStore(path)]
        start = threading.Barrier(2)

        def use(book: AccountStore) -> Session | str:
            start.wait()
            try:
                return book.refresh(ada.refresh, NOW)
            except Denied as no:
                return no.code

        with ThreadPoolExecutor(2) as both:
            first, second = sorted(both.map(use, books), key=str)
        assert isinstance(first, Session) and second == "token_reused"
        assert books[0].session_of(first.access, NOW) is None
        for book in books:
            book.close()

    def test_confirming_changes_the_tokens(self, book: AccountStore, ada: Session) -> None:
        later = NOW + 2 * CONFIRMED_SECONDS / 3
        session = signed_in(book, ada, later)
        assert session.authenticated == NOW
        fresh = book.confirm(session.id, "a hash", later)
        assert book.session_of(ada.access, later) is None and signed_in(book, fresh, later).authenticated == later
        with denied("token_invalid"):
            book.refresh(ada.refresh, later)
        renewed = book.refresh(fresh.refresh, later + 60)
        assert signed_in(book, renewed, later + 60).authenticated == later, "refreshing gives no password"


class TestAnOlderFile:
    """What the first version wrote (its own statements)."""

    @pytest.fixture
    def older(self, path: Path) -> Path:
        database = sqlite3.connect(path)
        database.executescript(FIRST_VERSION)
        sha = hashlib.sha256
        database.execute("INSERT INTO accounts VALUES ('ada', 'a hash', ?)", (NOW,))
        database.execute("INSERT INTO sessions VALUES ('0123456789abcdef', 'ada', ?, ?)", (NOW, NOW + 30 * DAY))
        tokens = [(sha(b"swa_old").digest(), 0, NOW + 900), (sha(b"swr_old").digest(), 1, NOW + 7 * DAY)]
        for hashed, refreshes, until in tokens:
            row = (hashed, "0123456789abcdef", refreshes, until, 0)
            database.execute("INSERT INTO tokens VALUES (?, ?, ?, ?, ?)", row)
        key = (
            "0123456789ab",
            sha(b"swk_old").digest(),
            "board",
            "admin connections.read",
            NOW + DAY,
            "192.0.2.0/24",
            30,
        )
        database.execute("INSERT INTO api_keys VALUES (?, ?, ?, ?, ?, ?, ?, 'ada', ?)", (*key, NOW))
        database.execute("INSERT INTO invitations VALUES (?, NULL, ?)", (sha(b"swi_old").digest(), NOW + DAY))
        database.execute("PRAGMA user_version = 1")
        database.commit()
        database.close()
        return path

    def test_what_was_in_it_is_as_good_as_it_was(self, older: Path) -> None:
        for _ in range(2):  # it is changed once
            book = AccountStore(older)
            session = book.session_of("swa_old", NOW)
            assert session is not None and session.account == "ada"
            assert session.authenticated == 0, "when the password was given is not known: not lately"
            key = book.key_of("swk_old", NOW)
            assert key is not None and key.parent is None and key.made_by == "ada" and key.charged == ((key.id, 30),)
            assert key.bounds == Bounds(frozenset({Scope.ADMIN, Scope.READ}), NOW + DAY, ("192.0.2.0/24",), 30)
            assert book.invited("swi_old", NOW) is None
            book.close()
        book = AccountStore(older)
        assert key is not None
        child, token = book.make_key("child", Wanted(frozenset({Scope.READ})), key, NOW)
        assert child.bounds == Bounds(frozenset({Scope.READ}), NOW + DAY, ("192.0.2.0/24",), 30)
        assert book.open_session("ada", "a hash", NOW).account == book.refresh("swr_old", NOW).account == "ada"
        assert book.revoke_key(key.id) == 2 and book.key_of(token, NOW) is None
        book.close()

    async def test_and_so_are_the_rooms_beside_it(self, older: Path) -> None:
        AccountStore(older).close()
        store = RoomStore(older)
        assert store.load(NOW) == ([], [])
        await store.close()
        assert not older.with_name(older.name + ".bad").exists()


FIRST_VERSION = """
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


class TestTheFile:
    def test_it_has_no_token_in_it(self, path: Path, book: AccountStore, ada: Session) -> None:
        _, key = book.make_key("k", READ, signed_in(book, ada), NOW)
        invitation = book.invite(None, NOW)
        renewed = book.refresh(ada.refresh, NOW)
        written = b"".join(file.read_bytes() for file in path.parent.iterdir())
        assert b"ada" in written
        for token in (ada.access, ada.refresh, key, invitation, renewed.access, renewed.refresh):
            assert token.partition("_")[2].encode() not in written

    def test_it_is_its_owners_alone(self, path: Path, book: AccountStore) -> None:
        assert path.stat().st_mode & 0o077 == 0

    def test_it_outlives_the_process(self, path: Path, ada: Session, book: AccountStore) -> None:
        again = AccountStore(path)
        assert again.session_of(ada.access, NOW) is not None
        again.revoke(ada.access)
        again.close()
        assert book.session_of(ada.access, NOW) is None

    def test_a_file_that_is_none_is_said(self, path: Path) -> None:
        path.write_bytes(b"no database, this" * 100)
        with pytest.raises(sqlite3.DatabaseError):
            AccountStore(path)


class TestPasswords:
    async def test_they_are_hashed_as_promised_and_nothing_else_opens(self, path: Path) -> None:
        accounts = Accounts(path)
        try:
            hashed = await accounts.hash_new("correct horse battery staple", "ada")
            assert hashed.startswith("$argon2id$v=19$m=65536,t=3,p=1$")
            token = await accounts.ask(lambda book: book.invite(None, wall()))
            await accounts.ask(lambda book: book.accept(token, "ada", hashed, wall()))
            assert (await accounts.sign_in("ada", "correct horse battery staple")).account == "ada"
            for name, password in (("ada", "correct horse battery stapl"), ("bob", "correct horse battery staple")):
                with denied("sign_in_wrong"):
                    await accounts.sign_in(name, password)
        finally:
            await accounts.close()

    async def test_how_letters_are_composed_does_not_matter(self, path: Path) -> None:
        accounts = Accounts(path)
        try:
            hashed = await accounts.hash_new("vier worte f\u00fcr ada", "ada")
            token = await accounts.ask(lambda book: book.invite(None, wall()))
            await accounts.ask(lambda book: book.accept(token, "ada", hashed, wall()))
            await accounts.sign_in("ada", "vier worte fu\u0308r ada")
        finally:
            await accounts.close()

    async def test_only_so_many_wait(self, path: Path) -> None:
        accounts = Accounts(path)
        try:
            many = [accounts.check_password("ada", f"password number {n}") for n in range(MOST_HASHES_WAITING + 3)]
            done = await asyncio.gather(*many, return_exceptions=True)
            assert [type(one) for one in done].count(Busy) == 3
        finally:
            await accounts.close()
