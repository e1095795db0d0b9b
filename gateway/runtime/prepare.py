"""Prepare a start: create the store, upgrade the schema, add an administrator."""

from __future__ import annotations

import math
import os
import secrets
from typing import TYPE_CHECKING, Final

from gateway import ownership
from gateway.catalog import users
from gateway.catalog.advisory_locks import AdvisoryLocks
from gateway.catalog.database import Database
from gateway.catalog.upgrade import upgrade
from gateway.catalog.users import Role
from gateway.config.gateway_id import own_id, replica_name
from gateway.errors import BucketBusyError, CatalogBusyError, SettingsError
from gateway.ownership import Owner
from gateway.polling import attempts
from gateway.runtime import verdict_cache
from gateway.runtime.instance import take_name
from gateway.runtime.store_claim import claim, claim_with_own_store
from gateway.storage import copies
from gateway.storage.blobs import BlobStore
from gateway.uploads.stored_blobs import stored_blobs

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from gateway.config.settings import Settings
    from gateway.storage.store_id import BlobsId

FIRST_ADMIN: Final = "admin"
#: Seconds between two attempts to open a catalog or bucket that does not answer.
_PAUSE: Final = 1.0
_OTHER_DATABASE: Final = (
    "GATEWAY_DATABASE_DIRECT: this is another database than that of GATEWAY_DATABASE"
)


def require_writable(
    settings: Settings, *, with_nginx: bool, nginx_run: Path | None = None
) -> None:
    """Raise SettingsError if one of the gateway's folders can't be created or written.

    Raise SuperviseError if another user could write to the verdict cache.  *nginx_run*
    is the option ``--nginx-run``.  Without nginx these two folders belong to another
    process and are not checked.
    """
    file = settings.catalog_file
    folders = {
        "GATEWAY_DATA": settings.data,
        "GATEWAY_STORE": settings.store,
        "GATEWAY_DATABASE": None if file is None else file.parent,
        "GATEWAY_RUN": settings.run,
        "GATEWAY_VERDICT_CACHE": settings.verdict_cache if with_nginx else None,
        "--nginx-run": nginx_run if with_nginx else None,
    }
    faults = [
        f"{name}: {path} can't be written"
        for name, path in folders.items()
        if path is not None and not _is_writable(path)
    ]
    if faults:
        raise SettingsError(faults)
    if with_nginx and settings.verdict_cache is not None and settings.run is not None:
        verdict_cache.check(settings.verdict_cache, settings.run)


def _is_writable(path: Path) -> bool:
    existing = next(folder for folder in (path, *path.parents) if folder.exists())
    return existing.is_dir() and os.access(existing, os.W_OK | os.X_OK)


def prepare(
    settings: Settings, *, check: Callable[[Database], object] = id
) -> Database:
    """Create the store's folders and upgrade the catalog to the newest schema.

    *check* is called before the store or bucket is claimed for the catalog.  Raise
    SettingsError if the catalog's blobs are in another store or bucket, or if the store
    beside a bucket belongs to another gateway.
    """
    if settings.store is None:
        raise SettingsError(["GATEWAY_STORE: is not set"])
    for folder in (settings.data, settings.store):
        ownership.check(folder)
    ownership.make_folder(settings.data, None)
    ownership.make_folder(settings.store, Owner.in_folder(settings.data))
    store = BlobStore(settings.store, replica_name(settings.replica, settings.data))
    store.prepare()
    # A migration may take long: the connection has no time limit.
    database = Database.open(settings.database, silence=math.inf)
    try:
        upgrade(database)
        check(database)
        if database.reserve is not None:
            database.reserve.allocate()
        _claim(settings, database, store)
    except BaseException:
        # A start that waits tries again each second, for hours.
        database.engine.dispose()
        raise
    return database


def _claim(settings: Settings, database: Database, store: BlobStore) -> None:
    """Claim store, bucket and name for this gateway and its catalog."""
    blobs = stored_blobs(store, settings.blobs, settings.bucket_server)
    if settings.shares_store:
        claim(database, blobs.id)
    else:
        claim_with_own_store(database, blobs.id, store, earlier=own_id(settings.data))
    _check_locks(settings, blobs.id)
    if settings.replica:
        take_name(database, store, earlier=own_id(settings.data))
    store.prepare_ledger()


def _check_locks(settings: Settings, blobs_id: BlobsId) -> None:
    """Raise SettingsError unless housekeeping can take its lock in this catalog.

    (!) In another database or through a pooler, several gateways could hold it at once.
    """
    if settings.lock_database is None:
        return
    locks = AdvisoryLocks(settings.lock_database, label="gateway start")
    try:
        if not locks.is_of(blobs_id.confirmed()):
            raise SettingsError([_OTHER_DATABASE])
    finally:
        locks.close()


def prepare_with_retries(
    settings: Settings, *, seconds: float, log: Callable[[str], None]
) -> Database:
    """Call ``prepare``; retry while PostgreSQL or the bucket does not answer.

    Retry for *seconds* at most, then raise CatalogBusyError or BucketBusyError.  *log*
    gets a line when the reason for waiting changes.  SQLite is not retried.
    """
    refusal: CatalogBusyError | BucketBusyError
    logged = ""
    for _ in attempts(seconds, every=_PAUSE):
        try:
            return prepare(settings)
        except CatalogBusyError as error:
            if settings.catalog_file is not None:
                raise
            refusal, awaited = error, "the catalog (GATEWAY_DATABASE)"
        except BucketBusyError as error:
            refusal, awaited = error, "the bucket (GATEWAY_BLOBS)"
        line = f"waiting for {awaited}: {' '.join(str(refusal).split())}"
        if line != logged:
            log(line)
        logged = line
    raise refusal


def make_first_admin(database: Database, path: Path, *, now: int) -> bool:
    """Add an administrator if there are no users; return whether one was added.

    The password is written to the file *path*, which only its owner can read.  The
    administrator must choose a new password at the first login.
    """
    # Read before writing: a full disk must not keep the gateway from starting.
    with database.read() as connection:
        if users.everyone(connection):
            return False
    password = secrets.token_urlsafe(12)
    password_hash = users.hash_password(password)
    ownership.make_folder(path.parent, None)
    with database.write() as connection:
        if users.everyone(connection):
            # Another process, or a gateway that shares the catalog, was first.
            return False
        # Write the file first: otherwise a crash leaves an account whose password
        # nobody knows.
        content = f"{password}\n".encode()
        copies.write(path, content, owner=Owner.in_folder(path.parent))
        users.add(
            connection,
            name=FIRST_ADMIN,
            password_hash=password_hash,
            role=Role.ADMIN,
            now=now,
            must_change_password=True,
        )
    return True
