"""Revocations of signed URLs, by target: one URL, a path, a link key, or an upload.

A revocation ends all links of its target that were issued until a given second.
Links that are issued later are valid: a file can be shared again.

The column ``subject`` holds the target as text.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sqlalchemy import bindparam, case, delete, or_, select
from sqlalchemy.dialects import postgresql, sqlite

from gateway.catalog.schema import revocations
from gateway.catalog.verdict_queries import Lookup
from gateway.errors import RevocationError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from gateway.catalog.verdict_queries import Reader

#: Maximum length, well below the maximum size of PostgreSQL's index entries.
MAXIMUM_TARGET_BYTES: Final = 2048


@dataclass(frozen=True, kw_only=True)
class Revocation:
    """One revocation; times are Unix seconds, both bounds included.

    It may be deleted after ``keep_until``, when its links have expired; None means
    never.
    """

    subject: str
    issued_until: int
    created: int
    keep_until: int | None


def of_url(mac: str) -> str:
    """Return the revocation target of the single signed URL with that MAC."""
    return f"url:{mac}"


def of_path(path: str) -> str:
    """Return the revocation target of all links to *path* or below; ``""`` for all."""
    return f"path:{path}"


def of_key(key_id: str) -> str:
    """Return the revocation target of all links that a key has signed."""
    return f"key:{key_id}"


def of_upload(upload_id: str) -> str:
    """Return the revocation target of all links to an upload."""
    return f"upload:{upload_id}"


def revoke(connection: Connection, new: Revocation) -> Revocation:
    """Insert a revocation, and return the revocation that now applies to its target.

    An existing revocation of the target is extended, never shortened.
    """
    if len(new.subject.encode()) > MAXIMUM_TARGET_BYTES:
        raise RevocationError(
            f"a path of more than {MAXIMUM_TARGET_BYTES} bytes can't be revoked: "
            "revoke a folder above it, or the URL"
        )
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    statement = dialect.insert(revocations).values(**vars(new))
    old, added = revocations.c, statement.excluded
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=[old.subject],
            set_={
                "issued_until": case(
                    (added.issued_until > old.issued_until, added.issued_until),
                    else_=old.issued_until,
                ),
                "keep_until": case(
                    (or_(added.keep_until.is_(None), old.keep_until.is_(None)), None),
                    (added.keep_until > old.keep_until, added.keep_until),
                    else_=old.keep_until,
                ),
            },
        )
    )
    row = connection.execute(
        select(revocations).where(old.subject == new.subject)
    ).one()
    return Revocation(**row._asdict())


def undo(connection: Connection, target: str) -> None:
    """Make a target's links valid again; raise RevocationError if it is not revoked."""
    if not remove(connection, target):
        raise RevocationError(f"{target} is not revoked")


def remove(connection: Connection, target: str) -> bool:
    """Delete a target's revocation, and tell whether it existed."""
    deleted = connection.execute(
        delete(revocations).where(revocations.c.subject == target)
    )
    return bool(deleted.rowcount)


def listing(
    connection: Connection, *, limit: int | None = None, after: str = ""
) -> list[Revocation]:
    """Return the revocations whose target follows *after*, sorted by target."""
    query = (
        select(revocations)
        .where(revocations.c.subject > after)
        .order_by(revocations.c.subject)
        .limit(limit)
    )
    return [Revocation(**row._asdict()) for row in connection.execute(query)]


class RevocationQuery:
    """Tells with one indexed query whether any of several targets is revoked.

    Nothing is cached in the process: every worker sees a revocation at once.
    """

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._lookups: dict[int, Lookup] = {}

    def covers(self, targets: Sequence[str], *, issued: int) -> bool:
        """Tell whether a link, *issued* at that second, has a revoked target."""
        count = len(targets)
        lookup = self._lookups.get(count) or self._lookup(count)
        return lookup.first(*targets, issued) is not None

    def _lookup(self, count: int) -> Lookup:
        query = select(revocations.c.subject).where(
            revocations.c.subject.in_([bindparam(f"s{n}") for n in range(count)]),
            revocations.c.issued_until >= bindparam("issued"),
        )
        lookup = self._lookups[count] = Lookup(self._reader, query)
        return lookup
