"""Accounts, invitations, sessions, tokens and API keys. A file of a version before migrations has these tables."""

import sqlalchemy as sa
from alembic import op

revision = "accounts_0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "accounts",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("password", sa.Text, nullable=False),
        sa.Column("created", sa.Float, nullable=False),
        if_not_exists=True,
        sqlite_with_rowid=False,
    )
    op.create_table(
        "invitations",
        sa.Column("hash", sa.LargeBinary, primary_key=True),
        sa.Column("account", sa.Text),
        sa.Column("until", sa.Float, nullable=False),
        if_not_exists=True,
        sqlite_with_rowid=False,
    )
    op.create_table(
        "sessions",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("account", sa.Text, sa.ForeignKey("accounts.name", ondelete="CASCADE"), nullable=False),
        sa.Column("created", sa.Float, nullable=False),
        sa.Column("ends", sa.Float, nullable=False),
        if_not_exists=True,
        sqlite_with_rowid=False,
    )
    op.create_table(
        "tokens",
        sa.Column("hash", sa.LargeBinary, primary_key=True),
        sa.Column("session", sa.Text, sa.ForeignKey("sessions.id", ondelete="CASCADE"), nullable=False),
        sa.Column("refreshes", sa.Integer, nullable=False),
        sa.Column("until", sa.Float, nullable=False),
        sa.Column("used", sa.Integer, nullable=False, server_default="0"),
        if_not_exists=True,
        sqlite_with_rowid=False,
    )
    op.create_index("tokens_by_session", "tokens", ["session"], if_not_exists=True)
    op.create_table(
        "api_keys",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("hash", sa.LargeBinary, nullable=False, unique=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("scopes", sa.Text, nullable=False),
        sa.Column("expires", sa.Float, nullable=False),
        sa.Column("addresses", sa.Text, nullable=False),
        sa.Column("per_minute", sa.Integer, nullable=False),
        sa.Column("made_by", sa.Text, sa.ForeignKey("accounts.name", ondelete="CASCADE"), nullable=False),
        sa.Column("created", sa.Float, nullable=False),
        if_not_exists=True,
        sqlite_with_rowid=False,
    )
