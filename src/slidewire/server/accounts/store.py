"""The rules of accounts, and of their sessions, invitations and API keys.

A token is a bearer token, so none is kept: the repository has SHA-256 hashes of tokens, which are 256 random bits and
need no salt, and Argon2id hashes of passwords. A token is looked up by its hash: how long that takes says nothing about
the token.

    invitation   swi_…   good once, for a day: it makes an account, or gives one another password
    access       swa_…   good for 15 minutes
    refresh      swr_…   good once, for a day: it gives another access and another refresh token
    API key      swk_…   for programs, until it expires (`api_keys`)

A session is the family of all tokens that began with one sign-in. A refresh token that is used twice was copied, and
the server cannot tell which of the two uses was the thief's: the whole family ends, with the keys it made.

What ends, ends what belongs to it: a key its descendants; another password, signing out everywhere and the removal of
an account all its sessions and all its keys. Signing out of one session leaves keys alone: programs have them.

The time is passed in. Every method is one transaction; who asks may have lost the right to between two of them.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from typing import Final

from slidewire.server.accounts.api_keys import MOST_GENERATIONS, ApiKey, Wanted, bounds_of_new_key
from slidewire.server.store.repositories import (
    AccountRecords,
    AccountRepository,
    Invitation,
    StoredSession,
    StoredToken,
)

ACCESS_SECONDS: Final = 15 * 60.0
REFRESH_SECONDS: Final = 86_400.0
"""A session that is not used for so long is over."""
SESSION_SECONDS: Final = 7 * 86_400.0
"""However often it is refreshed, a session ends after this."""
CONFIRMED_SECONDS: Final = 10 * 60.0
"""So long after the password was given, a session may do what outlasts it."""
INVITATION_SECONDS: Final = 86_400.0
MOST_SESSIONS: Final = 20
"""Of one account; one more, and its oldest ends."""
MOST_KEYS: Final = 200
"""Of one account."""
MOST_KEYS_OF_KEYS: Final = 100
"""How many of those may be made by keys: no key keeps its operator from making one."""


class Denied(Exception):
    """The token, name or password is not good. `code` is for programs."""

    def __init__(self, code: str, account: str | None = None) -> None:
        super().__init__(code)
        self.code = code
        self.account = account
        """Whose it was, if that is known."""


@dataclass(frozen=True, slots=True)
class Session:
    """What one sign-in, or one refresh, gives. The only place where tokens are in the clear."""

    account: str
    access: str
    refresh: str
    expires: float
    """The access token."""
    refresh_expires: float


@dataclass(frozen=True, slots=True)
class OpenSession(StoredSession):
    """What is known of a session by one of its access tokens, or to its owner."""

    expires: float = 0.0
    """The access token by which it was found."""


@dataclass(frozen=True, slots=True)
class Ended:
    """What revoking something ended."""

    account: str
    sessions: int
    keys: int


class AccountStore:
    """See the module. `now` is wall clock seconds; tokens come from `secrets`."""

    def __init__(self, repository: AccountRepository) -> None:
        self._reading = repository.reading
        self._writing = repository.writing
        self.close = repository.close

    # --- accounts -----------------------------------------------------------------------------------------------------

    def names(self) -> list[str]:
        with self._reading() as records:
            return records.names()

    def password_hash(self, name: str) -> str | None:
        with self._reading() as records:
            return records.password_hash(name)

    def invite(self, account: str | None, now: float) -> str:
        """`account`: which one gets another password; None: the invitation makes a new one. Raises Denied for an
        unknown name."""
        with self._writing() as records:
            if account is not None and records.password_hash(account) is None:
                raise Denied("account_unknown")
            if account is None and not records.names():
                records.remove_invitations_to_new_accounts()  # of an earlier start, and not used
            records.remove_expired_invitations(now)
            token = new_token("swi")
            records.add_invitation(token_hash(token), Invitation(account, now + INVITATION_SECONDS))
            return token

    def invited(self, token: str, now: float) -> str | None:
        """The account that the invitation is for; None: a new one. Raises Denied."""
        with self._reading() as records:
            return _invited(records, token, now)

    def accept(self, token: str, name: str, password_hash: str, now: float) -> Session:
        """Raises Denied; the invitation is then as good as it was."""
        with self._writing() as records:
            account = _invited(records, token, now)
            if account is None:
                if records.password_hash(name) is not None:
                    raise Denied("account_taken")
                records.add_account(name, password_hash, now)
            else:
                if account != name:
                    raise Denied("invitation_unknown")
                records.set_password_hash(name, password_hash)
                _end_all(records, name)
            records.remove_invitation(token_hash(token))
            return _open_session(records, name, now)

    def change_password(self, session: str, old: str, new: str, now: float) -> Session:
        """`old` and `new` are hashes. All that belongs to the account ends; this gives a new session. Raises Denied."""
        with self._writing() as records:
            name = _session(records, session, now).account
            if records.password_hash(name) != old:
                raise Denied("sign_in_wrong", name)
            records.set_password_hash(name, new)
            _end_all(records, name)
            return _open_session(records, name, now)

    def set_password_hash(self, name: str, old: str, new: str) -> None:
        """The same password under newer parameters, unless it was changed meanwhile."""
        with self._writing() as records:
            if records.password_hash(name) == old:
                records.set_password_hash(name, new)

    def remove(self, name: str) -> bool:
        """With its sessions and the keys it made."""
        with self._writing() as records:
            return records.remove_account(name)

    # --- sessions -----------------------------------------------------------------------------------------------------

    def open_session(self, name: str, password_hash: str, now: float) -> Session:
        """`password_hash`: what was compared. It may have been changed since. Raises Denied."""
        with self._writing() as records:
            if records.password_hash(name) != password_hash:
                raise Denied("sign_in_wrong")
            return _open_session(records, name, now)

    def confirm(self, session: str, password_hash: str, now: float) -> Session:
        """The password was given once more: this session may do what outlasts it, for a while, by new tokens. Raises
        Denied."""
        with self._writing() as records:
            found = _session(records, session, now)
            if records.password_hash(found.account) != password_hash:
                raise Denied("sign_in_wrong", found.account)
            records.set_authenticated(session, now)
            records.remove_tokens(session)
            return _issue(records, found, now)

    def refresh(self, token: str, now: float) -> Session:
        """Raises Denied: `token_reused` if that ended a session."""
        with self._writing() as records:
            found = records.token(token_hash(token))
            if found is None or not found.refreshes or found.until <= now:
                raise Denied("token_invalid")
            session = _session(records, found.session, now)
            if not found.used:
                records.set_used(found.hash)
                records.set_seen(session.id, now)
                return _issue(records, session, now)
            records.remove_session(session.id)
            records.remove_keys_of_session(session.id)
        raise Denied("token_reused", session.account)

    def session_of(self, access: str, now: float) -> OpenSession | None:
        """The session of an access token."""
        with self._reading() as records:
            token = records.token(token_hash(access))
            if token is None or token.refreshes or token.until <= now:
                return None
            session = records.session(token.session)
            return None if session is None or session.ends <= now else _opened(session, token.until)

    def is_open(self, session: str, now: float) -> bool:
        with self._reading() as records:
            found = records.session(session)
            return found is not None and found.ends > now

    def sessions(self, account: str, now: float) -> list[OpenSession]:
        """Of an account: those that can still be refreshed."""
        with self._reading() as records:
            return [_opened(session) for session in records.sessions(account, now)]

    def end_session(self, account: str, session: str) -> bool:
        """One of this account's, because its owner says so."""
        with self._writing() as records:
            found = records.session(session)
            if found is None or found.account != account:
                return False
            records.remove_session(session)
            return True

    def revoke(self, token: str, *, everywhere: bool = False) -> Ended | None:
        """End the session of an access or refresh token; or all of its account's, and the keys. None: unknown token."""
        with self._writing() as records:
            found = records.token(token_hash(token))
            session = None if found is None else records.session(found.session)
            if session is None:
                return None
            if everywhere:
                return _end_all(records, session.account)
            records.remove_session(session.id)
            return Ended(session.account, 1, 0)

    def sign_out(self, name: str) -> Ended | None:
        """An account's sessions and keys. None: there is none of this name."""
        with self._writing() as records:
            return None if records.password_hash(name) is None else _end_all(records, name)

    # --- API keys -----------------------------------------------------------------------------------------------------

    def make_key(self, name: str, wanted: Wanted, by: OpenSession | ApiKey, now: float) -> tuple[ApiKey, str]:
        """Raises Denied and BeyondParent. The token is shown here and never again."""
        with self._writing() as records:
            records.remove_expired_keys(now)
            parent, session = None, None
            if isinstance(by, ApiKey):
                parent = records.key(by.id)
                if parent is None:
                    raise Denied("token_invalid")  # it was revoked while it asked
                if len(parent.charged) >= MOST_GENERATIONS:
                    raise Denied("too_many_keys")
                made_by = parent.made_by
            else:
                session, made_by = by.id, _session(records, by.id, now).account
            made, made_by_keys = records.count_keys(made_by)
            if made >= MOST_KEYS or (parent is not None and made_by_keys >= MOST_KEYS_OF_KEYS):
                raise Denied("too_many_keys")
            bounds = bounds_of_new_key(wanted, None if parent is None else parent.bounds, now)
            id_, token = secrets.token_hex(6), new_token("swk")
            above = () if parent is None else parent.charged
            charged = ((id_, bounds.per_minute), *above)
            key = ApiKey(id_, name, bounds, made_by, now, None if parent is None else parent.id, charged)
            records.add_key(key, token_hash(token), session)
            return key, token

    def keys(self, now: float, of: str | None = None) -> list[ApiKey]:
        """All; or those of one key's tree, itself among them."""
        with self._reading() as records:
            tree = None if of is None else records.tree(of)
            return [key for key in records.keys(now) if tree is None or key.id in tree]

    def key_of(self, token: str, now: float) -> ApiKey | None:
        with self._reading() as records:
            found = records.key_of(token_hash(token))
            return None if found is None or found.bounds.expires <= now else found

    def is_key(self, key: str, now: float) -> bool:
        with self._reading() as records:
            found = records.key(key)
            return found is not None and found.bounds.expires > now

    def revoke_key(self, key: str, of: str | None = None) -> int:
        """With its descendants: how many that were. `of`: only in the tree of this key."""
        with self._writing() as records:
            if of is not None and key not in records.tree(of):
                return 0
            ended = len(records.tree(key))
            records.remove_key(key)
            return ended


