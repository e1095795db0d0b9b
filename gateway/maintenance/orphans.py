"""Files that the catalog does not name: crash leftovers, or the catalog is wrong.

A blob without an upload is moved to the trash, and put back when an upload names it
again: for example, after an old catalog was restored by mistake, then the right one.

A bucket has no trash.  An object there that is older than the catalog's claim of the
bucket was stored for an earlier catalog, which may come back: it is never deleted
without an operator.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Final, TypeVar

from gateway.catalog import expiry
from gateway.errors import HousekeepingError
from gateway.storage import leftovers
from gateway.storage.trash import RETENTION_SECONDS, Trash

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from os import stat_result

    from sqlalchemy import Connection

    from gateway.catalog.database import Database
    from gateway.storage.blobs import Blobs, BlobStore
    from gateway.storage.trash import Trashed

#: Seconds that a blob may be without a row: a running finalise adds the row last.
GRACE: Final = 3600
#: The number of orphans that a crash can leave, even in a small store.
_FEW: Final = 16
_BATCH: Final = 500

_Item = TypeVar("_Item")


@dataclass(frozen=True)
class Orphans:
    """The blobs without a row, and the number of blobs that have one.

    ``earlier`` are those without a trash that were stored before the catalog claimed
    their place; ``blobs`` are the others.
    """

    blobs: tuple[str, ...]
    known: int
    earlier: tuple[str, ...] = ()

    @property
    def are_few(self) -> bool:
        """Return whether crashes can explain the orphans: at most 1 % of blobs, or 16.

        With more orphans, the catalog is an old one or belongs to another store, and
        the orphans are users' files.  So are those of an earlier catalog, which do not
        count here.
        """
        limit = max(_FEW, (len(self.blobs) + self.known) // 100)
        return len(self.blobs) <= limit

    @property
    def are_credible(self) -> bool:
        """Return whether the catalog can fit the store: at most half or 16 orphans.

        If there are some of an earlier catalog, it is at most half.
        """
        count = len(self.blobs) + len(self.earlier)
        return count <= max(0 if self.earlier else _FEW, self.known)

    @property
    def doubt(self) -> str:
        """The facts that make the catalog doubtful, as a question to the operator."""
        earlier = (
            f"; {len(self.earlier)} of the former are older than this catalog's claim "
            "of the bucket"
        )
        return (
            f"{len(self.blobs) + len(self.earlier)} blobs have no upload and "
            f"{self.known} have one{earlier if self.earlier else ''}; is this the "
            "newest catalog of this store?"
        )


def find_blobs(database: Database, blobs: Blobs, *, now: int, grace: int) -> Orphans:
    """Return the blobs that have no row and are older than *grace* seconds."""
    orphans: list[str] = []
    earlier: list[str] = []
    known = 0
    claimed = math.inf if blobs.has_trash else blobs.id.age(now=now)
    old = ((blob, age) for blob, age in blobs.ages(now=now) if age >= grace)
    for batch in _batches(old):
        named = _ask(database, expiry.named_blobs, [blob for blob, _ in batch])
        known += len(named)
        for blob, age in batch:
            if blob not in named:
                (earlier if age >= claimed else orphans).append(blob)
    return Orphans(tuple(orphans), known, tuple(earlier))


def retire(database: Database, blobs: Blobs, blob: str, *, now: int) -> bool:
    """Remove a blob unless an upload names it by now; return whether it was removed.

    (!) In a transaction that keeps out other writers: an upload that is recorded later
        finds out that its blob is gone.
    """
    with database.write(may_use_reserve=True) as connection:
        if expiry.named_blobs(connection, [blob]):
            return False
        blobs.retire(blob, now=now)
        return True


@dataclass
class Sweep:
    """A check of all blobs, in three steps that yield 1 for each file.

    ``store`` has the trash of blobs on disk.
    ``is_stopped`` is called between two files.
    """

    database: Database
    store: BlobStore
    blobs: Blobs
    now: int
    grace: int
    is_stopped: Callable[[], bool]
    _are_few: bool = field(default=False, init=False)

    def put_back(self) -> Iterator[int]:
        """Restore the blobs in the trash that have an upload."""
        trash = Trash(self.store)
        for entry, is_named in self._trashed():
            if is_named:
                trash.put_back(entry)
                yield 1

    def move(self) -> Iterator[int]:
        """Move the blobs without an upload to the trash; delete those in a bucket.

        Raise HousekeepingError and move nothing if crashes can't explain them; raise it
        at the end if others are left, which are of an earlier catalog.
        """
        found = find_blobs(self.database, self.blobs, now=self.now, grace=self.grace)
        if not found.are_few:
            raise HousekeepingError(f"{found.doubt} They are left")
        self._are_few = True
        for blob in found.blobs:
            if self.is_stopped():
                return
            yield int(retire(self.database, self.blobs, blob, now=self.now))
        if found.earlier:
            raise HousekeepingError(
                f"{len(found.earlier)} blobs without an upload are older than this "
                "catalog's claim of the bucket. They are left; gateway fsck lists them"
            )

    def empty(self) -> Iterator[int]:
        """Delete the blobs whose time in the trash is over and that have no upload.

        Delete nothing if ``move`` has raised: the catalog may be the wrong one.
        """
        if not self._are_few:
            return
        for entry, is_named in self._trashed():
            if not is_named and self.now - entry.moved >= RETENTION_SECONDS:
                entry.path.unlink(missing_ok=True)
                yield 1

    def _trashed(self) -> Iterator[tuple[Trashed, bool]]:
        """Yield the trash's entries, each with whether an upload names it."""
        # A store beside a bucket may have a trash from the time when it had the blobs.
        if not self.blobs.has_trash:
            return
        for batch in _batches(Trash(self.store).entries()):
            named = _ask(
                self.database, expiry.named_blobs, [entry.blob for entry in batch]
            )
            for entry in batch:
                if self.is_stopped():
                    return
                yield entry, entry.blob in named


def find_session_files(
    database: Database, store: BlobStore, *, now: int, grace: int
) -> list[str]:
    """Return the names of session files that have no row."""
    return [
        name
        for batch in _batches(_old(leftovers.sessions(store), now=now, grace=grace))
        for named in [_ask(database, expiry.unfinished_session_ids, batch)]
        for name in batch
        if name not in named
    ]


def _ask(
    database: Database,
    query: Callable[[Connection, list[str]], set[str]],
    batch: list[str],
) -> set[str]:
    with database.read() as connection:
        return query(connection, batch)


def _old(
    files: Iterable[tuple[str, stat_result]], *, now: int, grace: int
) -> Iterator[str]:
    return (name for name, state in files if leftovers.age(state, now=now) >= grace)


def _batches(items: Iterable[_Item]) -> Iterator[list[_Item]]:
    rest = iter(items)
    while batch := list(islice(rest, _BATCH)):
        yield batch
