"""``gateway restore``: restore a backup into an empty store and catalog.

Whatever can be checked is checked first, without a catalog: a refused restore claims no
store or bucket.  A bucket need not be empty: what no upload of the backup names is left
to housekeeping.  Blobs are restored next, from the store's trash or the backup, then
all rows in one transaction.  An interrupted restore leaves an empty catalog, and the
next one continues with the blobs that are still missing.
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
from gateway.storage.trash import Trash, Trashed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from gateway.catalog.database import Database
    from gateway.catalog.dump import Line
    from gateway.storage.blobs import Blobs, BlobStore


def require_empty(database: Database) -> None:
    """Raise BackupError if the catalog has any rows."""
    with database.read() as connection:
        if not dump.is_empty(connection):
            raise BackupError("the catalog is not empty")


@dataclass(frozen=True)
class RestoreResult:
    """What was restored, as of ``created``, Unix seconds.

    ``lost`` are the ids of the uploads that were left out.
    """

    created: int
    uploads: int
    bytes: int
    lost: list[str]


@dataclass(frozen=True)
class _Missing:
    """A blob that the store lacks, and where it is found; None is nowhere."""

    id: str
    blob: str
    size: int
    source: Path | Trashed | None


@dataclass(frozen=True, kw_only=True)
class Restore:
    """Restores the backup in ``folder`` into an empty store and catalog.

    ``prepare`` returns the catalog, with the store claimed for it; it is called when
    everything else has been checked.  ``keys`` is the path for the key ring and
    ``secret`` the path for the server secret; None leaves it out.  With
    ``is_partial``, uploads without content are left out.
    """

    prepare: Callable[[], Database]
    store: BlobStore
    blobs: Blobs
    folder: Folder
    keys: Path | None
    secret: Path | None = None
    may_link: bool = True
    is_partial: bool = False

    def make(self) -> RestoreResult:
        """Restore; if it is impossible, raise BackupError and overwrite nothing."""
        manifest = self.folder.read()
        if manifest.schema not in RESTORABLE:
            raise BackupError(
                f"the backup has schema {manifest.schema} and this gateway has "
                f"{NEWEST}: restore with accel-gateway {manifest.version}, then update"
            )
        catalog = self.folder.catalog(manifest)
        gone = frozenset(manifest.gone)
        if self.blobs.has_trash:
            self._check_store(catalog)
        files = self._files(manifest)
        for target, source in files.items():
            _check_same(target, source)
        with lines(catalog) as rows:
            missing = list(self._missing(rows, gone))
        lost = [each for each in missing if each.source is None]
        if lost and not self.is_partial:
            raise BackupError(
                f"{len(lost)} uploads have no content, neither in the backup nor in "
                f"the store: bring it back, beginning with "
                f"{self.blobs.where(lost[0].blob)}, or leave these uploads out with "
                "--partial"
            )
        database = self.prepare()
        require_empty(database)
        for each in missing:
            self._restore_blob(each)
        for folder in (*self.store.blobs.iterdir(), self.store.blobs):
            copies.sync(folder)
        with lines(catalog) as rows, database.write() as connection:
            if not dump.is_empty(connection):
                raise BackupError("the catalog is not empty any more")
            dump.load(connection, rows, without=gone.union(each.id for each in lost))
        for target, source in files.items():
            owner = Owner.in_folder(target.parent)
            copies.write(target, source.read_bytes(), owner=owner)
        return RestoreResult(
            created=manifest.created,
            uploads=manifest.uploads - len(lost),
            bytes=manifest.bytes - sum(each.size for each in lost),
            lost=[each.id for each in lost],
        )

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

    def _missing(
        self, rows: Iterator[Line], gone: frozenset[str]
    ) -> Iterator[_Missing]:
        """Yield the blobs that the store lacks."""
        for line in rows:
            if not line.is_upload or line.row["id"] in gone:
                continue
            blob, size = line.row["blob"], line.row["size"]
            if not is_blob(blob):
                raise BackupError(f"{blob!r} is not a valid blob name")
            present = self._size(blob)
            if present == size:
                continue
            trashed = self._trashed.get(blob)
            is_in_trash = trashed and present is None and trashed.size == size
            source = trashed if is_in_trash else self._copy(blob, size)
            yield _Missing(line.row["id"], blob, size, source)

    def _copy(self, blob: str, size: int) -> Path | None:
        """Return the backup's copy of a blob; None if it has none."""
        source = self.folder.blobs / blob
        try:
            source_size = source.stat().st_size
        except FileNotFoundError:
            return None
        if source_size != size:
            raise BackupError(f"{source} has {source_size} bytes instead of {size}")
        return source

    def _restore_blob(self, missing: _Missing) -> None:
        if isinstance(missing.source, Trashed):
            Trash(self.store).put_back(missing.source)
        elif missing.source is not None:
            self.blobs.load(missing.source, missing.blob, may_link=self.may_link)

    def _size(self, blob: str) -> int | None:
        try:
            return self.blobs.size(blob)
        except FileNotFoundError:
            return None

    @cached_property
    def _trashed(self) -> dict[str, Trashed]:
        return Trash(self.store).by_blob() if self.blobs.has_trash else {}


def _check_same(target: Path, source: Path) -> None:
    if target.exists() and target.read_bytes() != source.read_bytes():
        raise BackupError(
            f"{target} differs from the {source.name} in the backup; move it away, or "
            "use gateway restore --without-keys"
        )
