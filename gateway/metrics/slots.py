"""A slot is the place where one process counts, in the gateway's metrics folder.

A process holds the lock of its slot's file until it ends, however it ends: the kernel
releases the lock.  The next process of the same kind takes the lowest free slot and
continues its counts.  So no count is lost or goes backwards when a worker is killed,
and there are only as many files as there were processes at one time.

The file consists of cells: numbers of 64 bits, in this machine's byte order.
"""

from __future__ import annotations

import fcntl
import itertools
import mmap
import os
import struct
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple, Self

from gateway.metrics import verdicts
from gateway.storage.locks import try_lock

if TYPE_CHECKING:
    from pathlib import Path

_SUFFIX: Final = ".slot"
#: The first cells: the layout, the number of busy threads and of all threads, and the
#: number of leased deliveries with cached verdicts, which only housekeeping counts.
_LAYOUT: Final = 0
_BUSY: Final = 1
_THREADS: Final = 2
_KEPT: Final = 3
_FIRST: Final = 4
_CELLS: Final = _FIRST + verdicts.CELLS
_BYTES: Final = 8 * _CELLS


@dataclass(frozen=True, eq=False)
class Slot:
    """The slot of this process: ``name`` is unique in ``folder``.

    ``busy`` is one cell, the number of threads that handle a request, and ``kept`` the
    number of leased deliveries with cached verdicts.  ``verdicts`` are the cells of
    ``VerdictCounts``.  Without a folder, only this process can read them.
    """

    name: str
    folder: Path | None
    busy: memoryview[int]
    kept: memoryview[int]
    verdicts: memoryview[int]
    descriptor: int | None = None

    @classmethod
    def alone(cls) -> Self:
        """Return a slot without a file."""
        return cls._of("alone", None, memoryview(bytearray(_BYTES)).cast("q"))

    @classmethod
    def claim(cls, folder: Path, kind: str, *, threads: int = 1) -> Self:
        """Take a free slot of *kind* for the lifetime of this process; raise OSError.

        *threads* is the number of requests that the process handles at a time.
        """
        folder.mkdir(mode=0o700, exist_ok=True)
        for number in itertools.count():
            name = f"{kind}-{number}"
            path = folder / f"{name}{_SUFFIX}"
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            if try_lock(descriptor):
                break
            os.close(descriptor)
        try:
            # (!) On a full disk, a write to a page without blocks kills the process.
            os.posix_fallocate(descriptor, 0, _BYTES)
            # Not of the descriptor that holds the lock: the map would keep it open.
            with path.open("r+b") as file:
                cells = memoryview(mmap.mmap(file.fileno(), _BYTES)).cast("q")
        except OSError:
            os.close(descriptor)
            raise
        if cells[_LAYOUT] != verdicts.LAYOUT:
            cells[:] = memoryview(bytearray(_BYTES)).cast("q")
            cells[_LAYOUT] = verdicts.LAYOUT
        cells[_BUSY], cells[_THREADS] = 0, threads
        return cls._of(name, folder, cells, descriptor)

    @classmethod
    def _of(
        cls,
        name: str,
        folder: Path | None,
        cells: memoryview[int],
        descriptor: int | None = None,
    ) -> Self:
        busy, kept = (cells[n : n + 1] for n in (_BUSY, _KEPT))
        return cls(name, folder, busy, kept, cells[_FIRST:], descriptor)

    def release(self) -> None:
        """Release the slot, as the end of the process does."""
        if self.descriptor is not None:
            os.close(self.descriptor)


class Reading(NamedTuple):
    """The state of one slot; ``busy`` and ``threads`` are 0 if no process holds it."""

    kind: str
    is_held: bool
    busy: int
    threads: int
    kept: int
    verdicts: tuple[int, ...]


def read(folder: Path) -> list[Reading]:
    """Return the state of all slots in *folder* that this version can read."""
    found = []
    for path in sorted(folder.glob(f"*{_SUFFIX}")):
        with suppress(FileNotFoundError), path.open("rb") as file:
            is_held = not _can_be_locked(file.fileno())
            content = file.read(_BYTES)
            if len(content) < _BYTES:
                continue  # its process is just starting
            layout, busy, threads, kept, *counts = struct.unpack(f"={_CELLS}q", content)
            if layout != verdicts.LAYOUT:
                continue
            if not is_held:
                busy = threads = 0
            kind = path.stem.rpartition("-")[0]
            found.append(Reading(kind, is_held, busy, threads, kept, tuple(counts)))
    return found


def _can_be_locked(descriptor: int) -> bool:
    """Return whether no process holds the lock; the file's closing releases it.

    A process that looks for a slot at this moment takes the next one.
    """
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
