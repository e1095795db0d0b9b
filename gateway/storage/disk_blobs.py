"""Blobs as files in the store, the default."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from gateway import ownership
from gateway.ownership import Owner
from gateway.storage import copies, leftovers
from gateway.storage.content import BLOBS, DiskFile
from gateway.storage.store_id import StoreId
from gateway.storage.trash import Trash

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from gateway.storage.blobs import BlobStore
    from gateway.storage.trash import Trashed


@dataclass(frozen=True)
class DiskBlobs:
    """The blobs in the folder ``blobs`` of ``store``; see ``blobs.Blobs``."""

    store: BlobStore

    @property
    def has_trash(self) -> bool:
        """Whether ``retire`` keeps a blob in the trash."""
        return True

    def adopt(self, source: Path, upload_id: str, suffix: str) -> str:
        """Turn the spooled file *source* into a blob; see ``BlobStore.adopt``."""
        return self.store.adopt(source, upload_id, suffix)

    def discard(self, blob: str) -> bool:
        """Delete a blob, if it exists; return True."""
        self.store.discard(blob)
        return True

    def content(self, blob: str, size: int) -> DiskFile:
        """Return where nginx finds a blob of *size* bytes."""
        return DiskFile(BLOBS, blob, size)

    def where(self, blob: str) -> str:
        """Return the path of a blob."""
        return str(self.store.path(blob))

    def size(self, blob: str) -> int:
        """Return the size of a blob in bytes."""
        return self.store.path(blob).stat().st_size

    def sha256(self, blob: str, *, is_stopped: Callable[[], bool]) -> bytes | None:
        """Return a blob's digest; see ``blobs.Blobs``."""
        return leftovers.sha256(self.store.path(blob), is_stopped=is_stopped)

    def ages(self, *, now: int) -> Iterator[tuple[str, float]]:
        """Yield the name of each blob, and its age in seconds."""
        for blob, state in leftovers.blobs(self.store):
            yield blob, leftovers.age(state, now=now)

    def retire(self, blob: str, *, now: int) -> None:
        """Move a blob to the trash."""
        Trash(self.store).move(blob, now=now)

    def save(self, blob: str, target: Path, *, may_link: bool) -> None:
        """Copy a blob, or its file in the trash, to *target*; see ``blobs.Blobs``."""
        source = self.store.path(blob)
        if not source.exists() and blob in self._trashed:
            source = self._trashed[blob].path
        copies.copy(source, target, may_link=may_link)

    def load(self, source: Path, blob: str, *, may_link: bool) -> None:
        """Copy the file *source* to a blob; see ``blobs.Blobs``.

        The folders are not synced: the caller syncs them after the last blob.
        """
        target, owner = self.store.path(blob), Owner.in_folder(self.store.blobs)
        ownership.make_folder(target.parent, owner)
        copies.copy(source, target, may_link=may_link, owner=owner)

    def is_writable(self) -> bool:
        """Return whether uploads can be stored."""
        return self.store.is_writable()

    @property
    def id(self) -> StoreId:
        """The id of the store."""
        return StoreId(self.store.root)

    @cached_property
    def _trashed(self) -> dict[str, Trashed]:
        return Trash(self.store).by_blob()
