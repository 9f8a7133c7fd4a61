"""Alembic's environment: runs on the connection that :meth:`coordinator.store.database.Store.migrate` hands over."""

from alembic import context

from coordinator.store.models import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_as_batch=True,
    transaction_per_migration=False,
)
context.run_migrations()