def new_token(kind: str) -> str:
    return f"{kind}_{secrets.token_urlsafe(32)}"


def token_hash(token: str) -> bytes:
    return hashlib.sha256(token.encode(errors="replace")).digest()


def _opened(session: StoredSession, expires: float = 0.0) -> OpenSession:
    return OpenSession(
        session.id, session.account, session.created, session.seen, session.ends, session.authenticated, expires
    )


def _invited(records: AccountRecords, token: str, now: float) -> str | None:
    """Raises Denied."""
    found = records.invitation(token_hash(token))
    if found is None or found.until <= now:
        raise Denied("invitation_unknown")
    return found.account


def _session(records: AccountRecords, session: str, now: float) -> StoredSession:
    """Raises Denied unless it is open."""
    found = records.session(session)
    if found is None or found.ends <= now:
        raise Denied("token_invalid")
    return found


def _end_all(records: AccountRecords, name: str) -> Ended:
    """What belongs to an account, but for the account."""
    keys = records.remove_keys_of_account(name)
    return Ended(name, records.remove_sessions(name), keys)


def _open_session(records: AccountRecords, name: str, now: float) -> Session:
    records.remove_expired_sessions(now)
    records.remove_oldest_sessions(name, keep=MOST_SESSIONS - 1)
    session = StoredSession(secrets.token_hex(8), name, now, now, now + SESSION_SECONDS, now)
    records.add_session(session)
    return _issue(records, session, now)


def _issue(records: AccountRecords, session: StoredSession, now: float) -> Session:
    access, refresh = new_token("swa"), new_token("swr")
    access_until, refresh_until = min(now + ACCESS_SECONDS, session.ends), min(now + REFRESH_SECONDS, session.ends)
    # A used refresh token is kept as long as it could be shown again; expired access tokens are not worth keeping.
    records.remove_expired_tokens(session.id, now)
    records.add_token(StoredToken(token_hash(access), session.id, refreshes=False, until=access_until))
    records.add_token(StoredToken(token_hash(refresh), session.id, refreshes=True, until=refresh_until))
    return Session(session.account, access, refresh, access_until, refresh_until)
