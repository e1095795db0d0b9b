"""Permissions and owners of the gateway's files, and room on its disks."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Final

from gateway.doctor.results import Code, found, not_checked, passed
from gateway.ownership import Owner

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gateway.doctor.machine import Machine
    from gateway.doctor.results import Result

#: Fields whose values are secret.
_SECRETS: Final = ("keys", "secret", "token", "mail_url", "database")
#: Container engines mount secrets here, readable for all users of the container.
_OF_CONTAINERS: Final = Path("/run/secrets")
_OTHERS_READ: Final = stat.S_IROTH
_OTHERS_WRITE: Final = stat.S_IWOTH | stat.S_IWGRP

PERMISSION_CODES: Final = (Code.PERMISSIONS, Code.OWNER)


def check_permissions(machine: Machine) -> list[Result]:
    """Check that no other user can read secrets or write to the gateway's folders."""
    exposed = list(_exposed(machine))
    foreign = list(_foreign(machine))
    if not exposed:
        text = "No other user can read the secrets or write to the folders."
        exposed = [passed(Code.PERMISSIONS, text)]
    if not foreign:
        text = "The gateway's files belong to its user."
        foreign = [passed(Code.OWNER, text)]
    return [*exposed, *foreign]


def _secret_files(machine: Machine) -> Iterator[Path]:
    """Yield the files that only the gateway's user may read, if they exist."""
    current = machine.settings
    files = [machine.sources[f] for f in _SECRETS if f in machine.sources]
    files.append(current.first_password)
    if current.catalog_file is not None:
        name = current.catalog_file.name
        files += [
            current.catalog_file.with_name(f"{name}{end}") for end in ("", "-wal")
        ]
    yield from (file for file in files if file.is_file())


def _folders(machine: Machine) -> Iterator[Path]:
    current = machine.settings
    store = machine.store
    folders = [current.data, current.run, store.root, store.blobs, store.spool]
    yield from (path for path in folders if path is not None and path.is_dir())


def _exposed(machine: Machine) -> Iterator[Result]:
    for file in _secret_files(machine):
        mode = file.stat().st_mode
        is_read = mode & _OTHERS_READ and _OF_CONTAINERS not in file.parents
        if (is_read or mode & _OTHERS_WRITE) and _is_reachable(file):
            yield found(
                Code.PERMISSIONS,
                f"Other users can read or change {file} (mode {mode & 0o777:04o}).",
                f"chmod 0600 {file}",
            )
    for folder in _folders(machine):
        mode = folder.stat().st_mode
        if mode & _OTHERS_WRITE and _is_reachable(folder):
            yield found(
                Code.PERMISSIONS,
                f"Other users can write to the folder {folder} "
                f"(mode {mode & 0o777:04o}).",
                f"chmod go-w {folder}",
            )


def _is_reachable(path: Path) -> bool:
    """Tell whether users other than the owner can search all folders above *path*."""
    return all(
        parent.stat().st_mode & (stat.S_IXOTH | stat.S_IXGRP) for parent in path.parents
    )


def _foreign(machine: Machine) -> Iterator[Result]:
    data = machine.settings.data
    owner = Owner.of(data)
    for path in (*_secret_files(machine), *_folders(machine)):
        is_own = Owner.of(path).uid == owner.uid
        # A file outside may belong to root: reading it is enough.
        is_outside = path.is_file() and data not in path.parents
        if is_own or (is_outside and owner.can_read(path)):
            continue
        yield found(
            Code.OWNER,
            f"{path} belongs to the user {Owner.of(path).name}, and the gateway runs "
            f"as {owner.name}, the owner of {data}.",
            f"chown {owner.name}: {path}",
        )


def check_disk(machine: Machine) -> list[Result]:
    """Check that the disks of store and catalog have room."""
    store, reserve = machine.store, machine.database.reserve
    least = machine.settings.free_space
    mend = "Make room: delete uploads (gateway files delete), or enlarge the disk."
    results = []
    if not store.root.is_dir():
        return [not_checked(Code.DISK_FULL, f"there is no store {store.root}")]
    state = os.statvfs(store.root)
    if store.free_bytes() <= least:
        fact = (
            f"The store's disk has {store.free_bytes()} bytes free, and uploads leave "
            f"{least} free (GATEWAY_FREE_SPACE): uploads get 507."
        )
        results.append(found(Code.DISK_FULL, fact, mend))
    if state.f_files and not state.f_favail:
        fact = "The store's disk has no free inode: uploads get 507."
        results.append(found(Code.DISK_FULL, fact, mend))
    if reserve is not None and machine.has_catalog and reserve.is_short():
        fact = (
            f"The catalog's disk has {reserve.free_bytes()} bytes free: logins and "
            "uploads get 507."
        )
        results.append(found(Code.DISK_FULL, fact, mend))
    return results or [passed(Code.DISK_FULL, "The disks have room.")]
