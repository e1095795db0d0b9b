"""``gateway backup``: a consistent copy, made while the gateway serves.

The catalog first, as it is at one moment, then every blob that it names: blobs
never change, so what is copied later is what it was.  A second backup into the
same folder copies what is new and drops what is gone.
"""

from __future__ import annotations

import hashlib
import os
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from gateway.catalog import dump, uploads
from gateway.catalog.revision import NEWEST, version
from gateway.errors import BackupError
from gateway.maintenance.manifest import FORMAT, Folder, Manifest, lines
from gateway.storage import copies
from gateway.storage.locks import try_lock
from gateway.storage.trash import Trash

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sqlalchemy import Connection

    from gateway.catalog.database import Database
    from gateway.storage.blobs import BlobStore
    from gateway.storage.trash import Trashed


@dataclass
class BackupResult:
    """What a backup holds, and how much of it was new.

    ``lost`` are uploads whose content the store itself does not have as the
    catalog says; ``gone`` includes those that were deleted meanwhile.
    """

    uploads: int = 0
    bytes: int = 0
    copied: int = 0
    gone: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Backup:
    """Copies one store and its catalog into ``folder``.

    ``keys`` is the ring's text and ``secret`` the server secret's, or None to leave it
    out; ``version`` is noted.
    """

    database: Database
    store: BlobStore
    folder: Folder
    keys: str | None
    version: str
    secret: str | None = None
    may_link: bool = True

    def make(self, *, now: int) -> BackupResult:
        """Make the backup; raise BackupError when the folder is not for one."""
        root = self.folder.root
        if root.resolve().is_relative_to(self.store.root.resolve()):
            raise BackupError(f"{root} lies in the store")
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not self.folder.is_fresh():
            raise BackupError(f"{root} holds something else than a backup")
        with _alone(root):
            self.folder.blobs.mkdir(mode=0o700, exist_ok=True)
            catalog, sha256 = self._catalog(now)
            made = self._blobs(catalog)
            _keep(self.folder.keys, self.keys)
            _keep(self.folder.secret, self.secret)
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
                    uploads=made.uploads,
                    bytes=made.bytes,
                    gone=tuple(made.gone),
                    has_keys=self.keys is not None,
                    has_secret=self.secret is not None,
                )
            )
            self._drop_others(catalog)
        return made

    def _catalog(self, now: int) -> tuple[Path, str]:
        path = self._free_name(now)
        digest = hashlib.sha256()
        with self.database.snapshot() as connection:
            _check_known(connection)
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

    def _blobs(self, catalog: Path) -> BackupResult:
        made = BackupResult()
        folders: set[Path] = set()
        with lines(catalog) as rows:
            for line in rows:
                if line.is_upload:
                    self._blob(line, made, folders)
        for folder in folders:
            copies.sync(folder)
        made.lost = [upload_id for upload_id in made.gone if self._is_known(upload_id)]
        return made

    def _blob(self, line: dump.Line, made: BackupResult, folders: set[Path]) -> None:
        blob, size = line.row["blob"], line.row["size"]
        target = self.folder.blobs / blob
        if _size(target) != size:
            target.parent.mkdir(mode=0o700, exist_ok=True)
            folders.add(target.parent)
            try:
                copies.copy(self._source(blob), target, may_link=self.may_link)
            except FileNotFoundError:
                made.gone.append(line.row["id"])
                return
            if _size(target) != size:
                target.unlink()
                made.gone.append(line.row["id"])
                return
            made.copied += 1
        made.uploads += 1
        made.bytes += size

    def _source(self, blob: str) -> Path:
        """Return where a blob lies: in the trash, if housekeeping is yet to come."""
        path = self.store.path(blob)
        if not path.exists() and blob in self._trashed:
            return self._trashed[blob].path
        return path

    @cached_property
    def _trashed(self) -> dict[str, Trashed]:
        return Trash(self.store).by_blob()

    def _is_known(self, upload_id: str) -> bool:
        with self.database.read() as connection:
            return uploads.by_id(connection, upload_id) is not None

    def _drop_others(self, catalog: Path) -> None:
        """Delete what only an earlier backup in this folder had."""
        with lines(catalog) as rows:
            named = {line.row["blob"] for line in rows if line.is_upload}
        for path in self.folder.blobs.glob("*/*"):
            if f"{path.parent.name}/{path.name}" not in named:
                path.unlink(missing_ok=True)
        for path in self.folder.catalogs():
            if path != catalog:
                path.unlink()


def _check_known(connection: Connection) -> None:
    """Raise BackupError if the catalog may hold more than this release knows of."""
    found = version(connection)
    if found != NEWEST:
        raise BackupError(
            f"the catalog has schema {found}, and this release knows {NEWEST}: the "
            "backup would lack something; make it with a newer release"
        )


def _keep(path: Path, text: str | None) -> None:
    if text is None:
        path.unlink(missing_ok=True)
    else:
        copies.write(path, text.encode())


@contextmanager
def _alone(root: Path) -> Iterator[None]:
    descriptor = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        if not try_lock(descriptor):
            raise BackupError(f"another backup into {root} is being made")
        yield
    finally:
        os.close(descriptor)


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return None
