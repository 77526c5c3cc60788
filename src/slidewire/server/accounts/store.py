"""Who may run this server: accounts, their sessions, invitations and API keys, in the file that rooms are in, too.

Whoever shows a token is whom it was given to, so none is kept: the file has SHA-256 hashes of tokens, which are 256
random bits and need no salt, and Argon2id hashes of passwords. A token is looked up by its hash: how long that takes
says nothing about the token.

    invitation   swi_…   good once, for a day: it makes an account, or gives one another password
    access       swa_…   good for 15 minutes
    refresh      swr_…   good once, for a day: it gives another access and another refresh token
    API key      swk_…   for programs, until it expires (`keys`)

A session is the family of all tokens that began with one sign-in. A refresh token that is used twice was copied, and
nobody can tell which of the two is the thief: the whole family ends, with the keys it made.

What ends, ends what hangs on it: a key its descendants; another password, signing out everywhere and the removal of an
account all its sessions and all its keys. Signing out of one session leaves keys alone: programs have them.

`AccountStore` is the rules, with the time passed in; `Accounts` runs it in one thread, so that no disk and no hash ever
holds up a click. Whoever asked may have lost the right to while the request was on its way, so what changes something
looks once more in its own transaction.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

import argon2

from slidewire.aio.clock import wall
from slidewire.server.accounts.api_keys import MOST_GENERATIONS, ApiKey, Bounds, Scope, Wanted, bounds_of_new_key
from slidewire.server.accounts.passwords import is_guessable, normal

T = TypeVar("T")

ACCESS_SECONDS: Final = 15 * 60.0
REFRESH_SECONDS: Final = 86_400.0
"""A session that nobody uses for so long is over."""
SESSION_SECONDS: Final = 7 * 86_400.0
"""However diligently it is refreshed, a session ends after this."""
CONFIRMED_SECONDS: Final = 10 * 60.0
"""So long after the password was given, a session may do what outlasts it."""
INVITATION_SECONDS: Final = 86_400.0
MOST_SESSIONS: Final = 20
"""Of one account; one more, and its oldest ends."""
MOST_KEYS: Final = 200
"""Of one account …"""
MOST_KEYS_OF_KEYS: Final = 100
"""… of which keys make so many: no key keeps its operator from making one."""
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

_ADDED: Final = (
    ("sessions", "authenticated", "REAL NOT NULL DEFAULT 0"),
    ("sessions", "seen", "REAL NOT NULL DEFAULT 0"),
    ("api_keys", "parent", "TEXT REFERENCES api_keys ON DELETE CASCADE"),
    # No reference: a key outlasts the session it was made in, unless that one was stolen.
    ("api_keys", "session", "TEXT"),
)
"""Since the first version. What was in a file by then has these defaults: no recent password, no parent."""


_SESSION: Final = "id, account, created, seen, ends, authenticated"
_TREE: Final = (
    "WITH RECURSIVE tree(id) AS (SELECT id FROM api_keys WHERE id = ?"
    " UNION SELECT api_keys.id FROM api_keys JOIN tree ON parent = tree.id) SELECT id FROM tree"
)
"""A key and its descendants."""
_LINE: Final = (
    "WITH RECURSIVE line(id, per_minute, above, depth) AS (SELECT id, per_minute, parent, 1 FROM api_keys WHERE id = ?"
    " UNION ALL SELECT api_keys.id, api_keys.per_minute, parent, depth + 1 FROM api_keys JOIN line"
    " ON api_keys.id = above WHERE depth < ?) SELECT id, per_minute FROM line ORDER BY depth"
)
"""A key and its ancestors."""


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
class OpenSession:
    """What is known of a session by one of its access tokens, or to its owner."""

    id: str
    account: str
    created: float
    seen: float
    """When it was opened or last refreshed."""
    ends: float
    authenticated: float
    """When the password was given last."""
    expires: float = 0.0
    """The access token by which it was found."""


@dataclass(frozen=True, slots=True)
class Ended:
    """What revoking something ended."""

    account: str
    sessions: int
    keys: int


class AccountStore:
    """See the module. `now` is wall clock seconds. Every method is one transaction; tokens come from `secrets`."""

    def __init__(self, path: Path) -> None:
        self._database = sqlite3.connect(path, check_same_thread=False, timeout=5.0, isolation_level=None)
        try:
            self._database.execute("PRAGMA journal_mode = WAL")
            self._database.execute("PRAGMA synchronous = FULL")  # what was revoked stays so, whatever the power does
            self._database.execute("PRAGMA foreign_keys = ON")
            self._database.executescript(_SCHEMA)
            self._add_columns()
            path.chmod(0o600)
        except BaseException:
            self._database.close()
            raise

    def close(self) -> None:
        self._database.close()

    def _add_columns(self) -> None:
        """A file of an earlier version has less in it. The file's own version number is the rooms'."""
        with self._transaction() as database:
            for table, column, kind in _ADDED:
                if column not in {row[1] for row in database.execute(f"PRAGMA table_info({table})")}:
                    database.execute(f"ALTER TABLE {table} ADD COLUMN {column} {kind}")

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
                self._end_all(name)
            database.execute("DELETE FROM invitations WHERE hash = ?", (_hash(token),))
            return self._open_session(name, now)

    def change_password(self, session: str, old: str, new: str, now: float) -> Session:
        """`old` and `new` are hashes. All that hangs on the account ends; this gives a new session. Raises Denied."""
        with self._transaction() as database:
            name = self._account_of_session(session, now)
            if self.password_hash(name) != old:
                raise Denied("sign_in_wrong", name)
            database.execute("UPDATE accounts SET password = ? WHERE name = ?", (new, name))
            self._end_all(name)
            return self._open_session(name, now)

    def set_password_hash(self, name: str, old: str, new: str) -> None:
        """The same password under newer parameters, unless it was changed meanwhile."""
        self._database.execute("UPDATE accounts SET password = ? WHERE name = ? AND password = ?", (new, name, old))

    def remove(self, name: str) -> bool:
        """With its sessions and the keys it made."""
        return self._database.execute("DELETE FROM accounts WHERE name = ?", (name,)).rowcount > 0

    # --- sessions -----------------------------------------------------------------------------------------------------

    def open_session(self, name: str, password_hash: str, now: float) -> Session:
        """`password_hash`: what was compared. It may have been changed since. Raises Denied."""
        with self._transaction():
            if self.password_hash(name) != password_hash:
                raise Denied("sign_in_wrong")
            return self._open_session(name, now)

    def confirm(self, session: str, password_hash: str, now: float) -> Session:
        """The password was given once more: this session may do what outlasts it, for a while, by new tokens. Raises
        Denied."""
        with self._transaction() as database:
            account = self._account_of_session(session, now)
            if self.password_hash(account) != password_hash:
                raise Denied("sign_in_wrong", account)
            database.execute("UPDATE sessions SET authenticated = ? WHERE id = ?", (now, session))
            database.execute("DELETE FROM tokens WHERE session = ?", (session,))
            (ends,) = database.execute("SELECT ends FROM sessions WHERE id = ?", (session,)).fetchone()
            return self._issue(session, account, ends, now)

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
                database.execute("UPDATE sessions SET seen = ? WHERE id = ?", (now, session))
                return self._issue(session, account, ends, now)
            database.execute("DELETE FROM sessions WHERE id = ?", (session,))
            database.execute("DELETE FROM api_keys WHERE session = ?", (session,))
        raise Denied("token_reused", account)

    def session_of(self, access: str, now: float) -> OpenSession | None:
        """Whose access token it is."""
        found = self._database.execute(
            f"SELECT {_SESSION}, until FROM tokens JOIN sessions ON id = session"  # noqa: S608  all ours
            " WHERE hash = ? AND refreshes = 0 AND until > ? AND ends > ?",
            (_hash(access), now, now),
        ).fetchone()
        return None if found is None else OpenSession(*found)

    def is_open(self, session: str, now: float) -> bool:
        query = "SELECT 1 FROM sessions WHERE id = ? AND ends > ?"
        return self._database.execute(query, (session, now)).fetchone() is not None

    def sessions(self, account: str, now: float) -> list[OpenSession]:
        """Of an account: those that can still be refreshed."""
        rows = self._database.execute(
            f"SELECT {_SESSION} FROM sessions WHERE account = ? AND ends > ?"  # noqa: S608  all ours
            " AND id IN (SELECT session FROM tokens WHERE used = 0 AND until > ?) ORDER BY created, id",
            (account, now, now),
        )
        return [OpenSession(*row) for row in rows]

    def end_session(self, account: str, session: str) -> bool:
        """One of this account's, at its owner's word."""
        query = "DELETE FROM sessions WHERE id = ? AND account = ?"
        return self._database.execute(query, (session, account)).rowcount > 0

    def revoke(self, token: str, *, everywhere: bool = False) -> Ended | None:
        """End the session that either token belongs to; or all of its account's, and the keys. None: nobody's token."""
        with self._transaction() as database:
            found = database.execute(
                "SELECT session, account FROM tokens JOIN sessions ON id = session WHERE hash = ?", (_hash(token),)
            ).fetchone()
            if found is None:
                return None
            if everywhere:
                return self._end_all(found[1])
            database.execute("DELETE FROM sessions WHERE id = ?", (found[0],))
            return Ended(found[1], 1, 0)

    def sign_out(self, name: str) -> Ended | None:
        """An account's sessions and keys. None: there is none of this name."""
        with self._transaction():
            return None if self.password_hash(name) is None else self._end_all(name)

    def _end_all(self, name: str) -> Ended:
        """That hangs on an account, but for the account."""
        database = self._database
        keys = database.execute("SELECT count(*) FROM api_keys WHERE made_by = ?", (name,)).fetchone()[0]
        database.execute("DELETE FROM api_keys WHERE made_by = ?", (name,))
        return Ended(name, database.execute("DELETE FROM sessions WHERE account = ?", (name,)).rowcount, keys)

    def _account_of_session(self, session: str, now: float) -> str:
        query = "SELECT account FROM sessions WHERE id = ? AND ends > ?"
        found = self._database.execute(query, (session, now)).fetchone()
        if found is None:
            raise Denied("token_invalid")
        return str(found[0])

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
        query = "INSERT INTO sessions (id, account, created, ends, authenticated, seen) VALUES (?, ?, ?, ?, ?, ?)"
        database.execute(query, (session, name, now, ends, now, now))
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

    def make_key(self, name: str, wanted: Wanted, by: OpenSession | ApiKey, now: float) -> tuple[ApiKey, str]:
        """Raises Denied and BeyondParent. The token is shown here and never again."""
        with self._transaction() as database:
            database.execute("DELETE FROM api_keys WHERE expires <= ?", (now,))
            parent, session = None, None
            if isinstance(by, ApiKey):
                parent, made_by = self._key(by.id, now), by.made_by
                if parent is None:
                    raise Denied("token_invalid")  # it was revoked while it asked
                if len(parent.charged) >= MOST_GENERATIONS:
                    raise Denied("too_many_keys")
            else:
                session, made_by = by.id, self._account_of_session(by.id, now)
            self._check_space(made_by, of_key=parent is not None)
            bounds = bounds_of_new_key(wanted, None if parent is None else parent.bounds, now)
            token, id_ = _new_token("swk"), secrets.token_hex(6)
            above = () if parent is None else parent.charged
            row = (
                id_, _hash(token), name, " ".join(sorted(bounds.scopes)), bounds.expires, " ".join(bounds.addresses),
                bounds.per_minute, made_by, now, None if parent is None else parent.id, session,
            )  # fmt: skip
            database.execute(
                "INSERT INTO api_keys (id, hash, name, scopes, expires, addresses, per_minute, made_by, created,"
                " parent, session) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                row,
            )
            charged = ((id_, bounds.per_minute), *above)
            return ApiKey(id_, name, bounds, made_by, now, None if parent is None else parent.id, charged), token

    def keys(self, now: float, of: str | None = None) -> list[ApiKey]:
        """All; or of one key's tree, itself among them."""
        if of is None:
            return self._keys("expires > ? ORDER BY created, id", now)
        return self._keys(f"expires > ? AND id IN ({_TREE}) ORDER BY created, id", now, of)

    def key_of(self, token: str, now: float) -> ApiKey | None:
        found = self._keys("hash = ? AND expires > ?", _hash(token), now)
        return found[0] if found else None

    def is_key(self, key: str, now: float) -> bool:
        return self._key(key, now) is not None

    def revoke_key(self, key: str, of: str | None = None) -> int:
        """With its descendants: how many that were. `of`: only in the tree of this key."""
        with self._transaction() as database:
            if of is not None and database.execute(f"SELECT 1 WHERE ? IN ({_TREE})", (key, of)).fetchone() is None:
                return 0
            ended = len(database.execute(_TREE, (key,)).fetchall())
            database.execute("DELETE FROM api_keys WHERE id = ?", (key,))
            return ended

    def _key(self, id_: str, now: float) -> ApiKey | None:
        found = self._keys("id = ? AND expires > ?", id_, now)
        return found[0] if found else None

    def _check_space(self, made_by: str, *, of_key: bool) -> None:
        query = "SELECT count(*), count(parent) FROM api_keys WHERE made_by = ?"
        keys, of_keys = self._database.execute(query, (made_by,)).fetchone()
        if keys >= MOST_KEYS or (of_key and of_keys >= MOST_KEYS_OF_KEYS):
            raise Denied("too_many_keys")

    def _keys(self, where: str, *values: object) -> list[ApiKey]:
        columns = "id, name, scopes, expires, addresses, per_minute, made_by, created, parent"
        query = f"SELECT {columns} FROM api_keys WHERE {where}"  # noqa: S608  all ours
        rows = self._database.execute(query, values).fetchall()
        known = {str(scope): scope for scope in Scope}
        return [
            ApiKey(
                id_, name,
                Bounds(
                    frozenset(known[scope] for scope in scopes.split() if scope in known), expires,
                    tuple(addresses.split()), per_minute,
                ),
                made_by, created, parent, self._charged(id_),
            )
            for id_, name, scopes, expires, addresses, per_minute, made_by, created, parent in rows
        ]  # fmt: skip

    def _charged(self, key: str) -> tuple[tuple[str, int], ...]:
        return tuple(self._database.execute(_LINE, (key, MOST_GENERATIONS)))

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
        self._book = AccountStore(path)
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

    async def ask(self, question: Callable[[AccountStore], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._clerk, question, self._book)

    async def sign_in(self, name: str, password: str) -> Session:
        """Raises Denied, equally late for a name that is not and for a password that is wrong; and Busy."""
        stored = await self.check_password(name, password)
        if self._argon2.check_needs_rehash(stored):
            renewed = await self._hash(password)
            await self.ask(lambda book: book.set_password_hash(name, stored, renewed))
            stored = renewed
        return await self.ask(lambda book: book.open_session(name, stored, wall()))

    async def check_password(self, name: str, password: str) -> str:
        """Its hash, which whoever goes on must find unchanged. Raises Denied and Busy."""
        if not self._nobody:
            self._nobody = await self._hash(secrets.token_urlsafe(32))
        stored = await self.ask(lambda book: book.password_hash(name))
        right = await self._hash_soon(lambda: self._matches(stored or self._nobody, password))
        if stored is None or not right:
            raise Denied("sign_in_wrong")
        return stored

    async def hash_new(self, password: str, name: str) -> str:
        """Of a password that somebody chooses. Raises Denied for one that would soon be guessed, and Busy."""
        if await self._hash_soon(lambda: is_guessable(password, name)):
            raise Denied("password_guessable")
        return await self._hash(password)

    async def _hash(self, password: str) -> str:
        return await self._hash_soon(lambda: self._argon2.hash(normal(password)))

    def _matches(self, stored: str, password: str) -> bool:
        try:
            return self._argon2.verify(stored, normal(password))
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


def _new_token(kind: str) -> str:
    return f"{kind}_{secrets.token_urlsafe(32)}"


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode(errors="replace")).digest()
