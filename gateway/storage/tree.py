"""The files tree: existing files, read-only, below one root."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from gateway.errors import NotServableError
from gateway.storage.paths import FilePath

if TYPE_CHECKING:
    from pathlib import Path

# O_PATH opens the name alone: no read permission is needed, and neither a
# FIFO nor a device can block or notice.
_LOOK: Final = os.O_PATH | os.O_CLOEXEC
# A file that is replaced this often in a row while it is looked at is not there.
_TRIES: Final = 16


@dataclass(frozen=True)
class FoundFile:
    """A regular file: its symlink-free path below the root, and its bytes."""

    path: FilePath
    size: int


@dataclass(frozen=True)
class FilesTree:
    """The folder ``GATEWAY_FILES``.

    The root itself may be a symlink that a deployment swaps: it is resolved
    anew for every request.  ``private`` is the gateway's own folder, with its
    keys: nothing in it is served, wherever links put it or the root.
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
            root = _real_path(os.open(self.root, _LOOK | os.O_DIRECTORY))
            for _ in range(_TRIES):
                found = _real_file(f"{root}/{path.text}")
                if found is not None:
                    break
            else:
                raise NotServableError("changing")
        except OSError:
            raise NotServableError("missing") from None
        real, size = found
        prefix = f"{root.rstrip('/')}/"
        if not real.startswith(prefix):
            raise NotServableError("outside")
        if self._is_private(real):
            raise NotServableError("private")
        return FoundFile(FilePath.parse(real[len(prefix) :]), size)

    def _is_private(self, real: str) -> bool:
        if self.private is None:
            return False
        try:
            private = _real_path(os.open(self.private, _LOOK | os.O_DIRECTORY))
        except FileNotFoundError:
            return False
        except OSError:  # where it lies can't be told, so it may be here
            return True
        return real.startswith(f"{private.rstrip('/')}/")


def _real_file(path: str) -> tuple[str, int] | None:
    """Return where *path* leads and its bytes, or None if it was replaced just now.

    The kernel names a replaced file ``... (deleted)``, as a file may well be
    called: only the same inode under the name that was read is an answer.
    """
    descriptor = os.open(path, _LOOK)
    try:
        opened = os.fstat(descriptor)
        if not stat.S_ISREG(opened.st_mode):
            raise NotServableError("not-a-file")
        real = os.readlink(f"/proc/self/fd/{descriptor}")  # noqa: PTH115
    finally:
        os.close(descriptor)
    try:
        found = os.lstat(real)
    except FileNotFoundError:
        return None
    return (real, opened.st_size) if os.path.samestat(opened, found) else None


def _real_path(descriptor: int) -> str:
    """Read the path of an open descriptor from proc(5), and close it."""
    try:
        return os.readlink(f"/proc/self/fd/{descriptor}")  # noqa: PTH115
    finally:
        os.close(descriptor)
