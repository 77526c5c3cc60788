"""Rooms and tombstones. A file of a version before migrations has these tables already."""

import sqlalchemy as sa
from alembic import op

revision = "rooms_0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "rooms",
        sa.Column("code", sa.Text, primary_key=True),
        sa.Column("token_hash", sa.LargeBinary, nullable=False),
        sa.Column("links", sa.LargeBinary, nullable=False),
        sa.Column("idle_until", sa.Float),
        if_not_exists=True,
        sqlite_with_rowid=False,
    )
    op.create_table(
        "tombstones",
        sa.Column("link", sa.Text, primary_key=True),
        sa.Column("room", sa.Text, nullable=False),
        sa.Column("code", sa.Text, nullable=False),
        sa.Column("until", sa.Float, nullable=False),
        if_not_exists=True,
        sqlite_with_rowid=False,
    )
