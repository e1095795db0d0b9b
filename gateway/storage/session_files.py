"""The files of resumable uploads: bytes are moved in the kernel, under a lock.

How far an upload has come is what the catalog says, and its file has at least
that: bytes are synced before they are written down.  What lies beyond was moved
by somebody who was killed, or did not survive a power cut as it was sent.
"""

from __future__ import annotations

import errno
import fcntl
import os
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from gateway.errors import LockedError, NoSpaceError
from gateway.storage.locks import try_lock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from gateway.storage.blobs import BlobStore

_STEP: Final = 1 << 23  # bytes that one system call is asked to move
_NO_SPACE: Final = frozenset({errno.ENOSPC, errno.EDQUOT})
# What copy_file_range(2) says where it can't do it.
_UNSUPPORTED: Final = frozenset(
    {errno.EXDEV, errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP}
)


@dataclass
class SessionFile:
    """One file, locked; ``descriptor`` is open for writing."""

    path: Path
    store: BlobStore
    descriptor: int

    @property
    def size(self) -> int:
        """How many bytes are there."""
        return os.fstat(self.descriptor).st_size

    def truncate(self, size: int) -> None:
        """Drop what lies beyond *size* bytes; raise NoSpaceError on a full disk."""
        if self.size <= size:
            return
        if size:
            os.ftruncate(self.descriptor, size)
            return
        # (!) Not truncated: it may be a body in the spool, of which nginx tells
        #     when the worker that took it was killed.
        with _raising_no_space(), self.store.empty_file() as nothing:
            self._link_spooled(nothing)

    def truncate_in_place(self, size: int) -> None:
        """Drop what lies beyond *size* bytes, from the spooled body too if it is one.

        Nobody finds those bytes again.
        """
        if self.size > size:
            os.ftruncate(self.descriptor, size)

    def append(self, source: Path, *, is_whole: bool) -> None:
        """Add the bytes of *source*, which stays; ``sync`` makes them last.

        Raise NoSpaceError when the disk is full: what fits stays, unless it
        *is_whole* or nothing.
        """
        before = self.size
        if source.stat().st_size == 0:
            return
        try:
            if before == 0 and source.parent == self.store.spool:
                self._link_spooled(source)
            else:
                self._copy(source, before)
        except OSError as error:
            if is_whole:
                os.ftruncate(self.descriptor, before)
            if error.errno in _NO_SPACE:
                raise NoSpaceError from error
            raise

    def sync(self) -> int:
        """Bring all bytes to the disk, and the name; return how many there are.

        Raise NoSpaceError when the disk is full: some say so only now.
        """
        with _raising_no_space():
            self.store.fsync(self.descriptor)
            self.store.sync_folder(self.path.parent)
        return self.size

    def remove(self) -> None:
        """Delete the file; it is no fault if it is gone already."""
        self.path.unlink(missing_ok=True)

    def _link_spooled(self, source: Path) -> None:
        """Put the spooled file itself in the empty one's place: nothing is copied."""
        ours = os.open(source, os.O_RDWR | os.O_CLOEXEC)
        try:
            # Locked before others can find it by the name.
            fcntl.flock(ours, fcntl.LOCK_EX)
            link = self.store.spool / f"taken-{self.path.name}"
            link.unlink(missing_ok=True)
            link.hardlink_to(source)
            link.rename(self.path)
            # The lock on the old one ends with its last descriptor: who waits for
            # it finds that the name leads elsewhere.
            os.dup2(ours, self.descriptor, inheritable=False)
        finally:
            os.close(ours)

    def _copy(self, source: Path, position: int) -> None:
        os.lseek(self.descriptor, position, os.SEEK_SET)
        descriptor = os.open(source, os.O_RDONLY | os.O_CLOEXEC)
        try:
            _move(descriptor, self.descriptor)
        finally:
            os.close(descriptor)


@dataclass(frozen=True)
class SessionFiles:
    """The folder ``upload-sessions`` of the store."""

    store: BlobStore

    def path(self, session_id: str) -> Path:
        """Return where a session's bytes lie."""
        return self.store.sessions / session_id

    def size(self, session_id: str) -> int:
        """Return how many bytes are there; it needs no lock."""
        try:
            return self.path(session_id).stat().st_size
        except FileNotFoundError:
            return 0

    @contextmanager
    def lock(self, session_id: str) -> Iterator[SessionFile]:
        """Hold a session's file, made if it is missing.

        Raise LockedError if another request holds it: nobody waits for that.
        """
        path = self.path(session_id)
        while True:
            with _opened(path) as descriptor:
                if not try_lock(descriptor):
                    raise LockedError
                # Else it was replaced between the two, and the name leads to another.
                if _is_at(path, descriptor):
                    yield SessionFile(path, self.store, descriptor)
                    return


@contextmanager
def _raising_no_space() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in _NO_SPACE:
            raise NoSpaceError from error
        raise


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    with _raising_no_space():
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _is_at(path: Path, descriptor: int) -> bool:
    """Tell whether *path* still leads to what was opened there."""
    with suppress(FileNotFoundError):
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    return False


def _move(source: int, target: int) -> None:
    """Move all of *source* to *target*'s position, without reading it."""
    position = 0
    try:
        while moved := os.copy_file_range(source, target, _STEP, position):
            position += moved
            _begin_to_write(target, moved)
    except OSError as error:
        if error.errno not in _UNSUPPORTED:
            raise
    # Elsewhere; and some file systems move nothing and don't say so.
    while moved := os.sendfile(target, source, position, _STEP):
        position += moved
        _begin_to_write(target, moved)


def _begin_to_write(target: int, moved: int) -> None:
    """Have the disk write while the next bytes are moved: they will be synced."""
    end = os.lseek(target, 0, os.SEEK_CUR)
    os.posix_fadvise(target, end - moved, moved, os.POSIX_FADV_DONTNEED)
