"""Bringing a database to the newest schema, with Alembic."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from alembic import command
from alembic.config import Config
from sqlalchemy import text

from gateway import ownership
from gateway.catalog.database import wait_for_writers
from gateway.catalog.revision import is_current

if TYPE_CHECKING:
    from gateway.catalog.database import Database


def upgrade(database: Database) -> None:
    """Apply every migration that is missing, in one transaction.

    An SQLite catalog that is not there yet is made, for its owner alone.
    """
    if database.file is not None:
        _make_private(database.file)
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


def _make_private(file: Path) -> None:
    # (!) SQLite gives its log the file's mode and, run by root, the file's owner.
    os.close(ownership.open_private(file, os.O_RDONLY))
    for end in ("", "-wal", "-shm"):
        ownership.keep_private(file.with_name(file.name + end))


def _config() -> Config:
    config = Config()
    folder = Path(__file__).parent / "migrations"
    config.set_main_option("script_location", str(folder).replace("%", "%%"))
    return config
