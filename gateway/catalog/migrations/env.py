"""Alembic's environment: migrations run on the connection they are given."""

from alembic import context

from gateway.catalog.schema import metadata

context.configure(
    connection=context.config.attributes["connection"], target_metadata=metadata
)
context.run_migrations()
