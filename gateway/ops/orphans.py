"""Files that the catalog does not name: a crash left them, or it is the wrong one."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Final

from gateway.catalog import upkeep
from gateway.storage import leftovers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from os import stat_result

    from sqlalchemy import Connection

    from gateway.catalog.database import Database
    from gateway.storage.blobs import BlobStore

#: Seconds that a blob may be without a row: a finalise that runs has one so.
GRACE: Final = 3600
#: So many orphans can be one crash's.
_CREDIBLE: Final = 16
_BATCH: Final = 500


@dataclass(frozen=True)
class Orphans:
    """Blobs without a row, and how many have one."""

    blobs: tuple[str, ...]
    known: int

    @property
    def are_credible(self) -> bool:
        """Tell whether a crash explains them.

        Blobs that mostly have no row mean that the catalog is another one's, or
        an old one: then they are all that is left of people's files.
        """
        return len(self.blobs) <= max(_CREDIBLE, self.known)


def find_blobs(
    database: Database, store: BlobStore, *, now: int, grace: int
) -> Orphans:
    """Return the blobs that have no row and are older than *grace* seconds."""
    orphans: list[str] = []
    known = 0
    for batch in _batches(leftovers.blobs(store), now=now, grace=grace):
        named = _ask(database, upkeep.named_blobs, batch)
        known += len(named)
        orphans.extend(blob for blob in batch if blob not in named)
    return Orphans(tuple(orphans), known)


def find_partials(
    database: Database, store: BlobStore, *, now: int, grace: int
) -> list[str]:
    """Return the files of unfinished uploads that have no row, by name."""
    return [
        name
        for batch in _batches(leftovers.partials(store), now=now, grace=grace)
        for named in [_ask(database, upkeep.named_partials, batch)]
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


def _batches(
    files: Iterable[tuple[str, stat_result]], *, now: int, grace: int
) -> Iterator[list[str]]:
    old = (name for name, state in files if leftovers.age(state, now=now) >= grace)
    while batch := list(islice(old, _BATCH)):
        yield batch
