"""``gateway restore``: restore a backup into an empty store and catalog.

Blobs are restored first, from the store's trash or the backup, then all rows in one
transaction.  An interrupted restore leaves an empty catalog, and the next one continues
with the blobs that are still missing.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from gateway.catalog import dump
from gateway.catalog.revision import NEWEST, RESTORABLE
from gateway.errors import BackupError
from gateway.maintenance.manifest import Folder, Manifest, lines
from gateway.ownership import Owner
from gateway.storage import copies
from gateway.storage.blobs import is_blob
from gateway.storage.trash import Trash

if TYPE_CHECKING:
    from pathlib import Path

    from gateway.catalog.database import Database
    from gateway.catalog.dump import Line
    from gateway.storage.blobs import Blobs, BlobStore
    from gateway.storage.trash import Trashed


@dataclass(frozen=True, kw_only=True)
class Restore:
    """Restores the backup in ``folder`` into a prepared store and catalog.

    ``keys`` is the path for the key ring and ``secret`` the path for the server secret;
    None leaves it out.
    """

    database: Database
    store: BlobStore
    blobs: Blobs
    folder: Folder
    keys: Path | None
    secret: Path | None = None
    may_link: bool = True

    def make(self) -> Manifest:
        """Restore; if it is impossible, raise BackupError and overwrite nothing."""
        manifest = self.folder.read()
        if manifest.schema not in RESTORABLE:
            raise BackupError(
                f"the backup has schema {manifest.schema} and this gateway has "
                f"{NEWEST}: restore with accel-gateway {manifest.version}, then update"
            )
        catalog = self.folder.catalog(manifest)
        gone = frozenset(manifest.gone)
        with self.database.read() as connection:
            if not dump.is_empty(connection):
                raise BackupError("the catalog is not empty")
        if manifest.has_blobs:
            self._check_store(catalog)
        files = self._files(manifest)
        for target, source in files.items():
            _check_same(target, source)
        with lines(catalog) as rows:
            for line in rows:
                if line.is_upload and line.row["id"] not in gone:
                    self._restore_blob(line)
        for folder in (*self.store.blobs.iterdir(), self.store.blobs):
            copies.sync(folder)
        with lines(catalog) as rows, self.database.write() as connection:
            if not dump.is_empty(connection):
                raise BackupError("the catalog is not empty any more")
            dump.load(connection, rows, without=gone)
        for target, source in files.items():
            owner = Owner.in_folder(target.parent)
            copies.write(target, source.read_bytes(), owner=owner)
        return manifest

    def _check_store(self, catalog: Path) -> None:
        with lines(catalog) as rows:
            expected = {line.row["blob"] for line in rows if line.is_upload}
        for blob, _ in self.blobs.ages(now=0):
            if blob not in expected:
                raise BackupError(
                    f"the store is not empty: {self.blobs.where(blob)} is not in this "
                    "backup"
                )

    def _files(self, manifest: Manifest) -> dict[Path, Path]:
        """Return the backup's copies of keys and secret, by their target paths."""
        files = {}
        if manifest.has_keys and self.keys is not None:
            files[self.keys] = self.folder.keys
        if manifest.has_secret and self.secret is not None:
            files[self.secret] = self.folder.secret
        return files

    def _restore_blob(self, line: Line) -> None:
        blob, size = line.row["blob"], line.row["size"]
        if not is_blob(blob):
            raise BackupError(f"{blob!r} is not a valid blob name")
        source = self.folder.blobs / blob
        found = self._size(blob)
        if found == size:
            return
        trashed = self._trashed.get(blob)
        if trashed is not None and found is None and trashed.size == size:
            Trash(self.store).put_back(trashed)
            return
        try:
            source_size = source.stat().st_size
        except FileNotFoundError:
            raise BackupError(f"{source} is missing in the backup") from None
        if source_size != size:
            raise BackupError(f"{source} has {source_size} bytes instead of {size}")
        self.blobs.load(source, blob, may_link=self.may_link)

    def _size(self, blob: str) -> int | None:
        try:
            return self.blobs.size(blob)
        except FileNotFoundError:
            return None

    @cached_property
    def _trashed(self) -> dict[str, Trashed]:
        return Trash(self.store).by_blob()


def _check_same(target: Path, source: Path) -> None:
    if target.exists() and target.read_bytes() != source.read_bytes():
        raise BackupError(
            f"{target} differs from the {source.name} in the backup; move it away, or "
            "use gateway restore --without-keys"
        )
