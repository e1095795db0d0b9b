"""The files of upload sessions; the kernel copies their bytes, under a lock.

The catalog holds a session's offset, and the file has at least that many bytes: they
are synced before the offset is recorded.  Bytes beyond the offset were written by a
killed worker, or may have been damaged by a power cut.
"""

from __future__ import annotations

import errno
import fcntl
import os
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from gateway.errors import LockedError
from gateway.storage.blobs import full_disk_as_no_space
from gateway.storage.locks import try_lock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from gateway.storage.blobs import BlobStore

_STEP: Final = 1 << 23  # bytes that one system call copies at most

# Errors of copy_file_range(2) where it is not supported.
_UNSUPPORTED: Final = frozenset(
    {errno.EXDEV, errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP}
)


@dataclass
class SessionFile:
    """A session's locked file; ``descriptor`` is open for writing."""

    path: Path
    store: BlobStore
    descriptor: int

    @property
    def size(self) -> int:
        """The file's length in bytes."""
        return os.fstat(self.descriptor).st_size

    def truncate(self, size: int) -> None:
        """Cut the file to *size* bytes; raise NoSpaceError on a full disk."""
        if self.size <= size:
            return
        if size:
            os.ftruncate(self.descriptor, size)
            return
        # (!) Replace the file, never truncate it to 0 bytes: it may be a hard link to a
        #     spooled body, which nginx still names if the worker that linked it was
        #     killed.
        with full_disk_as_no_space(), self.store.empty_file() as empty:
            self._link_spooled(empty)

    def truncate_in_place(self, size: int) -> None:
        """Cut the file to *size* bytes; the removed bytes can't be recovered.

        If the file is a hard link to a spooled body, that body is cut, too.
        """
        if self.size > size:
            os.ftruncate(self.descriptor, size)

    def append(self, source: Path, *, is_whole: bool) -> None:
        """Append the bytes of *source*, which is kept; ``sync`` makes them durable.

        Raise NoSpaceError when the disk is full: with *is_whole*, nothing is appended
        then; otherwise the bytes that fit.
        """
        before = self.size
        if source.stat().st_size == 0:
            return
        with full_disk_as_no_space():
            try:
                if before == 0 and source.parent == self.store.spool:
                    self._link_spooled(source)
                else:
                    self._copy(source, before)
            except OSError:
                if is_whole:
                    os.ftruncate(self.descriptor, before)
                raise

    def sync(self) -> int:
        """Sync the file's content and name; return its length in bytes.

        Raise NoSpaceError when the disk is full: some file systems report it only now.
        """
        with full_disk_as_no_space():
            self.store.fsync(self.descriptor)
            self.store.sync_folder(self.path.parent)
        return self.size

    def remove(self) -> None:
        """Delete the file, if it exists."""
        self.path.unlink(missing_ok=True)

    def _link_spooled(self, source: Path) -> None:
        """Replace the file by a hard link to a spooled file: no byte is copied."""
        descriptor = os.open(source, os.O_RDWR | os.O_CLOEXEC)
        try:
            # Lock it before other requests can open it by the session's name.
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            link = self.store.spool / f"taken-{self.path.name}"
            link.unlink(missing_ok=True)
            link.hardlink_to(source)
            link.rename(self.path)
            # This closes the old file and ends its lock: a request that locks the old
            # file afterwards sees that the name now leads to another file.
            os.dup2(descriptor, self.descriptor, inheritable=False)
        finally:
            os.close(descriptor)

    def _copy(self, source: Path, position: int) -> None:
        os.lseek(self.descriptor, position, os.SEEK_SET)
        descriptor = os.open(source, os.O_RDONLY | os.O_CLOEXEC)
        try:
            _copy_bytes(descriptor, self.descriptor)
        finally:
            os.close(descriptor)


@dataclass(frozen=True)
class SessionFiles:
    """The folder ``upload-sessions`` of the store."""

    store: BlobStore

    def path(self, session_id: str) -> Path:
        """Return the path of a session's file."""
        return self.store.sessions / session_id

    def size(self, session_id: str) -> int:
        """Return a session's bytes on disk, without a lock; 0 without a file."""
        try:
            return self.path(session_id).stat().st_size
        except FileNotFoundError:
            return 0

    @contextmanager
    def lock(self, session_id: str) -> Iterator[SessionFile]:
        """Lock a session's file; create it if it is missing.

        Raise LockedError if another request holds the lock: never wait for it.
        """
        path = self.path(session_id)
        while True:
            with _opened(path) as descriptor:
                if not try_lock(descriptor):
                    raise LockedError
                # Otherwise the file was replaced between open and lock: try again.
                if _is_at(path, descriptor):
                    yield SessionFile(path, self.store, descriptor)
                    return


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    with full_disk_as_no_space():
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _is_at(path: Path, descriptor: int) -> bool:
    """Return whether *path* still names the opened file."""
    with suppress(FileNotFoundError):
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    return False


def _copy_bytes(source: int, target: int) -> None:
    """Copy all of *source* to *target*'s position, in the kernel."""
    position = 0
    try:
        while copied := os.copy_file_range(source, target, _STEP, position):
            position += copied
            _begin_to_write(target, copied)
    except OSError as error:
        if error.errno not in _UNSUPPORTED:
            raise
    # For other file systems; some copy nothing and report no error.
    while copied := os.sendfile(target, source, position, _STEP):
        position += copied
        _begin_to_write(target, copied)


def _begin_to_write(target: int, copied: int) -> None:
    """Start writing to disk while the next bytes are copied: they are synced later."""
    end = os.lseek(target, 0, os.SEEK_CUR)
    os.posix_fadvise(target, end - copied, copied, os.POSIX_FADV_DONTNEED)
