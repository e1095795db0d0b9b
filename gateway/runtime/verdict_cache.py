"""The folder in which nginx keeps verdicts, for as long as the gateway serves."""

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

#: tmpfs, on every Linux (shm_overview(7)), where every user may make a folder.
MEMORY: Final = Path("/dev/shm")  # noqa: S108 -- under a name that nobody can guess
_PREFIX: Final = "accel-gateway-"


@contextmanager
def verdict_cache(path: Path, run: Path) -> Iterator[None]:
    """Make the folder anew, for this user alone, and remove it at the end.

    What it holds decides who gets which file: raise SuperviseError if somebody
    else could write there.  If it lies in the gateway's folder *run*, it becomes a link
    to memory, to a folder of a random name: a name that is known before could be taken
    by another user first.
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
            f"no verdicts can be kept in {path}: {error.strerror}; "
            "name another folder in GATEWAY_VERDICT_CACHE"
        ) from None
    try:
        yield
    finally:
        _remove_link(path)
        _remove(path)


def check(path: Path, run: Path) -> None:
    """Raise SuperviseError if the folder may not be made; nothing is changed."""
    if path.parent == run and run.exists():
        _require_own(run)
    if not _is_ours(path):
        _is_there(path)


def _require_own(folder: Path) -> None:
    found = folder.stat()
    if found.st_uid != os.geteuid() or found.st_mode & 0o022:
        raise SuperviseError(
            f"{folder} is not this user's alone, and nothing is kept there; name "
            "another folder in GATEWAY_RUN"
        )


def _remove_link(path: Path) -> None:
    """Remove a link that an earlier start has made, and the folder in memory."""
    if _is_ours(path):
        target = path.readlink()
        path.unlink()
        _remove(target)


def _is_ours(path: Path) -> bool:
    """Tell whether it is a link that an earlier start has made."""
    if not path.is_symlink():
        return False
    target = path.readlink()
    return target.parent == MEMORY and target.name.startswith(_PREFIX)


def _remove(path: Path) -> None:
    """Remove a folder of this user's, if it is there."""
    if _is_there(path):
        shutil.rmtree(path)


def _is_there(path: Path) -> bool:
    """Tell whether a folder is there; raise SuperviseError if it is not this user's."""
    try:
        found = path.lstat()
    except FileNotFoundError:
        return False
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        raise SuperviseError(
            f"{path} is not this user's folder, and verdicts are not kept there; "
            "name another in GATEWAY_VERDICT_CACHE"
        )
    return True
