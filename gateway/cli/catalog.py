"""Opens the catalog and the store that the settings name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gateway.catalog.advisory_locks import AdvisoryLocks
from gateway.catalog.database import Database
from gateway.catalog.revision import is_usable
from gateway.config import settings
from gateway.config.gateway_id import replica_name
from gateway.errors import CatalogBusyError, SettingsError
from gateway.runtime import store_claim
from gateway.storage.blobs import BlobStore
from gateway.uploads.stored_blobs import stored_blobs

if TYPE_CHECKING:
    from gateway.config.settings import Settings
    from gateway.storage.blobs import Blobs

_MISSING: Final = (
    "GATEWAY_DATABASE: there is no catalog {file}; is GATEWAY_DATA right? A new "
    "gateway makes it with: gateway db upgrade"
)
_OTHER_RELEASE: Final = (
    "GATEWAY_DATABASE: the catalog is of another release than this gateway; run: "
    "gateway db upgrade"
)


def open_catalog() -> tuple[Database, Settings]:
    """Return the catalog and the settings; raise SettingsError if it is not usable."""
    current = settings.read(embedded=True).settings
    database = Database.open(current.database)
    if not _exists(database):
        raise SettingsError([_MISSING.format(file=database.file)])
    if not is_usable(database):
        raise SettingsError([_OTHER_RELEASE])
    return database, current


def open_catalog_and_store() -> tuple[Database, BlobStore, Settings]:
    """Return the catalog, the store with its blobs, and the settings.

    Raise SettingsError if one is not usable, the blobs are in another store, or the
    store is that of another catalog.
    """
    database, current = open_catalog()
    store = open_store(current)
    store_claim.check(database, open_blobs(current).id)
    if not current.shares_store:
        store_claim.check_own_store(database, store.root)
    return database, store, current


def catalog_if_usable(current: Settings) -> Database | None:
    """Return the catalog, or None if it is missing, busy or of another release."""
    database = Database.open(current.database)
    try:
        return database if _exists(database) and is_usable(database) else None
    except CatalogBusyError:
        return None


def _exists(database: Database) -> bool:
    # A query would make SQLite create an empty database.
    return database.file is None or database.file.is_file()


def open_blobs(current: Settings) -> Blobs:
    """Return the blobs; raise SettingsError if the store is not set."""
    return stored_blobs(open_store(current), current.blobs, current.bucket_server)


def open_locks(current: Settings) -> AdvisoryLocks | None:
    """Return the locks that this process shares with other machines, if any."""
    url = current.lock_database
    if url is None:
        return None
    name = replica_name(current.replica, current.data)
    return AdvisoryLocks(url, label=f"gateway housekeeping {name}")


def open_store(current: Settings) -> BlobStore:
    """Return the store; raise SettingsError if it is not set."""
    if current.store is None:
        raise SettingsError(["GATEWAY_STORE: is not set"])
    return BlobStore(current.store, replica_name(current.replica, current.data))
