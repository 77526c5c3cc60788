"""What Alembic runs for each migration: the steps on the connection, and in the transaction, that it was given."""

from alembic import context

context.configure(connection=context.config.attributes["connection"])
context.run_migrations()
