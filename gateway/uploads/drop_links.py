"""Create and revoke drop links, for pages, API and commands."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.catalog import drops, ids
from gateway.errors import NotServableError

if TYPE_CHECKING:
    from gateway.catalog.database import Database
    from gateway.catalog.drops import Drop
    from gateway.catalog.users import User
    from gateway.uploads.drop_policy import DropPolicy


def create(database: Database, owner: User, policy: DropPolicy, *, now: int) -> Drop:
    """Create a drop link for uploads to *owner*."""
    with database.write() as connection:
        return drops.new(connection, owner, now=now, **vars(policy))


def revoke(database: Database, drop_id: str, *, owner: User | None, now: int) -> Drop:
    """Revoke a drop link; files that were uploaded through it are kept.

    Raise NotServableError if it does not exist or *owner* does not own it; None permits
    the drop links of all users.
    """
    with database.write(may_use_reserve=True) as connection:
        drop = drops.by_id(connection, drop_id) if ids.is_id(drop_id) else None
        if drop is None:
            raise NotServableError("no-drop-link")
        if owner is not None and drop.owner_id != owner.id:
            raise NotServableError("not-owner")
        drops.revoke(connection, drop, now=now)
    return drop
