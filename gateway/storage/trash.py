"""The trash: blobs that no upload refers to, kept in case a newer catalog does.

``trash/<seconds>-<id>.<suffix>`` is the blob ``blobs/ab/<id>.<suffix>``, moved at that
Unix time.  A blob is moved by one rename and keeps its content and modification time;
at any moment it is in one of the two folders.  Nothing is delivered from the trash.
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from gateway import ownership
from gateway.ownership import Owner

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from gateway.storage.blobs import BlobStore

#: Seconds that a blob stays in the trash.
RETENTION_SECONDS: Final = 7 * 24 * 3600

_NAME: Final = re.compile(r"([0-9]{1,12})-(([a-z2-7]{2})[a-z2-7]{24}\.[a-z0-9]{1,16})")


@dataclass(frozen=True)
class Trashed:
    """A file in the trash: its ``blob`` path, and when it was ``moved`` (Unix time)."""

    path: Path
    blob: str
    moved: int

    @property
    def size(self) -> int:
        """The file's length in bytes."""
        return self.path.stat().st_size


@dataclass(frozen=True)
class Trash:
    """The trash of one store."""

    store: BlobStore

    def entries(self) -> Iterator[Trashed]:
        """Yield the files in the trash, oldest first."""
        names = filter(None, (_NAME.fullmatch(path.name) for path in self._files()))
        for match in sorted(names, key=lambda match: int(match[1])):
            path = self.store.trash / match[0]
            yield Trashed(path, f"{match[3]}/{match[2]}", int(match[1]))

    def by_blob(self) -> dict[str, Trashed]:
        """Return the files in the trash by blob path; the newest one per blob."""
        return {entry.blob: entry for entry in self.entries()}

    def move(self, blob: str, *, now: int) -> None:
        """Move a blob to the trash, if it exists."""
        source = self.store.path(blob)
        # A store of an earlier release has no trash yet.
        ownership.make_folder(self.store.trash, Owner.in_folder(self.store.root))
        with suppress(FileNotFoundError):
            source.rename(self.store.trash / f"{now:.0f}-{source.name}")
        # (!) Sync the trash first: a power cut between the two syncs leaves the file
        #     under both names, never under none.
        self.store.sync_folder(self.store.trash)
        self.store.sync_folder(source.parent)

    def put_back(self, entry: Trashed) -> None:
        """Move an entry back to ``blobs``; an existing blob is never replaced."""
        target = self.store.path(entry.blob)
        if target.exists():
            entry.path.unlink(missing_ok=True)
            return
        self.store.make_folder(target.parent)
        entry.path.rename(target)
        self.store.sync_folder(target.parent)
        self.store.sync_folder(self.store.trash)

    def _files(self) -> Iterator[Path]:
        return self.store.trash.iterdir() if self.store.trash.is_dir() else iter(())
