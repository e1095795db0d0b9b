"""Bringing a database to the newest schema, with Alembic."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from alembic import command
from alembic.config import Config
from sqlalchemy import text

from gateway.catalog.database import wait_for_writers
from gateway.catalog.revision import is_current

if TYPE_CHECKING:
    from gateway.catalog.database import Database


def upgrade(database: Database) -> None:
    """Apply every migration that is missing, in one transaction."""
    if is_current(database):
        # A full disk must not keep the gateway from starting.
        return
    config = _config()
    with database.write(alone=False) as connection:
        if connection.dialect.name == "postgresql":
            # Several gateways may start at once: one upgrades, and the others wait,
            # however long that takes.
            connection.execute(text("SET LOCAL lock_timeout = 0"))
        wait_for_writers(connection)
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def _config() -> Config:
    config = Config()
    folder = Path(__file__).parent / "migrations"
    config.set_main_option("script_location", str(folder).replace("%", "%%"))
    return config
