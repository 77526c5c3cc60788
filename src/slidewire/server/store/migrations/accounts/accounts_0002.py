"""When a session last gave its password and was last seen; which key or session an API key was made with.

What was in a file before has the defaults: no recent password, no parent. Some versions before migrations added the
columns themselves.
"""

import sqlalchemy as sa
from alembic import op

revision = "accounts_0002"
down_revision = "accounts_0001"


def upgrade() -> None:
    _add("sessions", sa.Column("authenticated", sa.Float, nullable=False, server_default="0"))
    _add("sessions", sa.Column("seen", sa.Float, nullable=False, server_default="0"))
    _add("api_keys", sa.Column("parent", sa.Text, sa.ForeignKey("api_keys.id", ondelete="CASCADE")))
    _add("api_keys", sa.Column("session", sa.Text))


def _add(table: str, column: sa.Column[object]) -> None:
    if column.name not in {known["name"] for known in sa.inspect(op.get_bind()).get_columns(table)}:
        op.add_column(table, column, inline_references=True)
