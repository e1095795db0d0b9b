"""Sessions of people who are logged in: each can be seen and ended.

A browser's cookie holds ``<id>_<secret>``; the id finds the row, which has the secret's
digest.  The secret is 256 random bits, so that one SHA-256 is enough.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import delete, insert, select, update

from gateway.catalog import users
from gateway.catalog.ids import new_id
from gateway.catalog.schema import login_sessions
from gateway.errors import NotAuthenticatedError

if TYPE_CHECKING:
    from sqlalchemy import Connection, Row

    from gateway.catalog.users import User

_TEXT: Final = re.compile(r"([a-z0-9]{12})_([A-Za-z0-9_-]{43})", re.ASCII)
#: Seconds between two notes of a session's last use: not every request writes.
_LAST_SEEN_STEP: Final = 300


@dataclass(frozen=True, kw_only=True)
class Session:
    """One login, without its secret; times are Unix seconds.

    ``agent`` and ``network`` say in short from where it was begun.
    """

    id: str
    user_id: int
    created: int
    expires: int
    last_seen: int
    agent: str
    network: str


def begin(
    connection: Connection,
    user: User,
    *,
    agent: str,
    network: str,
    now: int,
    life: int,
) -> str:
    """Make a session of *life* seconds and return the text for its cookie.

    It is that of *user* as they were read: a new password since then ends it.
    """
    session_id = new_id()
    secret = secrets.token_urlsafe(32)
    connection.execute(
        insert(login_sessions).values(
            id=session_id,
            user_id=user.id,
            digest=_digest(secret),
            epoch=user.session_epoch,
            created=now,
            expires=now + life,
            last_seen=now,
            agent=agent,
            network=network,
        )
    )
    return f"{session_id}_{secret}"


def authenticate(
    connection: Connection, text: str, *, now: int
) -> tuple[User, Session]:
    """Return whose session *text* is; raise NotAuthenticatedError if nobody's.

    One that is over, was ended, or whose user has a new password or is disabled,
    looks like one that never was.
    """
    match = _TEXT.fullmatch(text)
    if match is None:
        raise NotAuthenticatedError
    row = connection.execute(
        select(login_sessions).where(login_sessions.c.id == match[1])
    ).one_or_none()
    if row is None or not hmac.compare_digest(row.digest, _digest(match[2])):
        raise NotAuthenticatedError
    user = users.by_id(connection, row.user_id)
    if (
        user is None
        or user.is_disabled
        or user.session_epoch != row.epoch
        or now >= row.expires
    ):
        raise NotAuthenticatedError
    return user, _session(row)


def is_use_worth_noting(session: Session, *, now: int) -> bool:
    """Tell whether the last use that is written down is long enough ago."""
    return now - session.last_seen >= _LAST_SEEN_STEP


def note_use(connection: Connection, session: Session, *, now: int) -> None:
    """Write down that the session was used."""
    connection.execute(
        update(login_sessions)
        .where(login_sessions.c.id == session.id)
        .values(last_seen=now)
    )


def of_user(connection: Connection, user: User, *, now: int) -> list[Session]:
    """Return the sessions of *user* that are not over, the last used one first."""
    query = (
        select(login_sessions)
        .where(
            login_sessions.c.user_id == user.id,
            login_sessions.c.epoch == user.session_epoch,
            login_sessions.c.expires > now,
        )
        .order_by(
            login_sessions.c.last_seen.desc(),
            login_sessions.c.created.desc(),
            login_sessions.c.id,
        )
    )
    return [_session(row) for row in connection.execute(query)]


def end(connection: Connection, user: User, session_id: str) -> bool:
    """End a session of *user*'s; tell whether there was one of that id."""
    gone = connection.execute(
        delete(login_sessions).where(
            login_sessions.c.id == session_id, login_sessions.c.user_id == user.id
        )
    )
    return bool(gone.rowcount)


def end_by(connection: Connection, text: str) -> None:
    """End the session whose text that is, if there is one."""
    match = _TEXT.fullmatch(text)
    if match is not None:
        connection.execute(
            delete(login_sessions).where(
                login_sessions.c.id == match[1],
                login_sessions.c.digest == _digest(match[2]),
            )
        )


def end_all(connection: Connection, user: User, *, but: str | None = None) -> int:
    """End the sessions of *user*, *but* that of one id; return how many."""
    query = delete(login_sessions).where(login_sessions.c.user_id == user.id)
    if but is not None:
        query = query.where(login_sessions.c.id != but)
    return connection.execute(query).rowcount


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()


def _session(row: Row[Any]) -> Session:
    return Session(
        id=row.id,
        user_id=row.user_id,
        created=row.created,
        expires=row.expires,
        last_seen=row.last_seen,
        agent=row.agent,
        network=row.network,
    )
