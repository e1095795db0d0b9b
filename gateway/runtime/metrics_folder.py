"""The folder in which the processes of ``gateway serve`` count."""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from gateway.runtime.verdict_cache import MEMORY

if TYPE_CHECKING:
    from collections.abc import Iterator

_PREFIX: Final = "accel-gateway-metrics-"


@contextmanager
def metrics_folder(path: Path) -> Iterator[None]:
    """Make the empty folder *path*, and remove it at the end.

    It is a symlink to a folder in memory: on a disk the files, which change all the
    time, would be written again and again.  If it can't be made, the gateway serves
    without the metrics of its processes.
    """
    folder = path
    with suppress(OSError):
        _remove(path)
        folder = _make(path)
    try:
        yield
    finally:
        _remove(path)
        # The symlink may be gone by now.
        shutil.rmtree(folder, ignore_errors=True)


def _make(path: Path) -> Path:
    """Make the folder, and return its own path."""
    if not os.access(MEMORY, os.W_OK | os.X_OK):
        path.mkdir(mode=0o700)
        return path
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=MEMORY))
    try:
        path.symlink_to(folder)
    except OSError:
        folder.rmdir()
        raise
    return folder


def _remove(path: Path) -> None:
    """Remove the folder of an earlier start, too."""
    if path.is_symlink():
        folder = path.readlink()
        path.unlink()
        if folder.parent == MEMORY and folder.name.startswith(_PREFIX):
            shutil.rmtree(folder, ignore_errors=True)
    else:
        shutil.rmtree(path, ignore_errors=True)
