"""Which of several gateways this one is."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def own_id(data: Path) -> str:
    """Return the id of the gateway that has the folder *data*; the first call makes it.

    Several gateways may share a catalog: each marks its reservations with its id.
    """
    path = data / "id"
    with suppress(FileNotFoundError):
        return path.read_text("ascii")
    data.mkdir(parents=True, exist_ok=True, mode=0o700)
    made = data / f"id.{secrets.token_hex(8)}"
    made.write_text(secrets.token_hex(16), "ascii")
    if os.geteuid() == 0:
        # What root makes in the folder is its owner's.
        owner = data.stat()
        os.chown(made, owner.st_uid, owner.st_gid)
    # Another process may have made it meanwhile; nobody reads half of it.
    with suppress(FileExistsError):
        os.link(made, path)
    made.unlink()
    return path.read_text("ascii")
