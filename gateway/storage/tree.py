"""The files tree: existing files, read-only, below one root."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

from gateway.errors import NotServableError
from gateway.storage.paths import FilePath

# O_PATH opens the name alone: no read permission is needed, and neither a
# FIFO nor a device can block or notice.
_PATH_ONLY: Final = os.O_PATH | os.O_CLOEXEC
# What the kernel puts behind a path that is no more (d_path in its fs/d_path.c).
_DELETED: Final = " (deleted)"
# A file that is replaced this often in a row while it is looked at is not there.
_ATTEMPTS: Final = 16
#: Names that are looked at for each file that a list may have.
_NAMES_PER_FILE: Final = 10


@dataclass(frozen=True)
class FoundFile:
    """A regular file: its symlink-free path below the root, and its bytes."""

    path: FilePath
    size: int


@dataclass(frozen=True)
class FilesTree:
    """The folder ``GATEWAY_FILES``.

    The root itself may be a symlink that a deployment swaps: every request
    looks whether it leads to the same folder.  ``private`` is the gateway's own
    folder, with its keys: nothing in it is served, wherever links put it or the
    root.
    """

    root: Path
    private: Path | None = None

    def is_readable(self) -> bool:
        """Tell whether the root is there and can be entered."""
        return os.access(self.root, os.R_OK | os.X_OK)

    def locate(self, path: FilePath) -> FoundFile:
        """Return where a regular file lies, below the root.

        Where a link leads is read off the opened file descriptor, not worked
        out from text, and nginx then opens the answer with symlinks disabled:
        between the two there is no moment in which a link could be changed.
        Raise NotServableError for what is missing, no regular file, hidden,
        private, or outside the tree.
        """
        try:
            root = self._root.real_path()
            for _ in range(_ATTEMPTS):
                found = _real_file(f"{root}/{path.text}")
                if found is not None:
                    break
            else:
                raise NotServableError("changing")
        except OSError:
            self._root.forget()
            raise NotServableError("missing") from None
        real, size = found
        prefix = f"{root.rstrip('/')}/"
        if not real.startswith(prefix):
            raise NotServableError("outside")
        if self._is_private(real):
            raise NotServableError("private")
        inner = real[len(prefix) :]
        return FoundFile(path if inner == path.text else FilePath.parse(inner), size)

    def is_folder(self, path: FilePath) -> bool:
        """Tell whether a folder lies there, below the root and with no link on the way.

        Raise NotServableError for one that is not served.
        """
        try:
            descriptor = os.open(
                f"{self.root}/{path.text}", _PATH_ONLY | os.O_DIRECTORY
            )
        except OSError:
            return False
        try:
            real = os.readlink(f"/proc/self/fd/{descriptor}")  # noqa: PTH115
        finally:
            os.close(descriptor)
        if not real.startswith(f"{self._root.real_path().rstrip('/')}/"):
            raise NotServableError("outside")
        if self._is_private(f"{real}/"):
            raise NotServableError("private")
        return True

    def below(self, folder: FilePath, *, most: int) -> list[FoundFile]:
        """Return files in a folder and in those below it, by path, at most so many.

        Only what ``locate`` finds is there, and each under the path that leads to it.
        A tree of many folders in which little is served is not looked at to its end.
        """
        found: list[FoundFile] = []
        start, looks = f"{self.root}/", _NAMES_PER_FILE * most
        for parent, folders, names in os.walk(f"{start}{folder.text}"):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            looks -= len(names) + len(folders)
            for name in sorted(names):
                if len(found) == most:
                    return found
                text = str(Path(parent, name)).removeprefix(start)
                with suppress(NotServableError):
                    path = FilePath.parse(text)
                    found.append(FoundFile(path, self.locate(path).size))
            if looks < 0:
                break
        return found

    @cached_property
    def _root(self) -> _Folder:
        return _Folder(self.root)

    @cached_property
    def _private(self) -> _Folder | None:
        return _Folder(self.private) if self.private else None

    def _is_private(self, real: str) -> bool:
        if self._private is None:
            return False
        try:
            private = self._private.real_path()
        except FileNotFoundError:
            return False
        except OSError:  # where it lies can't be told, so it may be here
            return True
        return real.startswith(f"{private.rstrip('/')}/")


class _Folder:
    """A folder by the name that a setting gives it, which may come to be another's."""

    def __init__(self, path: Path) -> None:
        self._path = os.fspath(path)
        self._known: tuple[tuple[int, ...], str] | None = None

    def real_path(self) -> str:
        """Return its symlink-free path; raise OSError if it is no folder.

        The path is read off an opened descriptor and kept for as long as the name
        leads to the same inode, itself not renamed.
        """
        known = self._known
        # pathlib's stat takes half as long again, and each verdict comes here twice.
        found = os.stat(self._path)  # noqa: PTH116
        if known is not None and known[0] == _identity(found):
            return known[1]
        descriptor = os.open(self._path, _PATH_ONLY | os.O_DIRECTORY)
        try:
            identity = _identity(os.fstat(descriptor))
            real = os.readlink(f"/proc/self/fd/{descriptor}")  # noqa: PTH115
        finally:
            os.close(descriptor)
        self._known = identity, real
        return real

    def forget(self) -> None:
        """Read the path anew next time: a folder above may have been renamed."""
        self._known = None


def _identity(found: os.stat_result) -> tuple[int, ...]:
    # A rename changes the inode's ctime, as every change of an entry does; kernels
    # before 6.13 in steps of some milliseconds.
    return found.st_dev, found.st_ino, found.st_ctime_ns


def _real_file(path: str) -> tuple[str, int] | None:
    """Return where *path* leads and its bytes, or None if it was replaced just now.

    The kernel names a replaced file ``... (deleted)``, as a file may well be
    called: then only the same inode under the name that was read is an answer.
    """
    descriptor = os.open(path, _PATH_ONLY)
    try:
        opened = os.fstat(descriptor)
        if not stat.S_ISREG(opened.st_mode):
            raise NotServableError("not-a-file")
        real = os.readlink(f"/proc/self/fd/{descriptor}")  # noqa: PTH115
    finally:
        os.close(descriptor)
    if real.endswith(_DELETED):
        try:
            found = os.lstat(real)
        except FileNotFoundError:
            return None
        if not os.path.samestat(opened, found):
            return None
    return real, opened.st_size
