"""Lists a store's files, to find what crashes and broken connections left behind."""

from __future__ import annotations

import fcntl
import hashlib
import os
import stat
from typing import TYPE_CHECKING, Final

from gateway.storage.blobs import is_blob

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from gateway.storage.blobs import BlobStore

#: Seconds without a write after which a spool file is a leftover, even if it is open:
#: nginx writes every few kilobytes of a body.
SPOOL_SECONDS: Final = 24 * 3600
_READ_BYTES: Final = 1 << 20


def blobs(store: BlobStore) -> Iterator[tuple[str, os.stat_result]]:
    """Yield every blob's path below ``blobs`` and its status, folder by folder."""
    for folder in sorted(_entries(store.blobs), key=lambda entry: entry.name):
        if not folder.is_dir(follow_symlinks=False):
            continue
        for file in _entries(folder.path):
            name = f"{folder.name}/{file.name}"
            state = _state(file)
            if state is not None and is_blob(name):
                yield name, state


def sessions(store: BlobStore) -> Iterator[tuple[str, os.stat_result]]:
    """Yield the name and status of every upload session's file."""
    for file in _entries(store.sessions):
        state = _state(file)
        if state is not None:
            yield file.name, state


def spool_files(store: BlobStore, *, now: int, grace: int) -> Iterator[Path]:
    """Yield the spool files that no process will finish.

    These are files that were not written to for *grace* seconds and that no process
    has open; if the file system can't tell that, not written to for a day.
    (!) Files of other gateways are yielded only after a day: only their machine knows
        which process has them open.
    """
    for path, state in _states(store.spool):
        age = now - state.st_mtime
        if age >= SPOOL_SECONDS or (age >= grace and _is_closed(path)):
            yield path
    if store.spool == store.spools:
        return
    others = [store.spools.joinpath(entry.name) for entry in _entries(store.spools)]
    for folder in (store.spools, *others):
        if folder != store.spool:
            for path, state in _states(folder):
                if now - state.st_mtime >= SPOOL_SECONDS:
                    yield path


def age(state: os.stat_result, *, now: int) -> float:
    """Return the seconds since a file was last written, linked or unlinked."""
    return now - max(state.st_mtime, state.st_ctime)


def sha256(path: Path, *, is_stopped: Callable[[], bool]) -> bytes | None:
    """Return a file's SHA-256, or None if *is_stopped* returned true meanwhile."""
    digest = hashlib.sha256()
    with path.open("rb", buffering=0) as file:
        while chunk := file.read(_READ_BYTES):
            if is_stopped():
                return None
            digest.update(chunk)
    return digest.digest()


def _is_closed(path: Path) -> bool:
    """Return whether no process has the file open, in any container.

    The kernel gives a write lease on a file only to its sole opener.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_WRLCK)
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return True


def _entries(folder: str | Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except (FileNotFoundError, NotADirectoryError):
        return []


def _states(folder: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """Yield the path and status of every regular file in a folder."""
    for file in _entries(folder):
        state = _state(file)
        if state is not None:
            yield folder / file.name, state


def _state(file: os.DirEntry[str]) -> os.stat_result | None:
    """Return a regular file's status; None if it is no regular file or is gone."""
    try:
        state = file.stat(follow_symlinks=False)
    except FileNotFoundError:
        return None
    return state if stat.S_ISREG(state.st_mode) else None
