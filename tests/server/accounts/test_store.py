"""The rules of accounts, sessions and keys, with the time in the test's hands; and what of them is on the disk."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from slidewire.server.accounts.api_keys import MOST_GENERATIONS, Scope, Wanted
from slidewire.server.accounts.store import (
    ACCESS_SECONDS,
    CONFIRMED_SECONDS,
    INVITATION_SECONDS,
    MOST_KEYS,
    MOST_KEYS_OF_KEYS,
    MOST_SESSIONS,
    REFRESH_SECONDS,
    SESSION_SECONDS,
    AccountStore,
    Denied,
    Ended,
    OpenSession,
    Session,
)
from slidewire.server.store.database import DamagedError
from slidewire.server.store.sql_accounts import SqlAccounts

NOW = 1_800_000_000.0
DAY = 86_400.0


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "accounts.sqlite3"


@pytest.fixture
def store(path: Path) -> Iterator[AccountStore]:
    opened = AccountStore(SqlAccounts(path))
    yield opened
    opened.close()


@pytest.fixture
def ada(store: AccountStore) -> Session:
    return store.accept(store.invite(None, NOW), "ada", "a hash", NOW)


READ = Wanted(frozenset({Scope.READ}), DAY)
ADMIN = Wanted(frozenset({Scope.READ, Scope.ADMIN}), DAY)


def signed_in(store: AccountStore, session: Session, now: float = NOW) -> OpenSession:
    found = store.session_of(session.access, now)
    assert found is not None
    return found


def denied(code: str) -> pytest.RaisesExc[Denied]:
    return pytest.raises(Denied, match=f"^{code}$")


class TestInvitations:
    def test_one_is_good_once(self, store: AccountStore) -> None:
        token = store.invite(None, NOW)
        assert store.invited(token, NOW) is None
        store.accept(token, "ada", "a hash", NOW)
        assert store.names() == ["ada"]
        with denied("invitation_unknown"):
            store.accept(token, "eve", "a hash", NOW)
        assert store.names() == ["ada"]

    def test_one_expires(self, store: AccountStore) -> None:
        token = store.invite(None, NOW)
        with denied("invitation_unknown"):
            store.accept(token, "ada", "a hash", NOW + INVITATION_SECONDS)

    def test_without_accounts_only_the_newest_is_good(self, store: AccountStore) -> None:
        first, second = store.invite(None, NOW), store.invite(None, NOW + 1)
        with denied("invitation_unknown"):
            store.invited(first, NOW + 2)
        assert store.invited(second, NOW + 2) is None

    def test_a_name_that_is_taken_costs_nothing(self, store: AccountStore, ada: Session) -> None:
        token = store.invite(None, NOW)
        with denied("account_taken"):
            store.accept(token, "ada", "another hash", NOW)
        assert store.password_hash("ada") == "a hash"
        store.accept(token, "bob", "a hash", NOW)

    def test_another_password_ends_what_was_signed_in(self, store: AccountStore, ada: Session) -> None:
        token = store.invite("ada", NOW)
        assert store.invited(token, NOW) == "ada"
        with denied("invitation_unknown"):
            store.accept(token, "bob", "a hash", NOW)
        store.accept(token, "ada", "another hash", NOW)
        assert store.password_hash("ada") == "another hash" and store.session_of(ada.access, NOW) is None

    def test_nobody_is_invited_as_somebody_who_is_not(self, store: AccountStore) -> None:
        with denied("account_unknown"):
            store.invite("ada", NOW)


class TestSessions:
    def test_an_access_token_is_good_for_a_quarter_of_an_hour(self, store: AccountStore, ada: Session) -> None:
        found = store.session_of(ada.access, NOW + ACCESS_SECONDS - 1)
        assert found is not None and (found.account, found.expires) == ("ada", NOW + ACCESS_SECONDS)
        assert store.session_of(ada.access, NOW + ACCESS_SECONDS) is None

    def test_tokens_are_not_mistaken_for_one_another(self, store: AccountStore, ada: Session) -> None:
        assert store.session_of(ada.refresh, NOW) is None and store.key_of(ada.access, NOW) is None
        with denied("token_invalid"):
            store.refresh(ada.access, NOW)

    def test_a_refresh_token_is_good_for_a_day(self, store: AccountStore, ada: Session) -> None:
        with denied("token_invalid"):
            store.refresh(ada.refresh, NOW + REFRESH_SECONDS)
        renewed = store.refresh(ada.refresh, NOW + REFRESH_SECONDS - 1)
        assert store.session_of(renewed.access, NOW + REFRESH_SECONDS) is not None

    def test_a_refresh_token_that_is_used_twice_ends_all_that_came_of_it(
        self, store: AccountStore, ada: Session
    ) -> None:
        second = store.refresh(ada.refresh, NOW + 1)
        third = store.refresh(second.refresh, NOW + 2)
        with denied("token_reused"):
            store.refresh(ada.refresh, NOW + 3)
        for tokens in (ada, second, third):
            assert store.session_of(tokens.access, NOW + 4) is None
            with denied("token_invalid"):
                store.refresh(tokens.refresh, NOW + 4)

    def test_and_nothing_else(self, store: AccountStore, ada: Session) -> None:
        other = store.open_session("ada", "a hash", NOW)
        store.refresh(ada.refresh, NOW)
        with denied("token_reused"):
            store.refresh(ada.refresh, NOW)
        assert store.session_of(other.access, NOW) is not None

    def test_reuse_is_noticed_until_the_token_would_have_expired(self, store: AccountStore, ada: Session) -> None:
        session, now = ada, NOW
        for _ in range(6):
            now += REFRESH_SECONDS / 7
            session = store.refresh(session.refresh, now)
            store.open_session("ada", "a hash", now)  # which tidies up
        with denied("token_reused"):
            store.refresh(ada.refresh, NOW + REFRESH_SECONDS - 1)
        assert store.session_of(session.access, now) is None

    def test_a_session_ends_however_it_is_refreshed(self, store: AccountStore, ada: Session) -> None:
        session, now = ada, NOW
        while now + 0.9 * DAY < NOW + SESSION_SECONDS:
            now += 0.9 * DAY
            session = store.refresh(session.refresh, now)
        assert session.refresh_expires == NOW + SESSION_SECONDS
        with denied("token_invalid"):
            store.refresh(session.refresh, NOW + SESSION_SECONDS)

    def test_revoking(self, store: AccountStore, ada: Session) -> None:
        other = store.open_session("ada", "a hash", NOW)
        assert store.revoke(ada.refresh) and not store.revoke(ada.refresh) and not store.revoke("swa_guessed")
        assert store.session_of(ada.access, NOW) is None and store.session_of(other.access, NOW) is not None
        third = store.open_session("ada", "a hash", NOW)
        assert store.revoke(other.access, everywhere=True)
        assert store.session_of(third.access, NOW) is None

    def test_an_account_that_is_removed_takes_everything_with_it(self, store: AccountStore, ada: Session) -> None:
        _, key = store.make_key("k", READ, signed_in(store, ada), NOW)
        assert store.remove("ada") and not store.remove("ada")
        assert store.session_of(ada.access, NOW) is None and store.key_of(key, NOW) is None
        with denied("sign_in_wrong"):
            store.open_session("ada", "a hash", NOW)

    def test_there_are_only_so_many(self, store: AccountStore, ada: Session) -> None:
        sessions = [store.open_session("ada", "a hash", NOW + n) for n in range(1, MOST_SESSIONS + 1)]
        assert store.session_of(ada.access, NOW + 30) is None
        assert all(store.session_of(session.access, NOW + 30) for session in sessions)


class TestKeys:
    def test_one_is_what_it_was_made(self, store: AccountStore, ada: Session) -> None:
        wanted = Wanted(frozenset({Scope.TURN, Scope.READ}), DAY, ("192.0.2.0/24",), 30)
        made, token = store.make_key("board", wanted, signed_in(store, ada), NOW)
        assert store.key_of(token, NOW) == made and store.keys(NOW) == [made]
        assert store.key_of(token, NOW + DAY) is None and store.keys(NOW + DAY) == []
        assert store.revoke_key(made.id) and not store.revoke_key(made.id)
        assert store.key_of(token, NOW) is None

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
        self, store: AccountStore, ada: Session, networks: tuple[str, ...], address: str, welcome: bool
    ) -> None:
        made, _ = store.make_key("k", Wanted(READ.scopes, addresses=networks), signed_in(store, ada), NOW)
        assert made.bounds.may_come_from(address) is welcome

    def test_there_are_only_so_many(self, store: AccountStore, ada: Session) -> None:
        session = signed_in(store, ada)
        for _ in range(MOST_KEYS):
            store.make_key("k", READ, session, NOW)
        with denied("too_many_keys"):
            store.make_key("k", READ, session, NOW)
        store.make_key("k", READ, session, NOW + DAY)

    def test_who_has_signed_in_has_places_that_no_key_can_take(self, store: AccountStore, ada: Session) -> None:
        session = signed_in(store, ada)
        parent, _ = store.make_key("parent", ADMIN, session, NOW)
        for _ in range(MOST_KEYS_OF_KEYS):
            store.make_key("child", READ, parent, NOW)
        with denied("too_many_keys"):
            store.make_key("child", READ, parent, NOW)
        store.make_key("mine", READ, session, NOW)

    def test_a_tree_is_only_so_deep(self, store: AccountStore, ada: Session) -> None:
        key, _ = store.make_key("k", ADMIN, signed_in(store, ada), NOW)
        for depth in range(2, MOST_GENERATIONS + 1):
            key, _ = store.make_key("k", ADMIN, key, NOW)
            assert len(key.charged) == depth
        with denied("too_many_keys"):
            store.make_key("k", ADMIN, key, NOW)

    def test_a_key_sees_and_revokes_itself_and_what_it_made(self, store: AccountStore, ada: Session) -> None:
        root, _ = store.make_key("root", ADMIN, signed_in(store, ada), NOW)
        one, _ = store.make_key("one", ADMIN, root, NOW)
        two, _ = store.make_key("two", ADMIN, root, NOW + 1)
        leaf, _ = store.make_key("leaf", READ, one, NOW + 2)
        assert store.keys(NOW, root.id) == sorted([root, one, two, leaf], key=lambda key: (key.created, key.id))
        assert {key.id for key in store.keys(NOW, one.id)} == {one.id, leaf.id}
        for above in (root, two):
            assert store.revoke_key(above.id, one.id) == 0
        assert store.revoke_key(leaf.id, one.id) == 1 and store.revoke_key(one.id, one.id) == 1
        assert {key.id for key in store.keys(NOW)} == {root.id, two.id}


class TestWhatHangsOnIt:
    """What ends with what; `test_keys` has it for any tree."""

    @pytest.fixture
    def family(self, store: AccountStore, ada: Session) -> tuple[str, str]:
        """A key, and one that it made."""
        parent, token = store.make_key("parent", ADMIN, signed_in(store, ada), NOW)
        return token, store.make_key("child", READ, parent, NOW)[1]

    def are_good(self, store: AccountStore, family: Iterable[str], now: float = NOW) -> list[bool]:
        return [store.key_of(token, now) is not None for token in family]

    def test_signing_out_leaves_keys_to_the_programs_that_have_them(
        self, store: AccountStore, ada: Session, family: tuple[str, str]
    ) -> None:
        assert store.revoke(ada.access) == Ended("ada", 1, 0)
        assert self.are_good(store, family) == [True, True]

    def test_signing_out_everywhere(self, store: AccountStore, ada: Session, family: tuple[str, str]) -> None:
        other = store.open_session("ada", "a hash", NOW)
        assert store.revoke(other.refresh, everywhere=True) == Ended("ada", 2, 2)
        assert self.are_good(store, family) == [False, False]

    def test_nobody_else_is_signed_out(self, store: AccountStore, family: tuple[str, str]) -> None:
        bob = store.accept(store.invite(None, NOW), "bob", "b hash", NOW)
        store.revoke(bob.access, everywhere=True)
        assert self.are_good(store, family) == [True, True]

    def test_another_password_by_an_invitation(self, store: AccountStore, family: tuple[str, str]) -> None:
        store.accept(store.invite("ada", NOW), "ada", "another hash", NOW)
        assert self.are_good(store, family) == [False, False]

    def test_another_password_by_who_knows_the_old_one(
        self, store: AccountStore, ada: Session, family: tuple[str, str]
    ) -> None:
        session = signed_in(store, ada)
        fresh = store.change_password(session.id, "a hash", "another hash", NOW)
        assert self.are_good(store, family) == [False, False] and store.session_of(ada.access, NOW) is None
        assert store.session_of(fresh.access, NOW) is not None and store.password_hash("ada") == "another hash"
        with denied("token_invalid"):
            store.change_password(session.id, "another hash", "a third", NOW)

    def test_an_account_that_is_removed_or_signed_out_by_the_server_s_owner(
        self, store: AccountStore, ada: Session, family: tuple[str, str]
    ) -> None:
        assert store.sign_out("ada") == Ended("ada", 1, 2) and store.sign_out("eve") is None
        assert self.are_good(store, family) == [False, False] and store.session_of(ada.access, NOW) is None

    def test_a_session_that_was_stolen_takes_the_keys_that_were_made_in_it(
        self, store: AccountStore, ada: Session, family: tuple[str, str]
    ) -> None:
        other = store.open_session("ada", "a hash", NOW)
        _, spared = store.make_key("other", READ, signed_in(store, other), NOW)
        store.refresh(ada.refresh, NOW)
        with denied("token_reused"):
            store.refresh(ada.refresh, NOW)
        assert self.are_good(store, (*family, spared)) == [False, False, True]

    def test_expiry(self, store: AccountStore, family: tuple[str, str]) -> None:
        assert self.are_good(store, family, NOW + DAY) == [False, False]

    def test_one_of_an_account_s_sessions(self, store: AccountStore, ada: Session) -> None:
        bob = store.accept(store.invite(None, NOW), "bob", "b hash", NOW)
        other = signed_in(store, store.open_session("ada", "a hash", NOW + 1), NOW + 1)
        assert [session.id for session in store.sessions("ada", NOW + 1)] == [signed_in(store, ada).id, other.id]
        assert not store.end_session("ada", signed_in(store, bob).id)
        assert store.end_session("ada", other.id) and not store.end_session("ada", other.id)
        assert store.sessions("ada", NOW + REFRESH_SECONDS) == []


class TestRaces:
    """Whoever asked has lost the right to by the time it is done."""

    def test_a_key_that_was_revoked_makes_none(self, store: AccountStore, ada: Session) -> None:
        parent, _ = store.make_key("parent", ADMIN, signed_in(store, ada), NOW)
        store.revoke_key(parent.id)
        with denied("token_invalid"):
            store.make_key("child", READ, parent, NOW)
        assert store.keys(NOW) == []

    def test_a_session_that_has_ended_makes_none_and_changes_no_password(
        self, store: AccountStore, ada: Session
    ) -> None:
        session = signed_in(store, ada)
        store.revoke(ada.access)
        for change in (
            lambda: store.make_key("k", READ, session, NOW),
            lambda: store.change_password(session.id, "a hash", "another hash", NOW),
            lambda: store.confirm(session.id, "a hash", NOW),
        ):
            with denied("token_invalid"):
                change()
        assert store.password_hash("ada") == "a hash"

    def test_a_password_that_was_right_when_it_was_compared(self, store: AccountStore, ada: Session) -> None:
        session = signed_in(store, ada)
        store.accept(store.invite(None, NOW), "bob", "b hash", NOW)
        for old in ("another hash", "b hash"):
            changes: list[Callable[[str], Session]] = [
                lambda hashed: store.open_session("ada", hashed, NOW),
                lambda hashed: store.confirm(session.id, hashed, NOW),
                lambda hashed: store.change_password(session.id, hashed, "a third", NOW),
            ]
            for change in changes:
                with denied("sign_in_wrong"):
                    change(old)

    def test_of_two_who_use_a_refresh_token_at_once_neither_goes_on(self, path: Path, ada: Session) -> None:
        """By two programs that have the file open."""
        stores = [AccountStore(SqlAccounts(path)), AccountStore(SqlAccounts(path))]
        start = threading.Barrier(2)

        def use(store: AccountStore) -> Session | str:
            start.wait()
            try:
                return store.refresh(ada.refresh, NOW)
            except Denied as no:
                return no.code

        with ThreadPoolExecutor(2) as both:
            first, second = sorted(both.map(use, stores), key=str)
        assert isinstance(first, Session) and second == "token_reused"
        assert stores[0].session_of(first.access, NOW) is None
        for store in stores:
            store.close()

    def test_confirming_changes_the_tokens(self, store: AccountStore, ada: Session) -> None:
        later = NOW + 2 * CONFIRMED_SECONDS / 3
        session = signed_in(store, ada, later)
        assert session.authenticated == NOW
        fresh = store.confirm(session.id, "a hash", later)
        assert store.session_of(ada.access, later) is None and signed_in(store, fresh, later).authenticated == later
        with denied("token_invalid"):
            store.refresh(ada.refresh, later)
        renewed = store.refresh(fresh.refresh, later + 60)
        assert signed_in(store, renewed, later + 60).authenticated == later, "refreshing gives no password"


class TestTheFile:
    def test_it_has_no_token_in_it(self, path: Path, store: AccountStore, ada: Session) -> None:
        _, key = store.make_key("k", READ, signed_in(store, ada), NOW)
        invitation = store.invite(None, NOW)
        renewed = store.refresh(ada.refresh, NOW)
        written = b"".join(file.read_bytes() for file in path.parent.iterdir())
        assert b"ada" in written
        for token in (ada.access, ada.refresh, key, invitation, renewed.access, renewed.refresh):
            assert token.partition("_")[2].encode() not in written

    def test_it_is_its_owners_alone(self, path: Path, store: AccountStore) -> None:
        assert path.stat().st_mode & 0o077 == 0

    def test_it_outlives_the_process(self, path: Path, ada: Session, store: AccountStore) -> None:
        again = AccountStore(SqlAccounts(path))
        assert again.session_of(ada.access, NOW) is not None
        again.revoke(ada.access)
        again.close()
        assert store.session_of(ada.access, NOW) is None

    def test_a_file_that_is_none_is_said(self, path: Path) -> None:
        path.write_bytes(b"no database, this" * 100)
        with pytest.raises(DamagedError, match="is damaged"):
            AccountStore(SqlAccounts(path))
