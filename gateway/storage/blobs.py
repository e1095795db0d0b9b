"""Blobs: immutable files under random ids, and the store that they come from.

By default blobs are in the store, too: a hard link turns a spooled file into a blob, no
byte is copied, and the name appears in one step with all its content.
"""

from __future__ import annotations

import errno
import os
import re
import secrets
from base64 import b32encode
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from gateway import ownership
from gateway.errors import NoSpaceError
from gateway.ownership import Owner

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from gateway.storage.content import Content
    from gateway.storage.store_id import BlobsId

#: 128 random bits in 26 lower-case letters and digits, which mail clients don't damage.
_ID: Final = re.compile(r"[a-z2-7]{26}")
_BLOB: Final = re.compile(r"[a-z2-7]{2}/[a-z2-7]{26}\.[a-z0-9]{1,16}")
_NO_SPACE: Final = frozenset({errno.ENOSPC, errno.EDQUOT})


def new_id() -> str:
    """Return a random id for an upload."""
    return b32encode(secrets.token_bytes(16)).decode("ascii").rstrip("=").lower()


def is_id(text: str) -> bool:
    """Return whether *text* has the form of an upload's id."""
    return _ID.fullmatch(text) is not None


def is_blob(text: str) -> bool:
    """Return whether *text* has the form of a blob's name."""
    return _BLOB.fullmatch(text) is not None


def blob_name(upload_id: str, suffix: str) -> str:
    """Return the name of an upload's blob: its path below ``blobs``."""
    return f"{upload_id[:2]}/{upload_id}.{suffix or 'bin'}"


def upload_of(blob: str) -> str:
    """Return the id of the upload whose blob has this name; raise ValueError."""
    if not is_blob(blob):
        raise ValueError(blob)
    return blob.partition("/")[2].partition(".")[0]


class Blobs(Protocol):
    """Where the content of uploads is stored: on disk or in a bucket.

    Methods raise BucketBusyError if a bucket does not answer, and those that read a
    blob FileNotFoundError if it is missing.
    """

    @property
    def has_trash(self) -> bool:
        """Whether ``retire`` keeps a blob in the trash."""

    def adopt(self, source: Path, upload_id: str, suffix: str) -> str:
        """Store the file *source* durably as the blob of an upload; return its name.

        Raise NoSpaceError when the disk is full, with nothing left behind.
        """

    def discard(self, blob: str) -> bool:
        """Delete a blob, if it exists; return whether it is gone.

        If a bucket fails, the blob is left to housekeeping, as an orphan.
        """

    def content(self, blob: str, size: int) -> Content:
        """Return where nginx finds a blob of *size* bytes."""

    def where(self, blob: str) -> str:
        """Return the path or URL of a blob, for messages."""

    def size(self, blob: str) -> int:
        """Return the size of a blob in bytes."""

    def sha256(self, blob: str, *, is_stopped: Callable[[], bool]) -> bytes | None:
        """Return a blob's digest, or None if *is_stopped* returned true meanwhile."""

    def ages(self, *, now: int) -> Iterator[tuple[str, float]]:
        """Yield the name of each blob, and its age in seconds."""

    def retire(self, blob: str, *, now: int) -> None:
        """Remove a blob that no upload names."""

    def save(self, blob: str, target: Path, *, may_link: bool) -> None:
        """Copy a blob to the file *target* durably."""

    def load(self, source: Path, blob: str, *, may_link: bool) -> None:
        """Copy the file *source* to a blob durably."""

    def is_writable(self) -> bool:
        """Return whether uploads can be stored."""

    @property
    def id(self) -> BlobsId:
        """The id of the place, which the catalog records."""


@contextmanager
def full_disk_as_no_space() -> Iterator[None]:
    """Raise NoSpaceError instead of an OSError that reports a full disk or quota."""
    try:
        yield
    except OSError as error:
        if error.errno in _NO_SPACE:
            raise NoSpaceError from error
        raise


