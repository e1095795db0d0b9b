"""Whether store and bucket belong to the catalog, checked at a gateway's start.

All gateways of a catalog need the same blobs.  A gateway with a store of its own would
answer 404 for the uploads of the others, delete their rows without their blobs, and
take their blobs for missing.  So the store has an id, and the catalog records it.

With the blobs in a bucket, the bucket has this id, and each gateway has a store of its
own.  The store then names its gateway, with the catalog's id.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Final

from gateway.catalog import blob_place
from gateway.errors import SettingsError
from gateway.storage import store_owner
from gateway.storage.store_id import StoreId
from gateway.storage.store_owner import StoreOwner

if TYPE_CHECKING:
    from pathlib import Path

    from gateway.catalog.database import Database
    from gateway.storage.blobs import BlobStore
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
#: Of a store whose gateway has, or had, its blobs in it or in a bucket.
_OTHER_OWN_STORE: Final = (
    "GATEWAY_STORE: {root} belongs to another catalog than GATEWAY_DATABASE, or to "
    "this one before it was moved: set GATEWAY_STORE to a folder of its own, or "
    "correct GATEWAY_DATABASE; if its own catalog is gone for good, delete {file}"
)
_OTHER_GATEWAY: Final = (
    "GATEWAY_STORE: {root} belongs to the gateway {name}; with GATEWAY_BLOBS each "
    "gateway needs a store of its own: correct GATEWAY_STORE or GATEWAY_REPLICA; if "
    "the gateway {name} is gone for good, delete {file}"
)


def claim(database: Database, store_id: BlobsId) -> None:
    """Record that a place has the blobs of the catalog, if it belongs to no catalog.

    A place and a catalog that know each other already are only read.  Raise
    SettingsError if one of them belongs to another.
    """
    recorded = _recorded(database)
    if not recorded and not store_id.confirmed():
        recorded = _propose(database, store_id)
    if not store_id.confirmed() and store_id.proposed() == recorded:
        store_id.confirm()
    check(database, store_id)


def check(database: Database, store_id: BlobsId) -> None:
    """Raise SettingsError unless the catalog's blobs are in that place."""
    recorded = _recorded(database)
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


def claim_with_own_store(
    database: Database, blobs_id: BlobsId, store: BlobStore, *, earlier: str
) -> None:
    """Claim a bucket as ``claim`` does, and record that *store* is this gateway's.

    *earlier* is the name that this gateway may have had.  Raise SettingsError if the
    store belongs to another gateway.
    """
    # (!) First: a gateway that is refused must not claim the bucket.
    check_own_store(database, store.root)
    claim(database, blobs_id)
    own = StoreOwner(_recorded(database), store.replica)
    found = own.claim(store.root)
    if found == StoreOwner(own.catalog, earlier) != own:
        own.replace(store.root)
    elif found != own:
        raise SettingsError(
            [
                _OTHER_GATEWAY.format(
                    root=store.root,
                    name=found.gateway,
                    file=store.root / store_owner.FILE,
                )
            ]
        )


def check_own_store(database: Database, root: Path) -> None:
    """Raise SettingsError if the store beside a bucket is that of another catalog.

    A store that belongs to no catalog is accepted.
    """
    recorded = _recorded(database)
    owner = StoreOwner.of(root)
    # A store that has, or had, blobs has the id of their catalog.
    catalogs = {
        root / store_owner.FILE: "" if owner is None else owner.catalog,
        StoreId(root).file: StoreId(root).confirmed(),
    }
    faults = [
        _OTHER_OWN_STORE.format(root=root, file=file)
        for file, catalog in catalogs.items()
        if catalog not in {"", recorded}
    ]
    if faults:
        raise SettingsError(faults)


def _recorded(database: Database) -> str:
    with database.read() as connection:
        return blob_place.recorded(connection)


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
