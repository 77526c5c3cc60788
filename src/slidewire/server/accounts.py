"""Who may run this server: accounts, their sessions, invitations and API keys, in the file that rooms are in, too.

Whoever shows a token is whom it was given to, so none is kept: the file has SHA-256 hashes of tokens, which are 256
random bits and need no salt, and Argon2id hashes of passwords. A token is looked up by its hash: how long that takes
says nothing about the token.

    invitation   swi_…   good once, for a day: it makes an account, or gives one another password
    access       swa_…   good for 15 minutes
    refresh      swr_…   good once, for 7 days: it gives another access and another refresh token
    API key      swk_…   for programs, until it expires

A session is the family of all tokens that began with one sign-in. A refresh token that is used twice was copied, and
nobody can tell which of the two is the thief: the whole family ends.

`AccountBook` is the rules, with the time passed in; `Accounts` runs it in one thread, so that no disk and no hash ever
holds up a click.
"""

from __future__ import annotations

import asyncio
import hashlib
import ipaddress
import secrets
import sqlite3
import unicodedata
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final, TypeVar

import argon2

from slidewire.aio.clock import wall

T = TypeVar("T")

ACCESS_SECONDS: Final = 15 * 60.0
REFRESH_SECONDS: Final = 7 * 86_400.0
SESSION_SECONDS: Final = 30 * 86_400.0
"""However diligently it is refreshed, a session ends after this."""
INVITATION_SECONDS: Final = 86_400.0
MOST_SESSIONS: Final = 20
"""Of one account; one more, and its oldest ends."""
MOST_KEYS: Final = 200
MOST_HASHES_WAITING: Final = 8

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS accounts (
  name TEXT PRIMARY KEY, password TEXT NOT NULL, created REAL NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS invitations (
  hash BLOB PRIMARY KEY, account TEXT, until REAL NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS sessions (
  id TEXT PRIMARY KEY, account TEXT NOT NULL REFERENCES accounts ON DELETE CASCADE, created REAL NOT NULL,
  ends REAL NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS tokens (
  hash BLOB PRIMARY KEY, session TEXT NOT NULL REFERENCES sessions ON DELETE CASCADE, refreshes INTEGER NOT NULL,
  until REAL NOT NULL, used INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS tokens_by_session ON tokens (session);
CREATE TABLE IF NOT EXISTS api_keys (
  id TEXT PRIMARY KEY, hash BLOB NOT NULL UNIQUE, name TEXT NOT NULL, scopes TEXT NOT NULL, expires REAL NOT NULL,
  addresses TEXT NOT NULL, per_minute INTEGER NOT NULL, made_by TEXT NOT NULL REFERENCES accounts ON DELETE CASCADE,
  created REAL NOT NULL
) WITHOUT ROWID;
"""


class Scope(StrEnum):
    """What a caller may do."""

    READ = "connections.read"
    CONTROL = "connections.control"
    TURN = "turn.credentials"
    ROOMS = "rooms.open"
    ADMIN = "admin"


ALL_SCOPES: Final = frozenset(Scope)


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
class ApiKey:
    id: str
    name: str
    scopes: frozenset[Scope]
    expires: float
    addresses: tuple[str, ...]
    """Networks it may be used from; empty: from anywhere."""
    per_minute: int
    made_by: str
    created: float

    def may_come_from(self, address: str) -> bool:
        if not self.addresses:
            return True
        try:
            here = ipaddress.ip_address(address)
        except ValueError:
            return False
        return any(here in ipaddress.ip_network(network) for network in self.addresses)


class AccountBook:
    """See the module. `now` is wall clock seconds. Every method is one transaction; tokens come from `secrets`."""

    def __init__(self, path: Path) -> None:
        self._database = sqlite3.connect(path, check_same_thread=False, timeout=5.0, isolation_level=None)
        try:
            self._database.execute("PRAGMA journal_mode = WAL")
            self._database.execute("PRAGMA synchronous = FULL")  # what was revoked stays so, whatever the power does
            self._database.execute("PRAGMA foreign_keys = ON")
            self._database.executescript(_SCHEMA)
            path.chmod(0o600)
        except BaseException:
            self._database.close()
            raise

    def close(self) -> None:
        self._database.close()

    # --- accounts -----------------------------------------------------------------------------------------------------

    def names(self) -> list[str]:
        return [name for (name,) in self._database.execute("SELECT name FROM accounts ORDER BY name")]

    def password_hash(self, name: str) -> str | None:
        row = self._database.execute("SELECT password FROM accounts WHERE name = ?", (name,)).fetchone()
        return None if row is None else str(row[0])

    def invite(self, account: str | None, now: float) -> str:
        """`account`: whom it gives another password; None: it makes a new one. Raises Denied for a name that is not."""
        with self._transaction() as database:
            if account is not None and self.password_hash(account) is None:
                raise Denied("account_unknown")
            if account is None and not self.names():
                # The one of an earlier start, which nobody took up.
                database.execute("DELETE FROM invitations WHERE account IS NULL")
            database.execute("DELETE FROM invitations WHERE until <= ?", (now,))
            token = _new_token("swi")
            row = (_hash(token), account, now + INVITATION_SECONDS)
            database.execute("INSERT INTO invitations VALUES (?, ?, ?)", row)
            return token

    def invited(self, token: str, now: float) -> str | None:
        """Whom the invitation is for; None: anybody new. Raises Denied."""
        found = self._database.execute(
            "SELECT account FROM invitations WHERE hash = ? AND until > ?", (_hash(token), now)
        ).fetchone()
        if found is None:
            raise Denied("invitation_unknown")
        return None if found[0] is None else str(found[0])

    def accept(self, token: str, name: str, password_hash: str, now: float) -> Session:
        """Raises Denied; the invitation is then as good as it was."""
        with self._transaction() as database:
            account = self.invited(token, now)
            if account is None:
                if self.password_hash(name) is not None:
                    raise Denied("account_taken")
                database.execute("INSERT INTO accounts VALUES (?, ?, ?)", (name, password_hash, now))
            else:
                if account != name:
                    raise Denied("invitation_unknown")
                database.execute("UPDATE accounts SET password = ? WHERE name = ?", (password_hash, name))
                database.execute("DELETE FROM sessions WHERE account = ?", (name,))
            database.execute("DELETE FROM invitations WHERE hash = ?", (_hash(token),))
            return self._open_session(name, now)

    def set_password_hash(self, name: str, old: str, new: str) -> None:
        """The same password under newer parameters, unless it was changed meanwhile."""
        self._database.execute("UPDATE accounts SET password = ? WHERE name = ? AND password = ?", (new, name, old))

    def remove(self, name: str) -> bool:
        """With its sessions and the keys it made."""
        return self._database.execute("DELETE FROM accounts WHERE name = ?", (name,)).rowcount > 0

    # --- sessions -----------------------------------------------------------------------------------------------------

    def open_session(self, name: str, now: float) -> Session:
        with self._transaction():
            if self.password_hash(name) is None:
                raise Denied("account_unknown")
            return self._open_session(name, now)

    def refresh(self, token: str, now: float) -> Session:
        """Raises Denied: `token_reused` if that ended a session."""
        with self._transaction() as database:
            found = database.execute(
                "SELECT session, account, used, ends FROM tokens JOIN sessions ON id = session"
                " WHERE hash = ? AND refreshes = 1 AND until > ? AND ends > ?",
                (_hash(token), now, now),
            ).fetchone()
            if found is None:
                raise Denied("token_invalid")
            session, account, used, ends = found
            if not used:
                database.execute("UPDATE tokens SET used = 1 WHERE hash = ?", (_hash(token),))
                return self._issue(session, account, ends, now)
            database.execute("DELETE FROM sessions WHERE id = ?", (session,))
        raise Denied("token_reused", account)

    def account_of(self, access: str, now: float) -> tuple[str, float] | None:
        """Whose access token it is, and until when it is good."""
        found = self._database.execute(
            "SELECT account, until FROM tokens JOIN sessions ON id = session"
            " WHERE hash = ? AND refreshes = 0 AND until > ? AND ends > ?",
            (_hash(access), now, now),
        ).fetchone()
        return None if found is None else (str(found[0]), float(found[1]))

    def revoke(self, token: str, *, everywhere: bool = False) -> str | None:
        """End the session that either token belongs to, or all of its account's. Whose it was; None: nobody's."""
        with self._transaction() as database:
            found = database.execute(
                "SELECT session, account FROM tokens JOIN sessions ON id = session WHERE hash = ?", (_hash(token),)
            ).fetchone()
            if found is None:
                return None
            if everywhere:
                database.execute("DELETE FROM sessions WHERE account = ?", (found[1],))
            else:
                database.execute("DELETE FROM sessions WHERE id = ?", (found[0],))
            return str(found[1])

    def _open_session(self, name: str, now: float) -> Session:
        database, ends = self._database, now + SESSION_SECONDS
        database.execute("DELETE FROM sessions WHERE ends <= ?", (now,))
        database.execute("DELETE FROM tokens WHERE until <= ?", (now,))
        database.execute("DELETE FROM sessions WHERE id NOT IN (SELECT session FROM tokens)")
        database.execute(
            "DELETE FROM sessions WHERE id IN"
            " (SELECT id FROM sessions WHERE account = ? ORDER BY created DESC LIMIT -1 OFFSET ?)",
            (name, MOST_SESSIONS - 1),
        )
        session = secrets.token_hex(8)
        database.execute("INSERT INTO sessions VALUES (?, ?, ?, ?)", (session, name, now, ends))
        return self._issue(session, name, ends, now)

    def _issue(self, session: str, account: str, ends: float, now: float) -> Session:
        access, refresh = _new_token("swa"), _new_token("swr")
        until = min(now + ACCESS_SECONDS, ends), min(now + REFRESH_SECONDS, ends)
        # A used refresh token is kept as long as it could be shown again; used-up access tokens are not worth keeping.
        self._database.execute("DELETE FROM tokens WHERE session = ? AND until <= ?", (session, now))
        self._database.executemany(
            "INSERT INTO tokens (hash, session, refreshes, until) VALUES (?, ?, ?, ?)",
            [(_hash(access), session, 0, until[0]), (_hash(refresh), session, 1, until[1])],
        )
        return Session(account, access, refresh, *until)

    # --- API keys -----------------------------------------------------------------------------------------------------

    def make_key(
        self, name: str, scopes: Iterable[Scope], expires: float, addresses: Iterable[str], per_minute: int,
        made_by: str, now: float,
    ) -> tuple[ApiKey, str]:  # fmt: skip
        """Raises Denied. The token is shown here and never again."""
        with self._transaction() as database:
            database.execute("DELETE FROM api_keys WHERE expires <= ?", (now,))
            if database.execute("SELECT count(*) FROM api_keys").fetchone()[0] >= MOST_KEYS:
                raise Denied("too_many_keys")
            token = _new_token("swk")
            key = ApiKey(
                secrets.token_hex(6), name, frozenset(scopes), expires, tuple(addresses), per_minute, made_by, now
            )
            row = (
                key.id, _hash(token), name, " ".join(sorted(key.scopes)), expires, " ".join(key.addresses), per_minute,
                made_by, now,
            )  # fmt: skip
            database.execute("INSERT INTO api_keys VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
            return key, token

    def keys(self, now: float) -> list[ApiKey]:
        return self._keys("expires > ? ORDER BY created, id", now)

    def key_of(self, token: str, now: float) -> ApiKey | None:
        found = self._keys("hash = ? AND expires > ?", _hash(token), now)
        return found[0] if found else None

    def revoke_key(self, key: str) -> bool:
        return self._database.execute("DELETE FROM api_keys WHERE id = ?", (key,)).rowcount > 0

    def _keys(self, where: str, *values: object) -> list[ApiKey]:
        columns = "id, name, scopes, expires, addresses, per_minute, made_by, created"
        rows = self._database.execute(f"SELECT {columns} FROM api_keys WHERE {where}", values)  # noqa: S608  all ours
        known = {str(scope): scope for scope in Scope}
        return [
            ApiKey(
                id_, name, frozenset(known[scope] for scope in scopes.split() if scope in known), expires,
                tuple(addresses.split()), per_minute, made_by, created,
            )
            for id_, name, scopes, expires, addresses, per_minute, made_by, created in rows
        ]  # fmt: skip

    def _transaction(self) -> _Transaction:
        return _Transaction(self._database)


class _Transaction:
    """Takes the right to write before it reads: another program (`slidewire account`) may have the file open, too."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database

    def __enter__(self) -> sqlite3.Connection:
        self._database.execute("BEGIN IMMEDIATE")
        return self._database

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._database.execute("COMMIT" if kind is None else "ROLLBACK")


class Busy(Exception):
    """More passwords are being looked at than may wait."""


class Accounts:
    """The book in its thread; passwords in another, one at a time: a sign-in costs 64 MiB and a part of a second."""

    def __init__(self, path: Path) -> None:
        self._book = AccountBook(path)
        self._clerk = ThreadPoolExecutor(1, "accounts")
        self._hashing = ThreadPoolExecutor(1, "passwords")
        # Argon2id, version 19: RFC 9106's second recommended choice but for one lane, which leaves a processor to the
        # show; far above OWASP's minimum of 19 MiB and two passes.
        self._argon2 = argon2.PasswordHasher(
            time_cost=3, memory_cost=64 * 1024, parallelism=1, hash_len=32, salt_len=16
        )
        self._waiting = 0
        self._nobody = ""

    async def close(self) -> None:
        for executor in (self._hashing, self._clerk):
            await asyncio.to_thread(executor.shutdown, cancel_futures=True)
        self._book.close()

    async def ask(self, question: Callable[[AccountBook], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._clerk, question, self._book)

    async def sign_in(self, name: str, password: str) -> Session:
        """Raises Denied, equally late for a name that is not and for a password that is wrong; and Busy."""
        if not self._nobody:
            self._nobody = await self.hash(secrets.token_urlsafe(32))
        stored = await self.ask(lambda book: book.password_hash(name))
        right = await self._hash_soon(lambda: self._matches(stored or self._nobody, password))
        if stored is None or not right:
            raise Denied("sign_in_wrong")
        if self._argon2.check_needs_rehash(stored):
            renewed = await self.hash(password)
            await self.ask(lambda book: book.set_password_hash(name, stored, renewed))
        return await self.ask(lambda book: book.open_session(name, wall()))

    async def hash(self, password: str) -> str:
        """Raises Busy."""
        return await self._hash_soon(lambda: self._argon2.hash(_normal(password)))

    def _matches(self, stored: str, password: str) -> bool:
        try:
            return self._argon2.verify(stored, _normal(password))
        except (argon2.exceptions.VerificationError, argon2.exceptions.InvalidHashError):
            return False

    async def _hash_soon(self, work: Callable[[], T]) -> T:
        if self._waiting >= MOST_HASHES_WAITING:
            raise Busy
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._hashing, work)
        finally:
            self._waiting -= 1


def _normal(password: str) -> bytes:
    """The same however a keyboard composes its letters (NIST SP 800-63B)."""
    return unicodedata.normalize("NFKC", password).encode(errors="replace")


def _new_token(kind: str) -> str:
    return f"{kind}_{secrets.token_urlsafe(32)}"


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode(errors="replace")).digest()
