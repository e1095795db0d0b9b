"""Login sessions: a user can list and end each of them.

A browser's cookie holds ``<id>_<secret>``; the id finds the row, which has the secret's
digest.  The secret has 256 random bits, so one SHA-256 is enough.
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
#: Minimum seconds between two updates of ``last_seen``: not every request writes.
_LAST_SEEN_STEP: Final = 300


@dataclass(frozen=True, kw_only=True)
class Session:
    """One login, without its secret; times are Unix seconds.

    ``agent`` and ``network`` describe the browser and the network at login.
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
    """Insert a session of *life* seconds and return its cookie's value.

    The session gets the epoch in *user*: if the password has changed since *user* was
    read, the session is invalid.
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
    """Return the user and the session of a cookie's value.

    Raise NotAuthenticatedError if there is no such session, or if it has expired, was
    ended, or its user has a new password or is disabled: all look alike.
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
    """Tell whether the stored last use is old enough to be updated."""
    return now - session.last_seen >= _LAST_SEEN_STEP


def note_use(connection: Connection, session: Session, *, now: int) -> None:
    """Store *now* as the session's last use."""
    connection.execute(
        update(login_sessions)
        .where(login_sessions.c.id == session.id)
        .values(last_seen=now)
    )


def of_user(connection: Connection, user: User, *, now: int) -> list[Session]:
    """Return the valid sessions of *user*, the most recently used first."""
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
    """Delete a session of *user*; tell whether it existed."""
    deleted = connection.execute(
        delete(login_sessions).where(
            login_sessions.c.id == session_id, login_sessions.c.user_id == user.id
        )
    )
    return bool(deleted.rowcount)


def end_by(connection: Connection, text: str) -> None:
    """Delete the session with the cookie's value *text*, if it exists."""
    match = _TEXT.fullmatch(text)
    if match is not None:
        connection.execute(
            delete(login_sessions).where(
                login_sessions.c.id == match[1],
                login_sessions.c.digest == _digest(match[2]),
            )
        )


def end_all(connection: Connection, user: User, *, but: str | None = None) -> int:
    """Delete the sessions of *user* except the id *but*; return their number."""
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
