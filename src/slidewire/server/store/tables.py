"""The tables of both stores as this version expects them. `migrations/` makes them; a test compares the two."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Column, Float, ForeignKey, Index, Integer, LargeBinary, MetaData, Table, Text

ROOMS: Final = MetaData()
ACCOUNTS: Final = MetaData()
_KEYED: Final[dict[str, Any]] = {"sqlite_with_rowid": False}
"""Rows are found by their key alone."""

rooms: Final = Table(
    "rooms", ROOMS,
    Column("code", Text, primary_key=True),
    Column("token_hash", LargeBinary, nullable=False),
    Column("links", LargeBinary, nullable=False),
    Column("idle_until", Float),
    **_KEYED,
)  # fmt: skip

tombstones: Final = Table(
    "tombstones", ROOMS,
    Column("link", Text, primary_key=True),
    Column("room", Text, nullable=False),
    Column("code", Text, nullable=False),
    Column("until", Float, nullable=False),
    **_KEYED,
)  # fmt: skip

accounts: Final = Table(
    "accounts", ACCOUNTS,
    Column("name", Text, primary_key=True),
    Column("password", Text, nullable=False),
    Column("created", Float, nullable=False),
    **_KEYED,
)  # fmt: skip

invitations: Final = Table(
    "invitations", ACCOUNTS,
    Column("hash", LargeBinary, primary_key=True),
    Column("account", Text),
    Column("until", Float, nullable=False),
    **_KEYED,
)  # fmt: skip

sessions: Final = Table(
    "sessions", ACCOUNTS,
    Column("id", Text, primary_key=True),
    Column("account", Text, ForeignKey("accounts.name", ondelete="CASCADE"), nullable=False),
    Column("created", Float, nullable=False),
    Column("ends", Float, nullable=False),
    Column("authenticated", Float, nullable=False, server_default="0"),
    Column("seen", Float, nullable=False, server_default="0"),
    **_KEYED,
)  # fmt: skip

tokens: Final = Table(
    "tokens", ACCOUNTS,
    Column("hash", LargeBinary, primary_key=True),
    Column("session", Text, ForeignKey("sessions.id", ondelete="CASCADE"), nullable=False),
    Column("refreshes", Integer, nullable=False),
    Column("until", Float, nullable=False),
    Column("used", Integer, nullable=False, server_default="0"),
    Index("tokens_by_session", "session"),
    **_KEYED,
)  # fmt: skip

api_keys: Final = Table(
    "api_keys", ACCOUNTS,
    Column("id", Text, primary_key=True),
    Column("hash", LargeBinary, nullable=False, unique=True),
    Column("name", Text, nullable=False),
    Column("scopes", Text, nullable=False),
    Column("expires", Float, nullable=False),
    Column("addresses", Text, nullable=False),
    Column("per_minute", Integer, nullable=False),
    Column("made_by", Text, ForeignKey("accounts.name", ondelete="CASCADE"), nullable=False),
    Column("created", Float, nullable=False),
    Column("parent", Text, ForeignKey("api_keys.id", ondelete="CASCADE")),
    # No reference: a key outlasts the session it was made in, unless that session was stolen.
    Column("session", Text),
    **_KEYED,
)  # fmt: skip
