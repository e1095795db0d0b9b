"""Tries of passwords, counted so that nobody can guess on.

A try counts before the password is looked at: parallel ones can't all slip
through.  The right password gives its try back.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sqlalchemy import case, delete, update
from sqlalchemy.dialects import postgresql, sqlite

from gateway.catalog.schema import tries
from gateway.errors import TooManyTriesError

if TYPE_CHECKING:
    from sqlalchemy import Connection

#: Seconds after which the tries before are forgotten.
WINDOW: Final = 900


@dataclass(frozen=True)
class Subject:
    """What tries are counted by, and how many it may have in a window.

    Only a digest is stored: what people type in the place of a name is at times
    their password.
    """

    kind: str
    name: str
    limit: int

    @property
    def key(self) -> str:
        """The row's key."""
        digest = hashlib.sha256(self.name.encode(errors="replace")).hexdigest()
        return f"{self.kind}:{digest}"


def spend(connection: Connection, subject: Subject, *, now: int) -> None:
    """Count one try; raise TooManyTriesError, and undo, if it is one too many.

    *connection* is in a write transaction, which the error ends.
    """
    insert = (sqlite if connection.dialect.name == "sqlite" else postgresql).insert
    is_over = tries.c.since <= now - WINDOW
    row = connection.execute(
        insert(tries)
        .values(subject=subject.key, count=1, since=now)
        .on_conflict_do_update(
            index_elements=[tries.c.subject],
            set_={
                "count": case((is_over, 1), else_=tries.c.count + 1),
                "since": case((is_over, now), else_=tries.c.since),
            },
        )
        .returning(tries.c.count.label("tried"), tries.c.since)
    ).one()
    if row.tried > subject.limit:
        raise TooManyTriesError(row.since + WINDOW - now)


def give_back(connection: Connection, subject: Subject) -> None:
    """Count one try less: it was a good one."""
    connection.execute(
        update(tries)
        .where(tries.c.subject == subject.key, tries.c.count > 0)
        .values(count=tries.c.count - 1)
    )


def clear(connection: Connection, subject: Subject) -> None:
    """Forget a subject's tries."""
    connection.execute(delete(tries).where(tries.c.subject == subject.key))
