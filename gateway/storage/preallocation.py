"""Room behind the end of a file that grows, kept for the day that its disk is full."""

from __future__ import annotations

import ctypes
import os
from contextlib import suppress
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

#: Of fallocate(2): the file's length stays.
_KEEP_SIZE: Final = 1
#: What fstat(2) counts blocks in.
_BLOCK: Final = 512
_LIBC: Final = ctypes.CDLL(None)


def reserve(path: Path, size: int) -> None:
    """Have the file system keep *size* bytes for what is appended to a file.

    As long as half of them are left, nothing is done; nor where there is no such file,
    no room, or a file system that can't.
    """
    with suppress(OSError), path.open("r+b") as file:
        state = os.fstat(file.fileno())
        if state.st_blocks * _BLOCK - state.st_size < size // 2:
            length = ctypes.c_int64(state.st_size), ctypes.c_int64(size)
            _LIBC.fallocate(file.fileno(), _KEEP_SIZE, *length)
