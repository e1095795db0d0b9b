"""Links that were taken back, by subject: one URL, a path, a key, or an upload.

A revocation kills the links of its subject that were issued until a moment.
Links that are issued later are good: a file can be shared anew.
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

#: What PostgreSQL's index takes, with room to spare.
MAXIMUM_SUBJECT_BYTES: Final = 2048


@dataclass(frozen=True, kw_only=True)
class Revocation:
    """One of them; times are Unix seconds, both bounds included.

    It may be forgotten after ``keep_until``, when no link of its is left; None
    is never.
    """

    subject: str
    issued_until: int
    created: int
    keep_until: int | None


def of_url(mac: str) -> str:
    """Return the subject of the one signed URL with that MAC."""
    return f"url:{mac}"


def of_path(path: str) -> str:
    """Return the subject of all links to *path* or below it, ``""`` being all."""
    return f"path:{path}"


def of_key(key_id: str) -> str:
    """Return the subject of all links that a key signed."""
    return f"key:{key_id}"


def of_upload(upload_id: str) -> str:
    """Return the subject of all links to an upload."""
    return f"upload:{upload_id}"


def revoke(connection: Connection, new: Revocation) -> Revocation:
    """Write a revocation down and return what now holds for its subject.

    One that is there already is widened, never narrowed.
    """
    if len(new.subject.encode()) > MAXIMUM_SUBJECT_BYTES:
        raise RevocationError(
            f"a path of more than {MAXIMUM_SUBJECT_BYTES} bytes can't be revoked: "
            "revoke a folder above it, or the URL"
        )
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    statement = dialect.insert(revocations).values(**vars(new))
    old, given = revocations.c, statement.excluded
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=[old.subject],
            set_={
                "issued_until": case(
                    (given.issued_until > old.issued_until, given.issued_until),
                    else_=old.issued_until,
                ),
                "keep_until": case(
                    (or_(given.keep_until.is_(None), old.keep_until.is_(None)), None),
                    (given.keep_until > old.keep_until, given.keep_until),
                    else_=old.keep_until,
                ),
            },
        )
    )
    row = connection.execute(
        select(revocations).where(old.subject == new.subject)
    ).one()
    return Revocation(**row._asdict())


def undo(connection: Connection, subject: str) -> None:
    """Let a subject's links be good again; raise RevocationError if they are."""
    if not forget(connection, subject):
        raise RevocationError(f"{subject} is not revoked")


def forget(connection: Connection, subject: str) -> bool:
    """Strike out a revocation, and tell whether there was one."""
    gone = connection.execute(
        delete(revocations).where(revocations.c.subject == subject)
    )
    return bool(gone.rowcount)


def listing(
    connection: Connection, *, limit: int | None = None, after: str = ""
) -> list[Revocation]:
    """Return revocations in the order of their subjects, from behind *after*."""
    query = (
        select(revocations)
        .where(revocations.c.subject > after)
        .order_by(revocations.c.subject)
        .limit(limit)
    )
    return [Revocation(**row._asdict()) for row in connection.execute(query)]


class RevocationQuery:
    """Tells in one indexed look-up whether any of several subjects is revoked.

    Nothing is kept in the process: every worker sees a revocation at once.
    """

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._lookups: dict[int, Lookup] = {}

    def covers(self, subjects: Sequence[str], *, issued: int) -> bool:
        """Tell whether a link that was *issued* then has a revoked subject."""
        count = len(subjects)
        lookup = self._lookups.get(count) or self._lookup(count)
        return lookup.first(*subjects, issued) is not None

    def _lookup(self, count: int) -> Lookup:
        query = select(revocations.c.subject).where(
            revocations.c.subject.in_([bindparam(f"s{n}") for n in range(count)]),
            revocations.c.issued_until >= bindparam("issued"),
        )
        made = self._lookups[count] = Lookup(self._reader, query)
        return made
