"""The gateway process that serves from a data folder: lock, name, and how to reload it.

The process holds a lock on ``run/lock``, which contains its process id.
``run/reloaded`` contains the result of the last reload: empty if it succeeded, or else
the reason of the failure.
"""

from __future__ import annotations

import os
import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from gateway import ownership
from gateway.catalog import bookings, upload_sessions
from gateway.catalog.advisory_locks import name_lock
from gateway.errors import SuperviseError
from gateway.ownership import Owner
from gateway.polling import attempts
from gateway.storage.locks import try_lock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from gateway.catalog.advisory_locks import AdvisoryLocks
    from gateway.catalog.database import Database
    from gateway.storage.blobs import BlobStore

#: Seconds to wait for a reload: longer than a start may take, since a gateway
#: handles a reload only after its start.
_PATIENCE: Final = 30.0
_STEP: Final = 0.05
#: Seconds after which PostgreSQL has noticed that another gateway's machine is gone.
_TAKEOVER: Final = 40.0
_LOCK: Final = "lock"


@contextmanager
def hold(data: Path) -> Iterator[None]:
    """Hold the lock of the folder *data*, which is created if it is missing.

    SIGHUP is ignored until the supervisor handles it.  Raise SuperviseError if another
    gateway serves from the folder, or if it belongs to another user.
    """
    ownership.make_folder(data, None)
    owner = Owner.of(data)
    if os.geteuid() == 0 != owner.uid:
        # A later start as that user could not read files that root has created.
        raise SuperviseError(
            f"{data} belongs to the user {owner.name}; run gateway serve as that user"
        )
    ownership.make_folder(_lock(data).parent, None)
    descriptor = ownership.open_private(_lock(data), os.O_RDWR)
    # (!) Otherwise SIGHUP ends a gateway that waits for its catalog, and systemd does
    #     not restart a service that SIGHUP ended.
    previous = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        if not try_lock(descriptor):
            raise SuperviseError(f"another gateway is already serving from {data}")
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()} {_namespace()}".encode(), 0)
        yield
    finally:
        signal.signal(signal.SIGHUP, previous)
        os.close(descriptor)


@contextmanager
def hold_name(store: BlobStore) -> Iterator[None]:
    """Hold the lock of this gateway's name in *store*.

    Raise SuperviseError if another gateway has the same name: their spools and ledgers
    would be one.
    """
    descriptor = ownership.open_private(store.ledger / _LOCK, os.O_RDWR)
    try:
        if not try_lock(descriptor):
            raise SuperviseError(
                f"another gateway is named {store.replica} in {store.root}; each needs "
                "a name of its own: set GATEWAY_REPLICA"
            )
        yield
    finally:
        os.close(descriptor)


def require_name(
    locks: AdvisoryLocks, replica: str, *, log: Callable[[str], None]
) -> None:
    """Wait until no other gateway of the catalog is named *replica*.

    A gateway whose machine is gone has its name until PostgreSQL notices.  *log* gets a
    line if this call waits.  Raise SuperviseError if another gateway keeps the name.
    """
    name, is_first = name_lock(replica), True
    for _ in attempts(_TAKEOVER, every=1.0):
        if locks.try_lock(name):
            locks.unlock(name)
            return
        if is_first:
            log(f"another gateway of the catalog is named {replica}; waiting for it")
        is_first = False
    raise SuperviseError(another_has(replica))


def another_has(replica: str) -> str:
    """Return the message that two gateways of a catalog are named *replica*."""
    return (
        f"another gateway of the catalog is named {replica}; each needs a name of its "
        "own: set GATEWAY_REPLICA"
    )


def take_name(database: Database, store: BlobStore, *, earlier: str) -> None:
    """Rename what a gateway that had no name has stored under its id, *earlier*."""
    ledger = store.ledger.with_name(earlier)
    if store.ledger.exists() or not ledger.is_dir():
        return
    # The rows first: an interrupted renaming finds the folder and begins again.
    with database.write() as connection:
        upload_sessions.rename_gateway(connection, earlier, store.replica)
        bookings.rename_gateway(connection, earlier, store.replica)
    _take_cache(store, store.byte_cache.with_name(earlier))
    ledger.rename(store.ledger)
    store.sync_folder(store.ledger.parent)


def _take_cache(store: BlobStore, earlier: Path) -> None:
    """Move nginx's cache of buckets from the folder *earlier* to that of *store*."""
    if not earlier.is_dir():
        return
    ownership.make_folder(store.byte_cache, Owner.in_folder(store.root))
    for folder in earlier.iterdir():
        target = store.byte_cache / folder.name
        # (!) Not the folder itself: an nginx that still runs with it, in another
        #     container, could not cache anything, and would cut its downloads.
        if not target.exists():
            folder.rename(target)


def record_reload(data: Path, fault: str) -> None:
    """Record the result of a reload; *fault* is empty if it succeeded."""
    new = _outcome(data).with_suffix(".new")
    new.write_text(fault, "utf-8")
    new.rename(_outcome(data))


def reload(data: Path) -> None:
    """Reload the gateway that serves from *data*, and wait until it has reloaded.

    Raise SuperviseError if no gateway serves from it, or if the reload fails.
    """
    process_id = _process_id(data)
    outcome = _outcome(data)
    outcome.unlink(missing_ok=True)
    os.kill(process_id, signal.SIGHUP)
    for _ in attempts(_PATIENCE, every=_STEP):
        if outcome.exists():
            break
    else:
        raise SuperviseError("the gateway has not answered; its log may say why")
    fault = outcome.read_text("utf-8")
    if fault:
        raise SuperviseError(f"not reloaded: {fault}")


def _process_id(data: Path) -> int:
    """Return the id of the process that serves from *data*."""
    try:
        with _lock(data).open(encoding="ascii") as lock:
            is_served = not try_lock(lock.fileno())
            process_id, _, namespace = lock.read().partition(" ")
    except FileNotFoundError:
        is_served = False
    if not is_served:
        raise SuperviseError(f"no gateway serves from {data}; is GATEWAY_DATA right?")
    # (!) In another container the same id belongs to another process.
    if namespace != _namespace():
        raise SuperviseError(
            f"the gateway that serves from {data} runs in another container; run the "
            "command there"
        )
    return int(process_id)


def _namespace() -> str:
    return os.readlink("/proc/self/ns/pid")  # noqa: PTH115 -- not a path


def _lock(data: Path) -> Path:
    return data / "run" / _LOCK


def _outcome(data: Path) -> Path:
    return data / "run" / "reloaded"
