"""Durable copies of immutable files: a copy is complete, or it does not exist."""

from __future__ import annotations

import errno
import os
import shutil
import stat
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from gateway.ownership import Owner

if TYPE_CHECKING:
    from pathlib import Path

_NO_LINKS: Final = frozenset({errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP})


def copy(
    source: Path, target: Path, *, may_link: bool, owner: Owner | None = None
) -> None:
    """Copy *source* to *target* durably, with its modification time.

    With *may_link*, make a hard link if the file systems allow it and *source* belongs
    to *owner*; without *owner*, any owner is accepted.  The folder is not synced: the
    caller syncs it once, after the last copy.
    """
    if may_link and owner in {None, Owner.of(source)}:
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
        if owner is not None:
            os.chown(unfinished, owner.uid, owner.gid)
        sync(unfinished)
        unfinished.rename(target)
    finally:
        unfinished.unlink(missing_ok=True)


def write(target: Path, content: bytes, *, owner: Owner | None = None) -> None:
    """Write a small file durably and atomically.

    A replaced file keeps its owner and mode.  A new file belongs to *owner* or this
    process's user, and only its owner can read it.  Raise OwnershipError, with nothing
    changed, if the file can't be given to its owner.
    """
    mode = 0o600
    with suppress(FileNotFoundError):
        owner, mode = Owner.of(target), stat.S_IMODE(target.stat().st_mode)
    # Start with a new file: a leftover of a crash may have any mode, or be a link.
    unfinished = target.with_name(target.name + ".part")
    unfinished.unlink(missing_ok=True)
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            if owner is not None:
                owner.take(file.fileno(), target)
            os.fchmod(file.fileno(), mode)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        unfinished.rename(target)
    finally:
        unfinished.unlink(missing_ok=True)
    # Without this sync, a power cut brings the old file back.
    sync(target.parent)


def sync(path: Path) -> None:
    """Sync a file's content, or a folder's names."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
