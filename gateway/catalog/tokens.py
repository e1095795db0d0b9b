"""Bearer tokens: shown once, stored hashed, scoped, revocable.

``gwt_<id>_<secret>``: the prefix lets secret scanners find a leaked token, the id is
the key of the row.  The secret has 256 random bits, so one SHA-256 is enough.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import insert, select, update

from gateway.catalog import users
from gateway.catalog.ids import new_id
from gateway.catalog.schema import tokens
from gateway.errors import AccountError, NotAuthenticatedError

if TYPE_CHECKING:
    from collections.abc import Collection

    from sqlalchemy import Connection, Row

    from gateway.catalog.users import User

_TEXT: Final = re.compile(r"gwt_([a-z0-9]{12})_([A-Za-z0-9_-]{43})", re.ASCII)
#: Minimum seconds between two updates of ``last_used``: not every request writes.
_LAST_USED_STEP: Final = 60


class Scope(StrEnum):
    """The permissions of a token."""

    UPLOAD = "upload"
    READ = "read"
    SHARE = "share"
    ADMIN = "admin"
    METRICS = "metrics"


@dataclass(frozen=True, kw_only=True)
class Token:
    """One bearer token, without its secret."""

    id: str
    user_id: int
    scopes: frozenset[Scope]
    created: int
    expires: int | None
    last_used: int | None
    revoked: int | None


def new(
    connection: Connection,
    user: User,
    *,
    scopes: Collection[Scope],
    expires: int | None,
    now: int,
) -> str:
    """Insert a token and return its text, which can't be recovered later."""
    if not scopes:
        raise AccountError("a token needs at least one scope")
    token_id = new_id()
    secret = secrets.token_urlsafe(32)
    connection.execute(
        insert(tokens).values(
            id=token_id,
            user_id=user.id,
            digest=_digest(secret),
            scopes=" ".join(sorted(scopes)),
            created=now,
            expires=expires,
        )
    )
    return f"gwt_{token_id}_{secret}"


def authenticate(connection: Connection, text: str, *, now: int) -> tuple[User, Token]:
    """Return the user and the token of *text*.

    Raise NotAuthenticatedError for unknown, expired and revoked tokens, and for tokens
    of disabled users: all look alike.
    """
    match = _TEXT.fullmatch(text)
    if match is None:
        raise NotAuthenticatedError
    row = connection.execute(
        select(tokens).where(tokens.c.id == match[1])
    ).one_or_none()
    if row is None or not hmac.compare_digest(row.digest, _digest(match[2])):
        raise NotAuthenticatedError
    token = _token(row)
    user = users.by_id(connection, token.user_id)
    is_over = token.expires is not None and now >= token.expires
    if is_over or token.revoked is not None or user is None or user.is_disabled:
        raise NotAuthenticatedError
    return user, token


def is_use_worth_noting(token: Token, *, now: int) -> bool:
    """Tell whether the stored last use is old enough to be updated."""
    return token.last_used is None or now - token.last_used >= _LAST_USED_STEP


def note_use(connection: Connection, token: Token, *, now: int) -> None:
    """Store *now* as the token's last use."""
    connection.execute(
        update(tokens).where(tokens.c.id == token.id).values(last_used=now)
    )


def revoke(connection: Connection, token_id: str, *, now: int) -> None:
    """Revoke a token; raise AccountError if no valid token has that id."""
    changed = connection.execute(
        update(tokens)
        .where(tokens.c.id == token_id, tokens.c.revoked.is_(None))
        .values(revoked=now)
    )
    if not changed.rowcount:
        raise AccountError(f"there is no token {token_id} that could be revoked")


def revoke_all(connection: Connection, user: User, *, now: int) -> int:
    """Revoke all tokens of *user*; return their number."""
    return connection.execute(
        update(tokens)
        .where(tokens.c.user_id == user.id, tokens.c.revoked.is_(None))
        .values(revoked=now)
    ).rowcount


def everyone(connection: Connection) -> list[Token]:
    """Return all tokens, oldest first."""
    return [
        _token(row)
        for row in connection.execute(
            select(tokens).order_by(tokens.c.created, tokens.c.id)
        )
    ]


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()


def _token(row: Row[Any]) -> Token:
    return Token(
        id=row.id,
        user_id=row.user_id,
        scopes=frozenset(Scope(scope) for scope in row.scopes.split()),
        created=row.created,
        expires=row.expires,
        last_used=row.last_used,
        revoked=row.revoked,
    )
