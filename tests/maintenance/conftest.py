"""A catalog of each kind, with a store beside it."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from gateway.catalog import uploads
from gateway.catalog.uploads import Upload
from gateway.maintenance.housekeeping import Housekeeper
from gateway.storage.blobs import BlobStore, new_id
from gateway.storage.disk_blobs import DiskBlobs
from gateway.storage.trash import Trash
from tests.catalog.conftest import ann, database, unsynced, url

if TYPE_CHECKING:
    from pathlib import Path

    from gateway.catalog.database import Database
    from gateway.catalog.users import User

__all__ = ["ann", "database", "unsynced", "url"]


@dataclass
class Kept:
    """A store and its catalog, with one user."""

    database: Database
    store: BlobStore
    ann: User
    said: list[str] = field(default_factory=list)

    def put(
        self, content: bytes = b"content", *, owner: User | None = None, **columns: Any
    ) -> Upload:
        """Store an upload, as finalising would."""
        upload_id = new_id()
        source = self.spool(f"source-{upload_id}", content)
        upload = Upload(
            **{
                "id": upload_id,
                "owner_id": (owner or self.ann).id,
                "name": "a.bin",
                "size": len(content),
                "media_type": "application/octet-stream",
                "blob": self.store.adopt(source, upload_id, "bin"),
                "sha256": None,
                "created": 1,
                **columns,
            }
        )
        source.unlink()
        with self.database.write() as connection:
            uploads.add(connection, upload)
        return upload

    def orphan(self, content: bytes = b"orphan") -> str:
        """Leave a blob without a row, as a kill before the commit would."""
        source = self.spool("orphan", content)
        blob = self.store.adopt(source, new_id(), "bin")
        source.unlink()
        return blob

    def spool(self, name: str, content: bytes = b"spooled") -> Path:
        path = self.store.spool / name
        path.write_bytes(content)
        return path

    def get(self, upload: Upload) -> Upload | None:
        with self.database.read() as connection:
            return uploads.by_id(connection, upload.id)

    def files(self) -> set[str]:
        """Return the files in the store, without the trash."""
        root, trash = self.store.root, self.store.trash
        files = {p for p in root.rglob("*") if p.is_file() and p.parent != trash}
        return {str(path.relative_to(root)) for path in files}

    def trashed(self) -> list[str]:
        """Return the blobs in the trash."""
        return [entry.blob for entry in Trash(self.store).entries()]

    def keeper(self, **changes: Any) -> Housekeeper:
        return Housekeeper(
            **{
                "database": self.database,
                "store": self.store,
                "blobs": DiskBlobs(self.store),
                "log": self.said.append,
                **changes,
            }
        )


@pytest.fixture
def kept(database: Database, ann: User, tmp_path: Path) -> Kept:
    store = BlobStore(tmp_path / "store")
    store.prepare()
    return Kept(database, store, ann)


def age(path: Path, seconds: int) -> None:
    """Move a file's mtime *seconds* into the past; its inode's ctime can't be set."""
    state = path.stat()
    os.utime(path, (state.st_atime, state.st_mtime - seconds))
