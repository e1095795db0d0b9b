"""The audit log: who changed which share, and when."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from sqlalchemy import insert, select

from gateway.catalog.schema import audit

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from gateway.catalog.users import User


class Action(StrEnum):
    """The kind of change."""

    CREATED = "created"
    CHANGED = "changed"
    RECIPIENT_ADDED = "recipient-added"
    RECIPIENT_REVOKED = "recipient-revoked"
    MAILED = "mailed"
    REVOKED = "revoked"
    GIVEN_BACK = "given-back"


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One change; ``actor`` is a user's name, or empty for the operator.

    ``detail`` names the changes, in the API's terms.  Later entries have higher ids.
    """

    id: int
    at: int
    actor: str
    action: str
    share_id: str
    detail: str


def record(
    connection: Connection,
    actor: User | None,
    action: Action,
    share_id: str,
    *,
    now: int,
    detail: str = "",
) -> None:
    """Insert an entry in the transaction that makes the change."""
    connection.execute(
        insert(audit).values(
            at=now,
            actor="" if actor is None else actor.name,
            action=action.value,
            share_id=share_id,
            detail=detail,
        )
    )


def of_share(
    connection: Connection, share_id: str, *, limit: int, before: int | None = None
) -> list[Entry]:
    """Return a share's entries with ids below *before*, newest first."""
    condition = audit.c.share_id == share_id
    if before is not None:
        condition &= audit.c.id < before
    return _entries(connection, condition, limit=limit)


def newest(connection: Connection, *, limit: int) -> list[Entry]:
    """Return the entries of all shares, newest first."""
    return _entries(connection, audit.c.id > 0, limit=limit)


def _entries(connection: Connection, condition: object, *, limit: int) -> list[Entry]:
    query = (
        select(
            audit.c.id,
            audit.c.at,
            audit.c.actor,
            audit.c.action,
            audit.c.share_id,
            audit.c.detail,
        )
        .where(condition)  # type: ignore[arg-type]
        .order_by(audit.c.id.desc())
        .limit(limit)
    )
    return [Entry(**row._asdict()) for row in connection.execute(query)]
