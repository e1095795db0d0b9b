"""Files that the catalog does not name: a crash left them, or it is the wrong one.

A blob without an upload is moved to the trash, and put back when an upload names it
again: after an old catalog was restored by mistake, and then the right one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Final, TypeVar

from gateway.catalog import expiry
from gateway.errors import HousekeepingError
from gateway.storage import leftovers
from gateway.storage.trash import KEPT, Trash

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from os import stat_result

    from sqlalchemy import Connection

    from gateway.catalog.database import Database
    from gateway.storage.blobs import BlobStore
    from gateway.storage.trash import Trashed

#: Seconds that a blob may be without a row: a finalise that runs has one so.
GRACE: Final = 3600
#: Orphans that one crash can leave, in however small a store.
_FEW: Final = 16
_BATCH: Final = 500

_Thing = TypeVar("_Thing")


@dataclass(frozen=True)
class Orphans:
    """Blobs without a row, and how many have one."""

    blobs: tuple[str, ...]
    known: int

    @property
    def are_few(self) -> bool:
        """Tell whether crashes explain them: at most 1 % of all blobs, or 16.

        More of them mean that the catalog is an old one, or another store's.  Then
        they are people's files.
        """
        return len(self.blobs) <= max(_FEW, (len(self.blobs) + self.known) // 100)

    @property
    def are_credible(self) -> bool:
        """Tell whether the catalog is this store's: at most half have no row, or 16."""
        return len(self.blobs) <= max(_FEW, self.known)


def find_blobs(
    database: Database, store: BlobStore, *, now: int, grace: int
) -> Orphans:
    """Return the blobs that have no row and are older than *grace* seconds."""
    orphans: list[str] = []
    known = 0
    for batch in _batches(_old(leftovers.blobs(store), now=now, grace=grace)):
        named = _ask(database, expiry.named_blobs, batch)
        known += len(named)
        orphans.extend(blob for blob in batch if blob not in named)
    return Orphans(tuple(orphans), known)


@dataclass
class Sweep:
    """One look at all blobs; each of its steps gives 1 for each file.

    ``is_stopped`` is asked between two files.
    """

    database: Database
    store: BlobStore
    now: int
    grace: int
    is_stopped: Callable[[], bool]
    _are_few: bool = field(default=False, init=False)

    def put_back(self) -> Iterator[int]:
        """Put back what lies in the trash and has an upload."""
        trash = Trash(self.store)
        for entry, is_named in self._trashed():
            if is_named:
                trash.put_back(entry)
                yield 1

    def move(self) -> Iterator[int]:
        """Move the blobs without an upload to the trash.

        Raise HousekeepingError, with nothing moved, if there are more of them than
        crashes leave.
        """
        found = find_blobs(self.database, self.store, now=self.now, grace=self.grace)
        if not found.are_few:
            raise HousekeepingError(
                f"{len(found.blobs)} blobs have no upload and {found.known} have one; "
                "is this the catalog of this store, and the newest? Nothing was moved"
            )
        self._are_few = True
        trash = Trash(self.store)
        for blob in found.blobs:
            if self.is_stopped():
                return
            trash.move(blob, now=self.now)
            yield 1

    def empty(self) -> Iterator[int]:
        """Delete what was in the trash for long enough and has no upload.

        Nothing, if ``move`` has found the catalog in doubt.
        """
        if not self._are_few:
            return
        for entry, is_named in self._trashed():
            if not is_named and self.now - entry.moved >= KEPT:
                entry.path.unlink(missing_ok=True)
                yield 1

    def _trashed(self) -> Iterator[tuple[Trashed, bool]]:
        """Give the trash's entries, and whether an upload names each."""
        for batch in _batches(Trash(self.store).entries()):
            named = _ask(
                self.database, expiry.named_blobs, [entry.blob for entry in batch]
            )
            for entry in batch:
                if self.is_stopped():
                    return
                yield entry, entry.blob in named


def find_partials(
    database: Database, store: BlobStore, *, now: int, grace: int
) -> list[str]:
    """Return the files of unfinished uploads that have no row, by name."""
    return [
        name
        for batch in _batches(_old(leftovers.sessions(store), now=now, grace=grace))
        for named in [_ask(database, expiry.unfinished_session_ids, batch)]
        for name in batch
        if name not in named
    ]


def _ask(
    database: Database,
    question: Callable[[Connection, list[str]], set[str]],
    batch: list[str],
) -> set[str]:
    with database.read() as connection:
        return question(connection, batch)


def _old(
    files: Iterable[tuple[str, stat_result]], *, now: int, grace: int
) -> Iterator[str]:
    return (name for name, state in files if leftovers.age(state, now=now) >= grace)


def _batches(things: Iterable[_Thing]) -> Iterator[list[_Thing]]:
    rest = iter(things)
    while batch := list(islice(rest, _BATCH)):
        yield batch
