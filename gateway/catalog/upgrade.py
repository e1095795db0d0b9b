"""Upgrade a database to the newest schema, with Alembic."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from alembic import command
from alembic.config import Config
from sqlalchemy import text

from gateway import ownership
from gateway.catalog.database import wait_for_writers
from gateway.catalog.revision import NEWEST, Compatibility, check, is_usable, version
from gateway.errors import SettingsError

if TYPE_CHECKING:
    from gateway.catalog.database import Database

#: Milliseconds that a migration waits for each lock on PostgreSQL.
_LOCK_TIMEOUT: Final = 2000

_TOO_NEW: Final = (
    "GATEWAY_DATABASE: the catalog has schema {found}, and this release works with "
    "{newest}: install the release that the other gateways of this catalog run"
)


def upgrade(database: Database) -> None:
    """Apply every missing migration, in one transaction.

    Create an SQLite catalog that does not exist yet, readable by its owner only.  Do
    nothing if the schema is newer and compatible.  Raise SettingsError if it is newer
    and not compatible, CatalogBusyError if the catalog is unreachable or locked: then
    the upgrade can be retried.
    """
    if database.file is not None:
        _make_private(database.file)
    if is_usable(database):
        # A full disk must not keep the gateway from starting.
        return
    config = _config()
    with database.write(alone=False) as connection:
        if connection.dialect.name == "postgresql":
            # (!) Queries queue behind a migration that waits for their table's lock.
            #     Without this timeout, an hour's backup would stop all deliveries.
            connection.execute(text(f"SET LOCAL lock_timeout = {_LOCK_TIMEOUT}"))
        wait_for_writers(connection)
        compatibility = check(connection)
        if compatibility is Compatibility.TOO_NEW:
            raise SettingsError(
                [_TOO_NEW.format(found=version(connection), newest=NEWEST)]
            )
        if compatibility is Compatibility.TOO_OLD:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")


def _make_private(file: Path) -> None:
    # (!) SQLite creates its log with the file's mode and, if run by root, its owner.
    os.close(ownership.open_private(file, os.O_RDONLY))
    for suffix in ("", "-wal", "-shm"):
        ownership.keep_private(file.with_name(file.name + suffix))


def _config() -> Config:
    config = Config()
    folder = Path(__file__).parent / "migrations"
    config.set_main_option("script_location", str(folder).replace("%", "%%"))
    return config
