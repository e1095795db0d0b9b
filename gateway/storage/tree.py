"""A tree of existing files in one folder, read-only."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final

from gateway.errors import NotServableError
from gateway.storage.content import DiskFile
from gateway.storage.files import FoundFile, ServedFile
from gateway.storage.paths import FilePath

if TYPE_CHECKING:
    from collections.abc import Iterator

# O_PATH opens the name only: it needs no read permission, and no FIFO or device can
# block it or react to it.
_PATH_ONLY: Final = os.O_PATH | os.O_CLOEXEC
# The kernel appends this to the path of a deleted file (d_path in its fs/d_path.c).
_DELETED: Final = " (deleted)"
# If a file is replaced this many times in a row while it is located, it is missing.
_ATTEMPTS: Final = 16
_CHUNK: Final = 1 << 16
#: How many names ``below`` examines per file of its limit.
_NAMES_PER_FILE: Final = 10


@dataclass(frozen=True)
class FilesTree:
    """A folder of ``GATEWAY_FILES``; ``name`` is that of its internal locations.

    The root may be a symlink that a deployment swaps: every request checks whether it
    still leads to the same folder.  ``private`` is the gateway's own folder, with its
    keys: nothing in it is served, wherever symlinks put it or the root.
    """

    root: Path
    private: Path | None = None
    name: str = "files"

    def is_readable(self) -> bool:
        """Return whether the root exists and can be read and entered."""
        return os.access(self.root, os.R_OK | os.X_OK)

    def serve(self, path: FilePath) -> ServedFile:
        """Return where nginx finds the file that ``locate`` returns."""
        found = self.locate(path)
        content = DiskFile(self.name, found.path.text, found.size)
        return ServedFile(found.path.name, content)

    def locate(self, path: FilePath) -> FoundFile:
        """Return the regular file at *path*, with all symlinks resolved.

        The kernel resolves symlinks when it opens the file: the path is read from the
        descriptor, not computed from text.  nginx then opens that path with symlinks
        disabled, so no symlink can be changed between the two.  Raise NotServableError
        for a file that is missing, not regular, hidden, private or outside the tree.
        """
        try:
            root = self._root.real_path()
            for _ in range(_ATTEMPTS):
                real_file = _real_file(f"{root}/{path.text}")
                if real_file is not None:
                    break
            else:
                raise NotServableError("changing")
        except OSError:
            self._root.forget()
            raise NotServableError("missing") from None
        real, size = real_file
        prefix = f"{root.rstrip('/')}/"
        if not real.startswith(prefix):
            raise NotServableError("outside")
        if self._is_private(real):
            raise NotServableError("private")
        inner = real[len(prefix) :]
        return FoundFile(path if inner == path.text else FilePath.parse(inner), size)

    def is_folder(self, path: FilePath) -> bool:
        """Return whether *path* is a folder below the root.

        Raise NotServableError for a folder that is outside the root or private.
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
        """Return at most *most* files in *folder* and its subfolders, sorted by path.

        Files that ``locate`` refuses are left out; each file has the path that leads
        to it.  The search gives up after a number of names, so that a large tree with
        few served files does not take long.
        """
        found: list[FoundFile] = []
        start, remaining = f"{self.root}/", _NAMES_PER_FILE * most
        for parent, folders, names in os.walk(f"{start}{folder.text}"):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            remaining -= len(names) + len(folders)
            for name in sorted(names):
                if len(found) == most:
                    return found
                text = str(Path(parent, name)).removeprefix(start)
                with suppress(NotServableError):
                    path = FilePath.parse(text)
                    found.append(FoundFile(path, self.locate(path).size))
            if remaining < 0:
                break
        return found

    def read(self, path: FilePath) -> Iterator[bytes]:
        """Return the bytes of a file in chunks; see ``files.Files``."""
        file = self.root / self.locate(path).path.text
        with file.open("rb") as opened:
            while chunk := opened.read(_CHUNK):
                yield chunk

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
        except OSError:  # its path is unknown, so *real* may be inside
            return True
        return real.startswith(f"{private.rstrip('/')}/")


class _Folder:
    """A folder named by a setting; the name may later lead to another folder."""

    def __init__(self, path: Path) -> None:
        self._path = os.fspath(path)
        self._known: tuple[tuple[int, ...], str] | None = None

    def real_path(self) -> str:
        """Return the folder's symlink-free path; raise OSError if it is not a folder.

        The path is read from an opened descriptor and cached while the name leads to
        the same inode and that inode was not renamed.
        """
        known = self._known
        # Not pathlib: its stat takes 1.5 times as long, and every verdict calls this
        # twice.
        status = os.stat(self._path)  # noqa: PTH116
        if known is not None and known[0] == _identity(status):
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
        """Clear the cached path: a parent folder may have been renamed."""
        self._known = None


def _identity(status: os.stat_result) -> tuple[int, ...]:
    # A rename changes the inode's ctime, as does every change of the folder's entries.
    # Before kernel 6.13, ctime has a resolution of some milliseconds.
    return status.st_dev, status.st_ino, status.st_ctime_ns


def _real_file(path: str) -> tuple[str, int] | None:
    """Return a file's symlink-free path and its size; None if it was just replaced.

    The kernel calls a replaced file ``... (deleted)``, but a file may really have such
    a name: then the path is valid only if it names the opened inode.
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
            named = os.lstat(real)
        except FileNotFoundError:
            return None
        if not os.path.samestat(opened, named):
            return None
    return real, opened.st_size
