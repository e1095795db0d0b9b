"""Who owns the gateway's files: the user that its service runs as.

A command that root runs must leave what it replaces to that user, and what it makes:
the service could not read the file of another owner.  A file keeps its owner; a new
one gets that of its folder.
"""

from __future__ import annotations

import os
import pwd
import tempfile
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

from gateway.errors import OwnershipError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_PRIVATE_FILE: Final = 0o600
_PRIVATE_FOLDER: Final = 0o700
_EVERYBODY_ELSE: Final = 0o077


@dataclass(frozen=True)
class Owner:
    """A user and a group, by their numbers."""

    uid: int
    gid: int

    @classmethod
    def of(cls, path: Path) -> Self:
        """Return the owner of a file or folder; raise OSError if there is none."""
        found = path.stat()
        return cls(found.st_uid, found.st_gid)

    @classmethod
    def in_folder(cls, folder: Path) -> Self | None:
        """Return whom a new file in *folder* is to be given to: None but for root."""
        return cls.of(folder) if os.geteuid() == 0 else None

    @property
    def name(self) -> str:
        """The user's name, or its number where it has none."""
        try:
            return pwd.getpwuid(self.uid).pw_name
        except KeyError:
            return str(self.uid)

    def can_read(self, file: Path) -> bool:
        """Tell whether this user can read *file*, or that it can't be told.

        Only root, and the user itself, can ask the kernel.
        """
        if os.geteuid() not in {0, self.uid}:
            return True
        with self._acting():
            return os.access(file, os.R_OK, effective_ids=True)

    @contextmanager
    def _acting(self) -> Iterator[None]:
        """Be this user for as long as it takes; for root, or the user itself."""
        if os.geteuid() == self.uid:
            yield
            return
        groups, gid = os.getgroups(), os.getegid()
        os.setgroups(os.getgrouplist(self.name, self.gid))
        os.setegid(self.gid)
        os.seteuid(self.uid)
        try:
            yield
        finally:
            os.seteuid(0)
            os.setegid(gid)
            os.setgroups(groups)

    def take(self, descriptor: int, path: Path) -> None:
        """Give the file that is open at *descriptor* to this owner.

        Raise OwnershipError if that is not allowed; *path* is what it names.
        """
        found = os.fstat(descriptor)
        if (found.st_uid, found.st_gid) == (self.uid, self.gid):
            return
        try:
            os.fchown(descriptor, self.uid, self.gid)
        except PermissionError:
            raise OwnershipError(path, self.name) from None


def check(folder: Path) -> None:
    """Raise OwnershipError if what is made in *folder* could not be given its owner.

    If it is not there yet, the nearest one above it counts.
    """
    while not folder.exists():
        folder = folder.parent
    owner = Owner.in_folder(folder)
    if owner is not None:
        with tempfile.TemporaryFile(dir=folder) as probe:
            owner.take(probe.fileno(), folder)


def make_folder(path: Path, owner: Owner | None) -> None:
    """Make a folder of mode 0700, and those above it, if they are missing.

    They are given to *owner*; without one they are this process's user's.
    """
    if path.is_dir():
        return
    make_folder(path.parent, owner)
    with suppress(FileExistsError):
        path.mkdir(mode=_PRIVATE_FOLDER)
    if owner is not None:
        os.chown(path, owner.uid, owner.gid, follow_symlinks=False)


def open_private(path: Path, flags: int) -> int:
    """Return a descriptor of the file *path*, which is made with mode 0600 if missing.

    It is closed on exec.
    """
    try:
        descriptor = os.open(
            path, flags | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _PRIVATE_FILE
        )
    except FileExistsError:
        return os.open(path, flags | os.O_CLOEXEC)
    owner = Owner.in_folder(path.parent)
    if owner is not None:
        owner.take(descriptor, path)
    return descriptor


def keep_private(path: Path) -> None:
    """Take a file from all but its owner, if it is there."""
    with suppress(FileNotFoundError):
        if path.stat().st_mode & _EVERYBODY_ELSE:
            path.chmod(_PRIVATE_FILE)
