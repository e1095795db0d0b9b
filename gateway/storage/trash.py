"""Blobs that no upload names, kept for a while: a newer catalog may name them.

``trash/<seconds>-<id>.<suffix>`` is the blob ``blobs/ab/<id>.<suffix>``, moved at that
Unix time.  A blob is moved by one rename and keeps its content and its time of change;
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
    """A file in the trash: the ``blob`` that it was, and when it was ``moved``."""

    path: Path
    blob: str
    moved: int

    @property
    def size(self) -> int:
        """Its bytes."""
        return self.path.stat().st_size


@dataclass(frozen=True)
class Trash:
    """The trash of one store."""

    store: BlobStore

    def entries(self) -> Iterator[Trashed]:
        """Give what is in it, the longest there first."""
        found = filter(None, (_NAME.fullmatch(path.name) for path in self._files()))
        for match in sorted(found, key=lambda match: int(match[1])):
            path = self.store.trash / match[0]
            yield Trashed(path, f"{match[3]}/{match[2]}", int(match[1]))

    def by_blob(self) -> dict[str, Trashed]:
        """Return what is in it, by the blobs that it was; the newest of each."""
        return {entry.blob: entry for entry in self.entries()}

    def move(self, blob: str, *, now: int) -> None:
        """Move a blob here; it is no fault if it is gone already."""
        source = self.store.path(blob)
        # A store of an earlier release has no trash yet.
        ownership.make_folder(self.store.trash, Owner.in_folder(self.store.root))
        with suppress(FileNotFoundError):
            source.rename(self.store.trash / f"{now:.0f}-{source.name}")
        # (!) First the folder that the name is new in: a power cut between the two
        #     leaves the file under both names, never under none.
        self.store.sync_folder(self.store.trash)
        self.store.sync_folder(source.parent)

    def put_back(self, entry: Trashed) -> None:
        """Make an entry a blob again; one that is there already stays as it is."""
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
