"""Alembic's entry; the connection comes from `storage.database.upgrade`, there is no ini file."""

from alembic import context

from storage.alert_tables import AlertRow

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=AlertRow.metadata,
    render_as_batch=True,  # SQLite cannot alter most columns in place
)
with context.begin_transaction():
    context.run_migrations()
