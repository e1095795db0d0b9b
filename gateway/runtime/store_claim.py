"""Whether the store or bucket has the catalog's blobs, checked at a gateway's start.

All gateways of a catalog need the same blobs.  A gateway with a store of its own would
answer 404 for the uploads of the others, delete their rows without their blobs, and
take their blobs for missing.  So the store has an id, and the catalog records it.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Final

from gateway.catalog import blob_place
from gateway.errors import SettingsError

if TYPE_CHECKING:
    from gateway.catalog.database import Database
    from gateway.storage.store_id import BlobsId

_OTHER_CATALOG: Final = (
    "{variable}: {place} belongs to another catalog than GATEWAY_DATABASE: correct "
    "one of them; if its own catalog is gone for good, delete {file}"
)
_OTHER_STORE: Final = (
    "{variable}: {place} does not have the uploads of this catalog (GATEWAY_DATABASE), "
    "which are where the file store-id contains {recorded}: set GATEWAY_STORE or "
    "GATEWAY_BLOBS to that folder or bucket, which all gateways of a catalog share; if "
    "{place} is a copy of it, write {recorded} to {file}"
)


def claim(database: Database, store_id: BlobsId) -> None:
    """Record that a place has the blobs of the catalog, if it belongs to no catalog.

    A place and a catalog that know each other already are only read.  Raise
    SettingsError if one of them belongs to another.
    """
    with database.read() as connection:
        recorded = blob_place.recorded(connection)
    if not recorded and not store_id.confirmed():
        recorded = _propose(database, store_id)
    if not store_id.confirmed() and store_id.proposed() == recorded:
        store_id.confirm()
    check(database, store_id)


def check(database: Database, store_id: BlobsId) -> None:
    """Raise SettingsError unless the catalog's blobs are in that place."""
    with database.read() as connection:
        recorded = blob_place.recorded(connection)
    found = store_id.confirmed()
    if found == recorded:
        return
    text = _OTHER_CATALOG if found else _OTHER_STORE
    raise SettingsError(
        [
            text.format(
                variable=store_id.variable,
                place=store_id.place,
                file=store_id.file,
                recorded=recorded,
            )
        ]
    )


def _propose(database: Database, store_id: BlobsId) -> str:
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
