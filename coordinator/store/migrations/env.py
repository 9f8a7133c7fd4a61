"""Alembic's environment: runs on the connection of ``Store.migrate`` (coordinator/store/rows/database.py)."""

from alembic import context

from coordinator.store.rows.models import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_as_batch=True,
    transaction_per_migration=False,
)
context.run_migrations()
