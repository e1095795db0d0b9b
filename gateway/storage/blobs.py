"""Blobs: immutable files under random ids, and the spool that they come from.

Both lie in one folder, the store, so that a blob is made by a hard link: no byte
is copied, and a name appears in one step with all of its content.
"""

from __future__ import annotations

import os
import re
import secrets
from base64 import b32encode
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from gateway import ownership
from gateway.errors import NoSpaceError
from gateway.ownership import Owner

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

#: 128 random bits in 26 small letters and digits, which no mail client damages.
_ID: Final = re.compile(r"[a-z2-7]{26}")
_BLOB: Final = re.compile(r"[a-z2-7]{2}/[a-z2-7]{26}\.[a-z0-9]{1,16}")
NO_SPACE: Final = frozenset({28, 122})  # ENOSPC, EDQUOT


def new_id() -> str:
    """Return a random id for an upload."""
    return b32encode(secrets.token_bytes(16)).decode("ascii").rstrip("=").lower()


def is_id(text: str) -> bool:
    """Tell whether *text* has the form of an upload's id."""
    return _ID.fullmatch(text) is not None


def is_blob(text: str) -> bool:
    """Tell whether *text* has the form of a blob's path below ``blobs``."""
    return _BLOB.fullmatch(text) is not None


@dataclass(frozen=True)
class BlobStore:
    """The store at ``root``.

    Its folders are ``blobs/ab/<id>.<suffix>``, ``spool/``, ``upload-sessions/`` and
    ``trash/``, which ``trash.py`` describes.

    ``fsync`` is a parameter so that a test can show what is lost without it.
    """

    root: Path
    fsync: Callable[[int], None] = os.fsync

    @property
    def blobs(self) -> Path:
        """The folder of the blobs, which nginx serves from."""
        return self.root / "blobs"

    @property
    def spool(self) -> Path:
        """The folder that nginx puts incoming bodies into."""
        return self.root / "spool"

    @property
    def sessions(self) -> Path:
        """The folder of the files of upload sessions, by the sessions' ids."""
        return self.root / "upload-sessions"

    @property
    def trash(self) -> Path:
        """The folder of blobs that no upload names."""
        return self.root / "trash"

    def ledger(self, gateway: str) -> Path:
        """Return the folder of the ledger's files that one gateway's nginx writes."""
        return self.root / "ledger" / gateway

    def prepare(self) -> None:
        """Make the folders, durably."""
        ownership.make_folder(self.root, None)
        # Its name in earlier versions; their sessions go on.
        earlier = self.root / "partials"
        if earlier.is_dir() and not self.sessions.exists():
            earlier.rename(self.sessions)
        for folder in (self.blobs, self.spool, self.sessions, self.trash):
            self._make(folder)
        self.sync_folder(self.root)

    def prepare_ledger(self, gateway: str) -> None:
        """Make the folder of the ledger's files of one gateway, durably."""
        folder = self.ledger(gateway)
        for path in (folder.parent, folder):
            self._make(path)
        self.sync_folder(self.root)

    def is_writable(self) -> bool:
        """Tell whether uploads can be stored."""
        return all(
            os.access(folder, os.W_OK | os.X_OK)
            for folder in (self.blobs, self.spool, self.sessions)
        )

    def free_bytes(self) -> int:
        """Return the bytes that the file system still has for us."""
        state = os.statvfs(self.root)
        return state.f_bavail * state.f_frsize

    def spooled_bytes(self) -> int:
        """Return the bytes of bodies that nginx has spooled, or still does."""
        found = 0
        with os.scandir(self.spool) as entries:
            for entry in entries:
                # Ours have other names: copies and second names of such bodies.
                if entry.name.isdigit():
                    with suppress(FileNotFoundError):
                        found += entry.stat(follow_symlinks=False).st_size
        return found

    def spooled_file(self, name: str) -> Path | None:
        """Return the spool file that nginx named, or None if it named another."""
        path = self.root.__class__(name)
        is_ours = path.parent == self.spool and not path.is_symlink()
        return path if is_ours and path.is_file() else None

    @contextmanager
    def empty_file(self) -> Iterator[Path]:
        """Give an empty file in the spool, for as long as it takes.

        Raise NoSpaceError when the disk is full.
        """
        path = self.spool / f"empty-{new_id()}"
        try:
            path.touch(mode=0o600)
        except OSError as error:
            if error.errno in NO_SPACE:
                raise NoSpaceError from error
            raise
        try:
            yield path
        finally:
            path.unlink(missing_ok=True)

    def adopt(self, source: Path, upload_id: str, suffix: str) -> str:
        """Make the spooled file *source* a blob that survives a power cut.

        Content first, then its name, then the folder that holds the name.
        Return the blob's path below ``blobs``; *source* stays.  Raise
        NoSpaceError when the disk is full, with nothing left behind.
        """
        blob = f"{upload_id[:2]}/{upload_id}.{suffix or 'bin'}"
        target = self.path(blob)
        try:
            self._sync(source)
            self.make_folder(target.parent)
            target.hardlink_to(source)
            self.sync_folder(target.parent)
        except OSError as error:
            if error.errno in NO_SPACE:
                self.discard(blob)
                raise NoSpaceError from error
            raise
        return blob

    def make_folder(self, folder: Path) -> None:
        """Make a folder below ``blobs``, durably, if it is missing."""
        self._make(folder)
        # Always: another worker may just have made it, and not synced it yet.
        self.sync_folder(self.blobs)

    def sync_folder(self, path: Path) -> None:
        """Bring the names in a folder to the disk."""
        self._sync(path)

    def discard(self, blob: str) -> None:
        """Delete a blob; it is no fault if it is gone already."""
        self.path(blob).unlink(missing_ok=True)

    def path(self, blob: str) -> Path:
        """Return where a blob lies; raise ValueError if *blob* names none."""
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
