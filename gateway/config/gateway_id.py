"""The id and the name of this gateway, among several that share a catalog."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def replica_name(chosen: str | None, data: Path) -> str:
    """Return a gateway's name: *chosen* by GATEWAY_REPLICA, or else its id in *data*.

    Its spool and its ledger have this name, and its reservations in the catalog.
    """
    return chosen or own_id(data)


def own_id(data: Path) -> str:
    """Return the id of the gateway with the data folder *data*; create it if missing.

    A gateway without a name is distinguished from others by its id.
    """
    path = data / "id"
    with suppress(FileNotFoundError):
        return path.read_text("ascii")
    data.mkdir(parents=True, exist_ok=True, mode=0o700)
    new = data / f"id.{secrets.token_hex(8)}"
    new.write_text(secrets.token_hex(16), "ascii")
    if os.geteuid() == 0:
        # Files that root creates must belong to the owner of the folder.
        owner = data.stat()
        os.chown(new, owner.st_uid, owner.st_gid)
    # Another process may create it at the same time; the link makes it appear complete.
    with suppress(FileExistsError):
        os.link(new, path)
    new.unlink()
    return path.read_text("ascii")
