"""What the server keeps, as its rules see it: two repositories, each behind one interface.

A repository stores and finds; it decides nothing and knows no time but what it is given. Whatever raises here raises
`StoreError`.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from slidewire.server.accounts.api_keys import ApiKey
from slidewire.signaling.effects import DropRoom, SaveRoom, SaveTombstone
from slidewire.signaling.room import StoredRoom, Tombstone

RoomChange = SaveRoom | DropRoom | SaveTombstone


class RoomRepository(Protocol):
    def load(self, wall: float) -> tuple[list[StoredRoom], list[Tombstone]]:
        """What is still good at that time. The rest is removed."""

    def write(self, changes: Sequence[RoomChange]) -> None:
        """In one transaction."""

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Invitation:
    account: str | None
    """The account that it gives another password; None: it makes a new one."""
    until: float


@dataclass(frozen=True, slots=True)
class StoredSession:
    id: str
    account: str
    created: float
    seen: float
    """When it was opened or last refreshed."""
    ends: float
    authenticated: float
    """When the password was given last."""


@dataclass(frozen=True, slots=True)
class StoredToken:
    hash: bytes
    session: str
    refreshes: bool
    """A refresh token; else an access token."""
    until: float
    used: bool = False


class AccountRecords(Protocol):
    """Accounts and what belongs to them, as one transaction sees them."""

    def names(self) -> list[str]: ...

    def password_hash(self, name: str) -> str | None: ...

    def add_account(self, name: str, password_hash: str, created: float) -> None: ...

    def set_password_hash(self, name: str, password_hash: str) -> None: ...

    def remove_account(self, name: str) -> bool:
        """With its sessions and the keys it made."""

    def add_invitation(self, token_hash: bytes, invitation: Invitation) -> None: ...

    def invitation(self, token_hash: bytes) -> Invitation | None: ...

    def remove_invitation(self, token_hash: bytes) -> None: ...

    def remove_invitations_to_new_accounts(self) -> None: ...

    def remove_expired_invitations(self, now: float) -> None: ...

    def add_session(self, session: StoredSession) -> None: ...

    def session(self, session: str) -> StoredSession | None: ...

    def sessions(self, account: str, now: float) -> list[StoredSession]:
        """Those that have not ended and can be refreshed, the oldest first."""

    def set_seen(self, session: str, now: float) -> None: ...

    def set_authenticated(self, session: str, now: float) -> None: ...

    def remove_session(self, session: str) -> None:
        """With its tokens."""

    def remove_sessions(self, account: str) -> int:
        """How many there were."""

    def remove_oldest_sessions(self, account: str, keep: int) -> None: ...

    def add_token(self, token: StoredToken) -> None: ...

    def token(self, token_hash: bytes) -> StoredToken | None: ...

    def set_used(self, token_hash: bytes) -> None: ...

    def remove_tokens(self, session: str) -> None: ...

    def remove_expired_tokens(self, session: str, now: float) -> None: ...

    def remove_expired_sessions(self, now: float) -> None:
        """Those that have ended or have no token left, and all tokens that have expired."""

    def add_key(self, key: ApiKey, token_hash: bytes, session: str | None) -> None:
        """`session`: the one it was made in. `charged` is not stored: it follows from the parents."""

    def key(self, key: str) -> ApiKey | None: ...

    def key_of(self, token_hash: bytes) -> ApiKey | None: ...

    def keys(self, now: float) -> list[ApiKey]:
        """Those that have not expired, the oldest first."""

    def tree(self, key: str) -> set[str]:
        """A key and its descendants."""

    def count_keys(self, account: str) -> tuple[int, int]:
        """Those made by an account and its keys, and how many of them were made by keys."""

    def remove_key(self, key: str) -> None:
        """With its descendants."""

    def remove_keys_of_account(self, account: str) -> int:
        """How many there were."""

    def remove_keys_of_session(self, session: str) -> None: ...

    def remove_expired_keys(self, now: float) -> None: ...


class AccountRepository(Protocol):
    def reading(self) -> AbstractContextManager[AccountRecords]:
        """A transaction that changes nothing."""

    def writing(self) -> AbstractContextManager[AccountRecords]:
        """A transaction that sees nothing of any other one, and none sees it until it ends. An exception undoes it."""

    def close(self) -> None: ...
