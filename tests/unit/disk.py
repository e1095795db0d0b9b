"""A disk after a power cut, as POSIX specifies it: only synced data remains."""

from __future__ import annotations

import os
import stat
from pathlib import Path


class Disk:
    """Some folders, whose current content is on the disk.

    ``fsync`` replaces ``os.fsync``: after the call, a file's content or a folder's
    names are on the disk.
    """

    def __init__(self, *roots: Path) -> None:
        self._roots = roots
        self._contents: dict[int, bytes] = {}
        self._names: dict[int, dict[str, int]] = {}
        for path in [path for root in roots for path in (root, *root.rglob("*"))]:
            descriptor = os.open(path, os.O_RDONLY)
            self.fsync(descriptor)
            os.close(descriptor)

    def fsync(self, descriptor: int) -> None:
        state = os.fstat(descriptor)
        path = Path(f"/proc/self/fd/{descriptor}")
        if stat.S_ISDIR(state.st_mode):
            with os.scandir(path) as entries:
                self._names[state.st_ino] = {e.name: e.inode() for e in entries}
        else:
            self._contents[state.st_ino] = path.read_bytes()

    def lost(self) -> list[Path]:
        """Return the files that a power cut would delete or damage."""
        return [
            path
            for root in self._roots
            for path in root.rglob("*")
            if path.is_file() and self._content(root, path) != path.read_bytes()
        ]

    def left(self) -> list[bytes]:
        """Return the contents of the files that a power cut would leave."""
        folders = [root.stat().st_ino for root in self._roots]
        files = []
        for folder in folders:
            names = self._names[folder].values()
            folders += [inode for inode in names if inode in self._names]
            files += [inode for inode in names if inode in self._contents]
        return [self._contents[inode] for inode in files]

    def _content(self, root: Path, path: Path) -> bytes | None:
        inode = root.stat().st_ino
        for name in path.relative_to(root).parts:
            inode = self._names.get(inode, {}).get(name, 0)
        return self._contents.get(inode)
