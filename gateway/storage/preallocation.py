"""Preallocates disk space for a growing file, so that it can grow on a full disk."""

from __future__ import annotations

import ctypes
import os
from contextlib import suppress
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

#: FALLOC_FL_KEEP_SIZE of fallocate(2): the file's length does not change.
_KEEP_SIZE: Final = 1
#: The bytes of a block in fstat(2)'s ``st_blocks``.
_BLOCK: Final = 512
_LIBC: Final = ctypes.CDLL(None)


def reserve(path: Path, size: int) -> None:
    """Preallocate *size* bytes after the end of a file.

    Do nothing while at least half of them are left, or if the file does not exist, the
    disk is full, or the file system does not support it.
    """
    with suppress(OSError), path.open("r+b") as file:
        state = os.fstat(file.fileno())
        if state.st_blocks * _BLOCK - state.st_size < size // 2:
            length = ctypes.c_int64(state.st_size), ctypes.c_int64(size)
            _LIBC.fallocate(file.fileno(), _KEEP_SIZE, *length)
