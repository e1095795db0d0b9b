"""The folder in which nginx caches verdicts while the gateway serves."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from gateway.errors import SuperviseError

if TYPE_CHECKING:
    from collections.abc import Iterator

#: A tmpfs on every Linux (shm_overview(7)), where every user may create a folder.
MEMORY: Final = Path("/dev/shm")  # noqa: S108 -- under an unguessable name
_PREFIX: Final = "accel-gateway-"


@contextmanager
def verdict_cache(path: Path, run: Path) -> Iterator[None]:
    """Create the empty folder *path*, for this user only, and remove it at the end.

    Its content decides who gets which file: raise SuperviseError if another user could
    write to it.  If it is in the gateway's folder *run*, it becomes a symlink to a
    folder in memory with a random name: another user could create a predictable name
    first.
    """
    try:
        check(path, run)
        if path.parent == run:
            _remove_link(path)
        _remove(path)
        if path.parent == run and os.access(MEMORY, os.W_OK | os.X_OK):
            path.symlink_to(tempfile.mkdtemp(prefix=_PREFIX, dir=MEMORY))
        else:
            path.mkdir(mode=0o700)
    except OSError as error:
        raise SuperviseError(
            f"can't create the verdict cache {path}: {error.strerror}; "
            "set GATEWAY_VERDICT_CACHE to another folder"
        ) from None
    try:
        yield
    finally:
        _remove_link(path)
        _remove(path)


def check(path: Path, run: Path) -> None:
    """Raise SuperviseError if the folder can't be created safely; change nothing."""
    if path.parent == run and run.exists():
        _require_private(run)
    if not _is_own_link(path):
        _is_own_folder(path)


def _require_private(folder: Path) -> None:
    state = folder.stat()
    if state.st_uid != os.geteuid() or state.st_mode & 0o022:
        raise SuperviseError(
            f"{folder} can be written by another user, so verdicts are not cached "
            "there; set GATEWAY_RUN to another folder"
        )


def _remove_link(path: Path) -> None:
    """Remove a symlink that a previous start has made, and its folder in memory."""
    if _is_own_link(path):
        target = path.readlink()
        path.unlink()
        _remove(target)


def _is_own_link(path: Path) -> bool:
    """Return whether *path* is a symlink that a previous start has made."""
    if not path.is_symlink():
        return False
    target = path.readlink()
    return target.parent == MEMORY and target.name.startswith(_PREFIX)


def _remove(path: Path) -> None:
    """Remove the folder *path* if it exists; it must belong to this user."""
    if _is_own_folder(path):
        shutil.rmtree(path)


def _is_own_folder(path: Path) -> bool:
    """Return whether *path* exists; raise SuperviseError unless it is this user's."""
    try:
        state = path.lstat()
    except FileNotFoundError:
        return False
    if not stat.S_ISDIR(state.st_mode) or state.st_uid != os.geteuid():
        raise SuperviseError(
            f"{path} is not a folder of this user, so verdicts are not cached there; "
            "set GATEWAY_VERDICT_CACHE to another folder"
        )
    return True
