"""The rules of accounts, sessions and keys, with the time in the test's hands; and what of them is on the disk."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from slidewire.aio.clock import wall
from slidewire.server.accounts import (
    ACCESS_SECONDS,
    INVITATION_SECONDS,
    MOST_HASHES_WAITING,
    MOST_KEYS,
    MOST_SESSIONS,
    REFRESH_SECONDS,
    SESSION_SECONDS,
    AccountBook,
    Accounts,
    Busy,
    Denied,
    Scope,
    Session,
)

NOW = 1_800_000_000.0
DAY = 86_400.0


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "rooms.sqlite3"


@pytest.fixture
def book(path: Path) -> Iterator[AccountBook]:
    opened = AccountBook(path)
    yield opened
    opened.close()


@pytest.fixture
def ada(book: AccountBook) -> Session:
    return book.accept(book.invite(None, NOW), "ada", "a hash", NOW)


def denied(code: str) -> pytest.RaisesExc[Denied]:
    return pytest.raises(Denied, match=f"^{code}$")


class TestInvitations:
    def test_one_is_good_once(self, book: AccountBook) -> None:
        token = book.invite(None, NOW)
        assert book.invited(token, NOW) is None
        book.accept(token, "ada", "a hash", NOW)
        assert book.names() == ["ada"]
        with denied("invitation_unknown"):
            book.accept(token, "eve", "a hash", NOW)
        assert book.names() == ["ada"]

    def test_one_expires(self, book: AccountBook) -> None:
        token = book.invite(None, NOW)
        with denied("invitation_unknown"):
            book.accept(token, "ada", "a hash", NOW + INVITATION_SECONDS)

    def test_without_accounts_only_the_newest_is_good(self, book: AccountBook) -> None:
        first, second = book.invite(None, NOW), book.invite(None, NOW + 1)
        with denied("invitation_unknown"):
            book.invited(first, NOW + 2)
        assert book.invited(second, NOW + 2) is None

    def test_a_name_that_is_taken_costs_nothing(self, book: AccountBook, ada: Session) -> None:
        token = book.invite(None, NOW)
        with denied("account_taken"):
            book.accept(token, "ada", "another hash", NOW)
        assert book.password_hash("ada") == "a hash"
        book.accept(token, "bob", "a hash", NOW)

    def test_another_password_ends_what_was_signed_in(self, book: AccountBook, ada: Session) -> None:
        token = book.invite("ada", NOW)
        assert book.invited(token, NOW) == "ada"
        with denied("invitation_unknown"):
            book.accept(token, "bob", "a hash", NOW)
        book.accept(token, "ada", "another hash", NOW)
        assert book.password_hash("ada") == "another hash" and book.account_of(ada.access, NOW) is None

    def test_nobody_is_invited_as_somebody_who_is_not(self, book: AccountBook) -> None:
        with denied("account_unknown"):
            book.invite("ada", NOW)


class TestSessions:
    def test_an_access_token_is_good_for_a_quarter_of_an_hour(self, book: AccountBook, ada: Session) -> None:
        assert book.account_of(ada.access, NOW + ACCESS_SECONDS - 1) == ("ada", NOW + ACCESS_SECONDS)
        assert book.account_of(ada.access, NOW + ACCESS_SECONDS) is None

    def test_tokens_are_not_mistaken_for_one_another(self, book: AccountBook, ada: Session) -> None:
        assert book.account_of(ada.refresh, NOW) is None and book.key_of(ada.access, NOW) is None
        with denied("token_invalid"):
            book.refresh(ada.access, NOW)

    def test_a_refresh_token_is_good_for_seven_days(self, book: AccountBook, ada: Session) -> None:
        with denied("token_invalid"):
            book.refresh(ada.refresh, NOW + REFRESH_SECONDS)
        renewed = book.refresh(ada.refresh, NOW + REFRESH_SECONDS - 1)
        assert book.account_of(renewed.access, NOW + REFRESH_SECONDS) is not None

    def test_a_refresh_token_that_is_used_twice_ends_all_that_came_of_it(self, book: AccountBook, ada: Session) -> None:
        second = book.refresh(ada.refresh, NOW + 1)
        third = book.refresh(second.refresh, NOW + 2)
        with denied("token_reused"):
            book.refresh(ada.refresh, NOW + 3)
        for tokens in (ada, second, third):
            assert book.account_of(tokens.access, NOW + 4) is None
            with denied("token_invalid"):
                book.refresh(tokens.refresh, NOW + 4)

    def test_and_nothing_else(self, book: AccountBook, ada: Session) -> None:
        other = book.open_session("ada", NOW)
        book.refresh(ada.refresh, NOW)
        with denied("token_reused"):
            book.refresh(ada.refresh, NOW)
        assert book.account_of(other.access, NOW) is not None

    def test_reuse_is_noticed_until_the_token_would_have_expired(self, book: AccountBook, ada: Session) -> None:
        session, now = ada, NOW
        for _ in range(6):
            now += DAY
            session = book.refresh(session.refresh, now)
            book.open_session("ada", now)  # which tidies up
        with denied("token_reused"):
            book.refresh(ada.refresh, NOW + REFRESH_SECONDS - 1)
        assert book.account_of(session.access, now) is None

    def test_a_session_ends_however_it_is_refreshed(self, book: AccountBook, ada: Session) -> None:
        session, now = ada, NOW
        while now + 5 * DAY < NOW + SESSION_SECONDS:
            now += 5 * DAY
            session = book.refresh(session.refresh, now)
        assert session.refresh_expires == NOW + SESSION_SECONDS
        with denied("token_invalid"):
            book.refresh(session.refresh, NOW + SESSION_SECONDS)

    def test_revoking(self, book: AccountBook, ada: Session) -> None:
        other = book.open_session("ada", NOW)
        assert book.revoke(ada.refresh) and not book.revoke(ada.refresh) and not book.revoke("swa_guessed")
        assert book.account_of(ada.access, NOW) is None and book.account_of(other.access, NOW) is not None
        third = book.open_session("ada", NOW)
        assert book.revoke(other.access, everywhere=True)
        assert book.account_of(third.access, NOW) is None

    def test_an_account_that_is_removed_takes_everything_with_it(self, book: AccountBook, ada: Session) -> None:
        _, key = book.make_key("k", [Scope.READ], NOW + DAY, [], 60, "ada", NOW)
        assert book.remove("ada") and not book.remove("ada")
        assert book.account_of(ada.access, NOW) is None and book.key_of(key, NOW) is None
        with denied("account_unknown"):
            book.open_session("ada", NOW)

    def test_there_are_only_so_many(self, book: AccountBook, ada: Session) -> None:
        sessions = [book.open_session("ada", NOW + n) for n in range(1, MOST_SESSIONS + 1)]
        assert book.account_of(ada.access, NOW + 30) is None
        assert all(book.account_of(session.access, NOW + 30) for session in sessions)


class TestKeys:
    def test_one_is_what_it_was_made(self, book: AccountBook, ada: Session) -> None:
        made, token = book.make_key("board", [Scope.TURN, Scope.READ], NOW + DAY, ["192.0.2.0/24"], 30, "ada", NOW)
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
        self, book: AccountBook, ada: Session, networks: tuple[str, ...], address: str, welcome: bool
    ) -> None:
        made, _ = book.make_key("k", [Scope.READ], NOW + DAY, networks, 30, "ada", NOW)
        assert made.may_come_from(address) is welcome

    def test_there_are_only_so_many(self, book: AccountBook, ada: Session) -> None:
        for _ in range(MOST_KEYS):
            book.make_key("k", [Scope.READ], NOW + DAY, [], 30, "ada", NOW)
        with denied("too_many_keys"):
            book.make_key("k", [Scope.READ], NOW + DAY, [], 30, "ada", NOW)
        book.make_key("k", [Scope.READ], NOW + 2 * DAY, [], 30, "ada", NOW + DAY)


class TestTheFile:
    def test_it_has_no_token_in_it(self, path: Path, book: AccountBook, ada: Session) -> None:
        _, key = book.make_key("k", [Scope.READ], NOW + DAY, [], 30, "ada", NOW)
        invitation = book.invite(None, NOW)
        renewed = book.refresh(ada.refresh, NOW)
        written = b"".join(file.read_bytes() for file in path.parent.iterdir())
        assert b"ada" in written
        for token in (ada.access, ada.refresh, key, invitation, renewed.access, renewed.refresh):
            assert token.partition("_")[2].encode() not in written

    def test_it_is_its_owners_alone(self, path: Path, book: AccountBook) -> None:
        assert path.stat().st_mode & 0o077 == 0

    def test_it_outlives_the_process(self, path: Path, ada: Session, book: AccountBook) -> None:
        again = AccountBook(path)
        assert again.account_of(ada.access, NOW) is not None
        again.revoke(ada.access)
        again.close()
        assert book.account_of(ada.access, NOW) is None

    def test_a_file_that_is_none_is_said(self, path: Path) -> None:
        path.write_bytes(b"no database, this" * 100)
        with pytest.raises(sqlite3.DatabaseError):
            AccountBook(path)


class TestPasswords:
    async def test_they_are_hashed_as_promised_and_nothing_else_opens(self, path: Path) -> None:
        accounts = Accounts(path)
        try:
            hashed = await accounts.hash("correct horse battery staple")
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
            hashed = await accounts.hash("vier worte f\u00fcr ada")
            token = await accounts.ask(lambda book: book.invite(None, wall()))
            await accounts.ask(lambda book: book.accept(token, "ada", hashed, wall()))
            await accounts.sign_in("ada", "vier worte fu\u0308r ada")
        finally:
            await accounts.close()

    async def test_only_so_many_wait(self, path: Path) -> None:
        accounts = Accounts(path)
        try:
            many = [accounts.hash(f"password number {n}") for n in range(MOST_HASHES_WAITING + 3)]
            done = await asyncio.gather(*many, return_exceptions=True)
            assert [type(one) for one in done].count(Busy) == 3
        finally:
            await accounts.close()
