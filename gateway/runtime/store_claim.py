"""Whether the store has the blobs of the catalog, checked when a gateway starts.

All gateways of a catalog need the same blobs.  A gateway with a store of its own would
answer 404 for the uploads of the others, delete their rows without their blobs, and
take their blobs for missing.  So the store has an id, and the catalog records it.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Final

from gateway.catalog import blob_place
from gateway.errors import SettingsError
from gateway.storage.store_id import StoreId

if TYPE_CHECKING:
    from gateway.catalog.database import Database
    from gateway.storage.blobs import BlobStore

_OTHER_CATALOG: Final = (
    "GATEWAY_STORE: {root} belongs to another catalog than GATEWAY_DATABASE: correct "
    "one of them; if the store's own catalog is gone for good, delete {file}"
)
_OTHER_STORE: Final = (
    "GATEWAY_STORE: {root} is not the store of this catalog (GATEWAY_DATABASE), whose "
    "uploads are in the store {recorded}: set GATEWAY_STORE to that folder, which all "
    "gateways of a catalog share, or mount it; if {root} is a copy of it, write "
    "{recorded} to {file}"
)


def claim(database: Database, store: BlobStore) -> None:
    """Record that *store* has the blobs of the catalog, if it belongs to no catalog.

    A store and a catalog that know each other already are only read.  Raise
    SettingsError if one of them belongs to another.
    """
    store_id = StoreId(store.root)
    with database.read() as connection:
        recorded = blob_place.recorded(connection)
    if not recorded and not store_id.confirmed():
        recorded = _propose(database, store_id)
    if not store_id.confirmed() and store_id.proposed() == recorded:
        store_id.confirm()
    check(database, store)


def check(database: Database, store: BlobStore) -> None:
    """Raise SettingsError unless the catalog's blobs are in *store*."""
    store_id = StoreId(store.root)
    with database.read() as connection:
        recorded = blob_place.recorded(connection)
    found = store_id.confirmed()
    if found == recorded:
        return
    text = _OTHER_CATALOG if found else _OTHER_STORE
    raise SettingsError(
        [text.format(root=store.root, file=store_id.file, recorded=recorded)]
    )


def _propose(database: Database, store_id: StoreId) -> str:
    """Return the recorded id, of this store or of another gateway that was first."""
    # (!) In this order, and confirmed only after the commit: a store with an id that
    #     its catalog has not recorded would never be accepted again.
    with database.write() as connection:
        recorded = blob_place.recorded(connection)
        if not recorded:
            recorded = secrets.token_hex(8)
            store_id.propose(recorded)
            blob_place.record(connection, recorded)
    return recorded
