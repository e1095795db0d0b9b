"""Bringing a database to the newest schema, with Alembic."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from alembic import command
from alembic.config import Config
from sqlalchemy import func, select, text

if TYPE_CHECKING:
    from gateway.catalog.database import Database

_LOCK: Final = 0x616363656C  # any number that nobody else's lock has


def upgrade(database: Database) -> None:
    """Apply every migration that is missing, in one transaction."""
    config = _config()
    with database.write(may_use_reserve=True) as connection:
        if connection.dialect.name == "postgresql":
            # Several gateways may start at once; one upgrades, the others wait, and
            # longer than for a lock of an upload's.
            connection.execute(text("SET LOCAL lock_timeout = 0"))
            connection.execute(select(func.pg_advisory_xact_lock(_LOCK)))
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def _config() -> Config:
    config = Config()
    folder = Path(__file__).parent / "migrations"
    config.set_main_option("script_location", str(folder).replace("%", "%%"))
    return config
