"""The folder in which nginx keeps verdicts, for as long as the gateway serves."""

from __future__ import annotations

import os
import shutil
import stat
from contextlib import contextmanager
from typing import TYPE_CHECKING

from gateway.errors import SuperviseError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def verdict_cache(path: Path) -> Iterator[None]:
    """Make the folder anew, for this user alone, and remove it at the end.

    What it holds decides who gets which file: raise SuperviseError if somebody
    else could write there.
    """
    try:
        _remove(path)
        path.mkdir(mode=0o700)
    except OSError as error:
        raise SuperviseError(
            f"no verdicts can be kept in {path}: {error.strerror}; "
            "name another folder in GATEWAY_VERDICT_CACHE"
        ) from None
    try:
        yield
    finally:
        _remove(path)


def _remove(path: Path) -> None:
    """Remove a folder of this user's, if it is there."""
    try:
        found = path.lstat()
    except FileNotFoundError:
        return
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        raise SuperviseError(
            f"{path} is not this user's folder, and verdicts are not kept there; "
            "name another in GATEWAY_VERDICT_CACHE"
        )
    shutil.rmtree(path)