@dataclass(frozen=True)
class BlobStore:
    """The store at ``root``.

    Its folders are ``blobs/ab/<id>.<suffix>``, ``upload-sessions/``, ``trash/``, which
    ``trash.py`` describes, and ``spool/``, ``ledger/`` and ``byte-cache/``.  Several
    gateways may share a store: each has a folder of its own in the last three, named
    ``replica``.

    ``fsync`` is a parameter so that tests can show which data is lost without it.
    """

    root: Path
    replica: str = ""
    fsync: Callable[[int], None] = os.fsync

    @property
    def blobs(self) -> Path:
        """The folder of the blobs; nginx serves files from it."""
        return self.root / "blobs"

    @property
    def spool(self) -> Path:
        """The folder into which this gateway's nginx writes request bodies."""
        return self.spools / self.replica

    @property
    def spools(self) -> Path:
        """The folder of all gateways' spools; earlier releases wrote bodies into it."""
        return self.root / "spool"

    @property
    def sessions(self) -> Path:
        """The folder of the upload sessions' files, which are named by session id."""
        return self.root / "upload-sessions"

    @property
    def trash(self) -> Path:
        """The folder of blobs that no upload refers to."""
        return self.root / "trash"

    @property
    def ledger(self) -> Path:
        """The folder of the ledger files that this gateway's nginx writes."""
        return self.root / "ledger" / self.replica

    @property
    def byte_cache(self) -> Path:
        """The folder of this gateway's nginx's cache of what is in buckets."""
        return self.byte_caches / self.replica

    @property
    def byte_caches(self) -> Path:
        """The folder of all gateways' caches; each nginx makes its own in it."""
        return self.root / "byte-cache"

    def prepare(self) -> None:
        """Create the folders durably."""
        ownership.make_folder(self.root, None)
        # The folder's name in earlier versions: rename it, so that sessions continue.
        earlier = self.root / "partials"
        if earlier.is_dir() and not self.sessions.exists():
            earlier.rename(self.sessions)
        for folder in (
            *(self.blobs, self.spools, self.spool, self.sessions, self.trash),
            self.byte_caches,
        ):
            self._make(folder)
        self.sync_folder(self.root)

    def prepare_ledger(self) -> None:
        """Create the folder of this gateway's ledger files durably."""
        for folder in (self.root / "ledger", self.ledger):
            self._make(folder)
        self.sync_folder(self.root)

    def is_writable(self) -> bool:
        """Return whether uploads can be stored."""
        return all(
            os.access(folder, os.W_OK | os.X_OK)
            for folder in (self.blobs, self.spool, self.sessions)
        )

    def free_bytes(self) -> int:
        """Return the bytes that the file system has free for the gateway's user."""
        state = os.statvfs(self.root)
        return state.f_bavail * state.f_frsize

    def spooled_bytes(self) -> int:
        """Return the bytes of all bodies that nginx has spooled or is spooling.

        The spools of all gateways are on the same disk.
        """
        total = 0
        for folder in self._each_spool():
            with suppress(FileNotFoundError), os.scandir(folder) as entries:
                for entry in entries:
                    # nginx names its files by number, with zeros in front.  The
                    # gateway's own files there have other names: form files and hard
                    # links to bodies.
                    if entry.name.isdigit() and entry.is_file(follow_symlinks=False):
                        with suppress(FileNotFoundError):
                            total += entry.stat(follow_symlinks=False).st_size
        return total

    def _each_spool(self) -> Iterator[Path]:
        yield self.spools
        for path in self.spools.iterdir():
            if path.is_dir():
                yield path

    def spooled_file(self, name: str) -> Path | None:
        """Return the path *name* if it is a spool file, or None."""
        path = self.root.__class__(name)
        # An nginx whose files were rendered by an earlier release has no own folder.
        is_in_spool = path.parent in {self.spool, self.spools} and not path.is_symlink()
        return path if is_in_spool and path.is_file() else None

    @contextmanager
    def empty_file(self) -> Iterator[Path]:
        """Yield an empty file in the spool; delete it on exit.

        Raise NoSpaceError when the disk is full.
        """
        path = self.spool / f"empty-{new_id()}"
        with full_disk_as_no_space():
            path.touch(mode=0o600)
        try:
            yield path
        finally:
            path.unlink(missing_ok=True)

    def adopt(self, source: Path, upload_id: str, suffix: str) -> str:
        """Turn the spooled file *source* into a blob that survives a power cut.

        Sync the content, link the name, then sync the folder of the name.  Return the
        blob's path below ``blobs``; *source* is kept.  Raise NoSpaceError when the disk
        is full, with nothing left behind.
        """
        blob = blob_name(upload_id, suffix)
        target = self.path(blob)
        try:
            with full_disk_as_no_space():
                self._sync(source)
                self.make_folder(target.parent)
                target.hardlink_to(source)
                self.sync_folder(target.parent)
        except NoSpaceError:
            self.discard(blob)
            raise
        return blob

    def make_folder(self, folder: Path) -> None:
        """Create a folder below ``blobs`` durably, if it is missing."""
        self._make(folder)
        # Always: another worker may have created it just now and not synced it yet.
        self.sync_folder(self.blobs)

    def sync_folder(self, path: Path) -> None:
        """Sync the names in a folder."""
        self._sync(path)

    def discard(self, blob: str) -> None:
        """Delete a blob, if it exists."""
        self.path(blob).unlink(missing_ok=True)

    def path(self, blob: str) -> Path:
        """Return a blob's path; raise ValueError if *blob* is not a blob's name."""
        if not _BLOB.fullmatch(blob):
            raise ValueError(blob)
        return self.blobs / blob

    def _make(self, folder: Path) -> None:
        ownership.make_folder(folder, Owner.in_folder(self.root))

    def _sync(self, path: Path) -> None:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            self.fsync(descriptor)
        finally:
            os.close(descriptor)
