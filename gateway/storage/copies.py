"""Copies of files that never change, complete or not there."""

from __future__ import annotations

import errno
import os
import shutil
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

_NO_LINKS: Final = frozenset({errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP})


def copy(source: Path, target: Path, *, may_link: bool) -> None:
    """Make *target* what *source* is, time of change included, durably.

    A hard link where *may_link* and the file systems allow.  The folder is not
    synced: that is for whoever has made all copies.
    """
    if may_link:
        try:
            os.link(source, target, follow_symlinks=False)
        except FileExistsError:
            target.unlink()
            os.link(source, target, follow_symlinks=False)
            return
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
        else:
            return
    unfinished = target.with_name(target.name + ".part")
    try:
        shutil.copyfile(source, unfinished, follow_symlinks=False)
        shutil.copystat(source, unfinished, follow_symlinks=False)
        unfinished.chmod(0o600)
        sync(unfinished)
        unfinished.rename(target)
    finally:
        unfinished.unlink(missing_ok=True)


def write(target: Path, content: bytes) -> None:
    """Write a small file that its owner alone may read, durably and in one step."""
    unfinished = target.with_name(target.name + ".part")
    unfinished.unlink(missing_ok=True)
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    unfinished.rename(target)
    sync(target.parent)


def sync(path: Path) -> None:
    """Bring a file's content, or a folder's names, to the disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
