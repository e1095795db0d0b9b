"""Keep the gateway's files owned by the user that its service runs as.

A command that root runs must give replaced and new files to that user: the service
could not read files of another owner.  A replaced file keeps its owner; a new file gets
the owner of its folder.
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
_GROUP_AND_OTHERS: Final = 0o077


@dataclass(frozen=True)
class Owner:
    """A user id and a group id."""

    uid: int
    gid: int

    @classmethod
    def of(cls, path: Path) -> Self:
        """Return the owner of a file or folder; raise OSError if it does not exist."""
        status = path.stat()
        return cls(status.st_uid, status.st_gid)

    @classmethod
    def in_folder(cls, folder: Path) -> Self | None:
        """Return the owner for new files in *folder*; None unless root runs this."""
        return cls.of(folder) if os.geteuid() == 0 else None

    @property
    def name(self) -> str:
        """The user's name, or the user id if it has no name."""
        try:
            return pwd.getpwuid(self.uid).pw_name
        except KeyError:
            return str(self.uid)

    def can_read(self, file: Path) -> bool:
        """Tell whether this user can read *file*; True if that can't be determined.

        Only root and the user itself can ask the kernel.
        """
        if os.geteuid() not in {0, self.uid}:
            return True
        with self._acting():
            return os.access(file, os.R_OK, effective_ids=True)

    @contextmanager
    def _acting(self) -> Iterator[None]:
        """Run the body as this user; for root, or the user itself."""
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
        """Change the owner of the file that is open at *descriptor* to this owner.

        Raise OwnershipError, which names *path*, if that is not allowed.
        """
        status = os.fstat(descriptor)
        if (status.st_uid, status.st_gid) == (self.uid, self.gid):
            return
        try:
            os.fchown(descriptor, self.uid, self.gid)
        except PermissionError:
            raise OwnershipError(path, self.name) from None


def check(folder: Path) -> None:
    """Raise OwnershipError if new files in *folder* could not be given to its owner.

    If the folder does not exist yet, its nearest existing parent is checked.
    """
    while not folder.exists():
        folder = folder.parent
    owner = Owner.in_folder(folder)
    if owner is not None:
        with tempfile.TemporaryFile(dir=folder) as probe:
            owner.take(probe.fileno(), folder)


def make_folder(path: Path, owner: Owner | None) -> None:
    """Create a folder with mode 0700, and its missing parents.

    They are given to *owner*; if it is None, they belong to this process's user.
    """
    if path.is_dir():
        return
    make_folder(path.parent, owner)
    with suppress(FileExistsError):
        path.mkdir(mode=_PRIVATE_FOLDER)
    if owner is not None:
        os.chown(path, owner.uid, owner.gid, follow_symlinks=False)


def open_private(path: Path, flags: int) -> int:
    """Open *path* and return the descriptor; create it with mode 0600 if missing.

    The descriptor is closed on exec.
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
    """Set a file's mode to 0600 if other users have access, if the file exists."""
    with suppress(FileNotFoundError):
        if path.stat().st_mode & _GROUP_AND_OTHERS:
            path.chmod(_PRIVATE_FILE)
