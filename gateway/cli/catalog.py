"""Catalog and store, for commands: opened from the settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gateway.catalog.database import Database
from gateway.catalog.revision import is_usable
from gateway.config import settings
from gateway.errors import CatalogBusyError, SettingsError
from gateway.storage.blobs import BlobStore

if TYPE_CHECKING:
    from gateway.config.settings import Settings

_NOT_THERE: Final = (
    "GATEWAY_DATABASE: there is no catalog {file}; is GATEWAY_DATA right? A new "
    "gateway makes it with: gateway db upgrade"
)
_OLDER: Final = (
    "GATEWAY_DATABASE: the catalog is of another release than this gateway; run: "
    "gateway db upgrade"
)


def open_catalog() -> tuple[Database, Settings]:
    """Return the catalog and the settings; raise SettingsError if it is not ready."""
    current = settings.read(embedded=True).settings
    database = Database.open(current.database)
    if not _is_there(database):
        raise SettingsError([_NOT_THERE.format(file=database.file)])
    if not is_usable(database):
        raise SettingsError([_OLDER])
    return database, current


def catalog_if_there(current: Settings) -> Database | None:
    """Return the catalog that the settings name, or None if it can't be asked."""
    database = Database.open(current.database)
    try:
        return database if _is_there(database) and is_usable(database) else None
    except CatalogBusyError:
        return None


def _is_there(database: Database) -> bool:
    # Asked, SQLite would begin an empty one.
    return database.file is None or database.file.is_file()


def open_store(current: Settings) -> BlobStore:
    """Return the store; raise SettingsError if it is not set."""
    if current.store is None:
        raise SettingsError(["GATEWAY_STORE: is not set"])
    return BlobStore(current.store)
