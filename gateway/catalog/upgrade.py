"""Bringing a database to the newest schema, with Alembic."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from alembic import command
from alembic.config import Config
from sqlalchemy import text

from gateway import ownership
from gateway.catalog.database import wait_for_writers
from gateway.catalog.revision import NEWEST, Fit, fit, is_usable, version
from gateway.errors import SettingsError

if TYPE_CHECKING:
    from gateway.catalog.database import Database

#: Milliseconds that a migration waits for each lock on PostgreSQL.
_LOCK_TIMEOUT: Final = 2000

_TOO_NEW: Final = (
    "GATEWAY_DATABASE: the catalog has schema {found}, and this release works with "
    "{newest}: install the release that other gateways of this catalog have"
)


def upgrade(database: Database) -> None:
    """Apply every migration that is missing, in one transaction.

    An SQLite catalog that is not there yet is made, for its owner alone.  Nothing is
    done where a newer gateway has been, if this one can work with that.  Raise
    SettingsError if it can't, CatalogBusyError if the catalog is away or locked: then
    it can be tried again.
    """
    if database.file is not None:
        _make_private(database.file)
    if is_usable(database):
        # A full disk must not keep the gateway from starting.
        return
    config = _config()
    with database.write(alone=False) as connection:
        if connection.dialect.name == "postgresql":
            # (!) A query waits behind a migration that waits for the query's table. So
            #     without a bound a backup of an hour would stop all deliveries.
            connection.execute(text(f"SET LOCAL lock_timeout = {_LOCK_TIMEOUT}"))
        wait_for_writers(connection)
        found = fit(connection)
        if found is Fit.NEW:
            raise SettingsError(
                [_TOO_NEW.format(found=version(connection), newest=NEWEST)]
            )
        if found is Fit.OLD:
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
