"""The id of the store that has the blobs of this catalog's uploads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select, update

from gateway.catalog.schema import blob_place

if TYPE_CHECKING:
    from sqlalchemy import Connection


def recorded(connection: Connection) -> str:
    """Return the store's id, or an empty text if no gateway has recorded one."""
    store: str | None = connection.execute(select(blob_place.c.store)).scalar_one()
    return store or ""


def record(connection: Connection, store: str) -> None:
    """Record the store's id; the caller knows that none is recorded."""
    connection.execute(update(blob_place).values(store=store))
