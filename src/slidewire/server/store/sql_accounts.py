"""Accounts, their sessions, tokens and keys in SQL."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa

from slidewire.server.accounts.api_keys import MOST_GENERATIONS, ApiKey, Bounds, Scope
from slidewire.server.store.database import Database, Schema
from slidewire.server.store.repositories import AccountRecords, Invitation, StoredSession, StoredToken
from slidewire.server.store.tables import accounts, api_keys, invitations, sessions, tokens

SCHEMA: Final = Schema("accounts", "accounts_0002")


class SqlAccounts:
    """An `AccountRepository`. What was revoked stays revoked through a power cut."""

    def __init__(self, path: Path) -> None:
        """Raises StoreError."""
        self._database = Database(path, SCHEMA, "FULL")

    def close(self) -> None:
        self._database.close()

    @contextlib.contextmanager
    def reading(self) -> Iterator[AccountRecords]:
        with self._database.reading() as connection:
            yield _Records(connection)

    @contextlib.contextmanager
    def writing(self) -> Iterator[AccountRecords]:
        with self._database.writing() as connection:
            yield _Records(connection)


class _Records:
    def __init__(self, connection: sa.Connection) -> None:
        self._run = connection.execute

    def _count(self, statement: sa.Delete) -> int:
        """How many rows it removes, without those that belong to them."""
        return self._run(statement).rowcount

    # --- accounts and invitations -------------------------------------------------------------------------------------

    def names(self) -> list[str]:
        return list(self._run(sa.select(accounts.c.name).order_by(accounts.c.name)).scalars())

    def password_hash(self, name: str) -> str | None:
        return self._run(sa.select(accounts.c.password).where(accounts.c.name == name)).scalar_one_or_none()

    def add_account(self, name: str, password_hash: str, created: float) -> None:
        self._run(sa.insert(accounts).values(name=name, password=password_hash, created=created))

    def set_password_hash(self, name: str, password_hash: str) -> None:
        self._run(sa.update(accounts).where(accounts.c.name == name).values(password=password_hash))

    def remove_account(self, name: str) -> bool:
        return self._count(sa.delete(accounts).where(accounts.c.name == name)) > 0

    def add_invitation(self, token_hash: bytes, invitation: Invitation) -> None:
        values = {"hash": token_hash, "account": invitation.account, "until": invitation.until}
        self._run(sa.insert(invitations).values(**values))

    def invitation(self, token_hash: bytes) -> Invitation | None:
        query = sa.select(invitations.c.account, invitations.c.until).where(invitations.c.hash == token_hash)
        found = self._run(query).one_or_none()
        return None if found is None else Invitation(*found)

    def remove_invitation(self, token_hash: bytes) -> None:
        self._run(sa.delete(invitations).where(invitations.c.hash == token_hash))

    def remove_invitations_to_new_accounts(self) -> None:
        self._run(sa.delete(invitations).where(invitations.c.account.is_(None)))

    def remove_expired_invitations(self, now: float) -> None:
        self._run(sa.delete(invitations).where(invitations.c.until <= now))

    # --- sessions and their tokens ------------------------------------------------------------------------------------

    def add_session(self, session: StoredSession) -> None:
        values = {"id": session.id, "account": session.account, "created": session.created, "seen": session.seen}
        self._run(sa.insert(sessions).values(**values, ends=session.ends, authenticated=session.authenticated))

    def session(self, session: str) -> StoredSession | None:
        found = self._run(_SESSIONS.where(sessions.c.id == session)).one_or_none()
        return None if found is None else StoredSession(*found)

    def sessions(self, account: str, now: float) -> list[StoredSession]:
        refreshable = sa.select(tokens.c.session).where(tokens.c.used == 0, tokens.c.until > now)
        query = _SESSIONS.where(sessions.c.account == account, sessions.c.ends > now, sessions.c.id.in_(refreshable))
        return [StoredSession(*row) for row in self._run(query.order_by(sessions.c.created, sessions.c.id))]

    def set_seen(self, session: str, now: float) -> None:
        self._run(sa.update(sessions).where(sessions.c.id == session).values(seen=now))

    def set_authenticated(self, session: str, now: float) -> None:
        self._run(sa.update(sessions).where(sessions.c.id == session).values(authenticated=now))

    def remove_session(self, session: str) -> None:
        self._run(sa.delete(sessions).where(sessions.c.id == session))

    def remove_sessions(self, account: str) -> int:
        return self._count(sa.delete(sessions).where(sessions.c.account == account))

    def remove_oldest_sessions(self, account: str, keep: int) -> None:
        newest = sa.select(sessions.c.id).where(sessions.c.account == account)
        kept = newest.order_by(sessions.c.created.desc()).limit(keep)
        self._run(sa.delete(sessions).where(sessions.c.account == account, sessions.c.id.not_in(kept)))

    def add_token(self, token: StoredToken) -> None:
        values = {"hash": token.hash, "session": token.session, "refreshes": int(token.refreshes)}
        self._run(sa.insert(tokens).values(**values, until=token.until, used=int(token.used)))

    def token(self, token_hash: bytes) -> StoredToken | None:
        found = self._run(sa.select(tokens).where(tokens.c.hash == token_hash)).one_or_none()
        if found is None:
            return None
        return StoredToken(found.hash, found.session, bool(found.refreshes), found.until, bool(found.used))

    def set_used(self, token_hash: bytes) -> None:
        self._run(sa.update(tokens).where(tokens.c.hash == token_hash).values(used=1))

    def remove_tokens(self, session: str) -> None:
        self._run(sa.delete(tokens).where(tokens.c.session == session))

    def remove_expired_tokens(self, session: str, now: float) -> None:
        self._run(sa.delete(tokens).where(tokens.c.session == session, tokens.c.until <= now))

    def remove_expired_sessions(self, now: float) -> None:
        self._run(sa.delete(tokens).where(tokens.c.until <= now))
        with_tokens = sa.select(tokens.c.session)
        self._run(sa.delete(sessions).where(sa.or_(sessions.c.ends <= now, sessions.c.id.not_in(with_tokens))))

    # --- API keys -----------------------------------------------------------------------------------------------------

    def add_key(self, key: ApiKey, token_hash: bytes, session: str | None) -> None:
        values: Mapping[str, Any] = {
            "id": key.id,
            "hash": token_hash,
            "name": key.name,
            "scopes": " ".join(sorted(key.bounds.scopes)),
            "expires": key.bounds.expires,
            "addresses": " ".join(key.bounds.addresses),
            "per_minute": key.bounds.per_minute,
            "made_by": key.made_by,
            "created": key.created,
            "parent": key.parent,
            "session": session,
        }
        self._run(sa.insert(api_keys).values(**values))

    def key(self, key: str) -> ApiKey | None:
        found = self._run(sa.select(api_keys).where(api_keys.c.id == key)).one_or_none()
        return None if found is None else self._key(found)

    def key_of(self, token_hash: bytes) -> ApiKey | None:
        found = self._run(sa.select(api_keys).where(api_keys.c.hash == token_hash)).one_or_none()
        return None if found is None else self._key(found)

    def keys(self, now: float) -> list[ApiKey]:
        query = sa.select(api_keys).where(api_keys.c.expires > now).order_by(api_keys.c.created, api_keys.c.id)
        return [self._key(row) for row in self._run(query).all()]

    def tree(self, key: str) -> set[str]:
        root = sa.select(api_keys.c.id).where(api_keys.c.id == key)
        tree = root.cte("tree", recursive=True)
        children = sa.select(api_keys.c.id).join(tree, api_keys.c.parent == tree.c.id)
        return set(self._run(sa.select(tree.union(children).c.id)).scalars())

    def count_keys(self, account: str) -> tuple[int, int]:
        query = sa.select(sa.func.count(), sa.func.count(api_keys.c.parent)).where(api_keys.c.made_by == account)
        made, made_by_keys = self._run(query).one()
        return made, made_by_keys

    def remove_key(self, key: str) -> None:
        self._run(sa.delete(api_keys).where(api_keys.c.id == key))

    def remove_keys_of_account(self, account: str) -> int:
        made, _ = self.count_keys(account)  # a deletion counts no descendant that it removes on the way
        self._run(sa.delete(api_keys).where(api_keys.c.made_by == account))
        return made

    def remove_keys_of_session(self, session: str) -> None:
        self._run(sa.delete(api_keys).where(api_keys.c.session == session))

    def remove_expired_keys(self, now: float) -> None:
        self._run(sa.delete(api_keys).where(api_keys.c.expires <= now))

    def _key(self, row: sa.Row[Any]) -> ApiKey:
        known = {str(scope): scope for scope in Scope}
        scopes = frozenset(known[scope] for scope in row.scopes.split() if scope in known)
        bounds = Bounds(scopes, row.expires, tuple(row.addresses.split()), row.per_minute)
        return ApiKey(row.id, row.name, bounds, row.made_by, row.created, row.parent, self._charged(row.id))

    def _charged(self, key: str) -> tuple[tuple[str, int], ...]:
        """A key and its ancestors, each with its rate."""
        depth = sa.literal(1).label("depth")
        own = sa.select(api_keys.c.id, api_keys.c.per_minute, api_keys.c.parent, depth).where(api_keys.c.id == key)
        line = own.cte("line", recursive=True)
        above = sa.select(api_keys.c.id, api_keys.c.per_minute, api_keys.c.parent, line.c.depth + 1)
        line = line.union_all(above.join(line, api_keys.c.id == line.c.parent).where(line.c.depth < MOST_GENERATIONS))
        query = sa.select(line.c.id, line.c.per_minute).order_by(line.c.depth)
        return tuple((id_, per_minute) for id_, per_minute in self._run(query))


_SESSIONS: Final = sa.select(
    sessions.c.id, sessions.c.account, sessions.c.created, sessions.c.seen, sessions.c.ends, sessions.c.authenticated
)
