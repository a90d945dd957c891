"""Alembic runs this for every migration; the connection comes from ``bench.store.schema.migrate`` and is in a transaction already."""

from alembic import context

from bench.store.models import Base
from bench.store.schema import VERSION_TABLE

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=Base.metadata,
    version_table=VERSION_TABLE,
    # SQLite changes most things by copying the table, and can do so in a transaction.
    render_as_batch=True,
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
