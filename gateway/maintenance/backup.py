"""``gateway backup``: make a consistent copy while the gateway serves.

First a snapshot of the catalog is written, then every blob that it names is copied:
blobs never change, so a copy made later has the same content.  A second backup into the
same folder copies new blobs and deletes the blobs that the catalog no longer names.
"""

from __future__ import annotations

import hashlib
import os
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gateway.catalog import dump, uploads
from gateway.catalog.revision import NEWEST, version
from gateway.errors import BackupError
from gateway.maintenance.manifest import FORMAT, Folder, Manifest, lines
from gateway.storage import copies
from gateway.storage.locks import try_lock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sqlalchemy import Connection

    from gateway.catalog.database import Database
    from gateway.storage.blobs import Blobs, BlobStore


@dataclass
class BackupResult:
    """The contents of a backup; ``copied`` is the number of new blobs.

    ``gone`` lists the ids of uploads whose blob could not be copied.  ``lost`` lists
    the ids in ``gone`` whose upload was not deleted during the backup: the store has no
    intact blob for it.
    """

    uploads: int = 0
    bytes: int = 0
    copied: int = 0
    gone: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Backup:
    """Copies one store and its catalog into ``folder``.

    ``keys`` is the text of the key ring and ``secret`` the text of the server secret;
    None leaves it out.  ``version`` is the gateway's version, for the manifest.
    Without ``with_blobs``, blobs are only looked for: the bucket keeps them.
    """

    database: Database
    store: BlobStore
    blobs: Blobs
    folder: Folder
    keys: str | None
    version: str
    secret: str | None = None
    may_link: bool = True
    with_blobs: bool = True

    def make(self, *, now: int) -> BackupResult:
        """Make the backup; raise BackupError if the folder can't be used for one."""
        root = self.folder.root
        if root.resolve().is_relative_to(self.store.root.resolve()):
            raise BackupError(f"{root} is inside the store")
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not self.folder.is_fresh():
            raise BackupError(f"{root} contains files that are not part of a backup")
        with _locked(root):
            self.folder.blobs.mkdir(mode=0o700, exist_ok=True)
            catalog, sha256 = self._write_catalog(now)
            result = self._copy_blobs(catalog)
            _write_or_delete(self.folder.keys, self.keys)
            _write_or_delete(self.folder.secret, self.secret)
            copies.sync(self.folder.blobs)
            copies.sync(root)
            self.folder.write(
                Manifest(
                    format=FORMAT,
                    version=self.version,
                    schema=NEWEST,
                    created=now,
                    catalog=catalog.name,
                    sha256=sha256,
                    uploads=result.uploads,
                    bytes=result.bytes,
                    gone=tuple(result.gone),
                    has_keys=self.keys is not None,
                    has_secret=self.secret is not None,
                    has_blobs=self.with_blobs,
                )
            )
            self._delete_old(catalog)
        return result

    def _write_catalog(self, now: int) -> tuple[Path, str]:
        """Write the catalog's rows; return the path and the SHA-256 of the file."""
        path = self._free_name(now)
        digest = hashlib.sha256()
        with self.database.snapshot() as connection:
            _check_schema(connection)
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                for line in dump.read(connection):
                    text = f"{line}\n".encode()
                    digest.update(text)
                    file.write(text)
                file.flush()
                os.fsync(file.fileno())
        return path, digest.hexdigest()

    def _free_name(self, now: int) -> Path:
        taken = {path.name for path in self.folder.catalogs()}
        while f"catalog-{now}.jsonl" in taken:
            now += 1
        return self.folder.root / f"catalog-{now}.jsonl"

    def _copy_blobs(self, catalog: Path) -> BackupResult:
        result = BackupResult()
        folders: set[Path] = set()
        with lines(catalog) as rows:
            for line in rows:
                if line.is_upload:
                    self._copy_blob(line, result, folders)
        for folder in folders:
            copies.sync(folder)
        result.lost = [
            upload_id for upload_id in result.gone if self._exists(upload_id)
        ]
        return result

    def _copy_blob(
        self, line: dump.Line, result: BackupResult, folders: set[Path]
    ) -> None:
        blob, size = line.row["blob"], line.row["size"]
        target = self.folder.blobs / blob
        if not self.with_blobs:
            if self._size(blob) != size:
                result.gone.append(line.row["id"])
                return
        elif _size(target) != size:
            target.parent.mkdir(mode=0o700, exist_ok=True)
            folders.add(target.parent)
            try:
                self.blobs.save(blob, target, may_link=self.may_link)
            except FileNotFoundError:
                result.gone.append(line.row["id"])
                return
            if _size(target) != size:
                target.unlink()
                result.gone.append(line.row["id"])
                return
            result.copied += 1
        result.uploads += 1
        result.bytes += size

    def _size(self, blob: str) -> int | None:
        try:
            return self.blobs.size(blob)
        except FileNotFoundError:
            return None

    def _exists(self, upload_id: str) -> bool:
        with self.database.read() as connection:
            return uploads.by_id(connection, upload_id) is not None

    def _delete_old(self, catalog: Path) -> None:
        """Delete files in this folder that only an earlier backup needed."""
        with lines(catalog) as rows:
            named = {line.row["blob"] for line in rows if line.is_upload}
        for path in self.folder.blobs.glob("*/*"):
            if f"{path.parent.name}/{path.name}" not in named:
                path.unlink(missing_ok=True)
        for path in self.folder.catalogs():
            if path != catalog:
                path.unlink()


def _check_schema(connection: Connection) -> None:
    """Raise BackupError if the catalog's schema is not this release's schema."""
    schema = version(connection)
    if schema != NEWEST:
        raise BackupError(
            f"the catalog has schema {schema}, but this release knows {NEWEST}: the "
            "backup would be incomplete; make it with the newer release"
        )


def _write_or_delete(path: Path, text: str | None) -> None:
    if text is None:
        path.unlink(missing_ok=True)
    else:
        copies.write(path, text.encode())


@contextmanager
def _locked(root: Path) -> Iterator[None]:
    descriptor = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        if not try_lock(descriptor):
            raise BackupError(f"another backup into {root} is running")
        yield
    finally:
        os.close(descriptor)


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return None
