"""Users: names, argon2id passwords, roles."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from argon2 import PasswordHasher
from argon2.exceptions import VerificationError
from sqlalchemy import insert, select, update
from sqlalchemy.exc import IntegrityError

from gateway.catalog.schema import users
from gateway.errors import AccountError

if TYPE_CHECKING:
    from sqlalchemy import Connection, Row

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._@+-]{0,63}", re.ASCII)
MINIMUM_PASSWORD: Final = 10
MAXIMUM_PASSWORD: Final = 1024

_hasher: Final = PasswordHasher()  # argon2id, RFC 9106's low-memory profile


class Role(StrEnum):
    """What a user may see: the own uploads, or everybody's."""

    ADMIN = "admin"
    MEMBER = "member"


@dataclass(frozen=True, kw_only=True)
class User:
    """One account."""

    id: int
    name: str
    role: Role
    is_disabled: bool
    session_epoch: int
    stored_bytes: int


def add(
    connection: Connection, *, name: str, password: str, role: Role, now: int
) -> User:
    """Make a user; raise AccountError for a bad or taken name or password."""
    if not _NAME.fullmatch(name):
        raise AccountError(
            "a user's name has 1 to 64 small letters, digits or ._@+- and begins "
            "with a letter or digit"
        )
    values = {
        "name": name,
        "password_hash": _hash(password),
        "role": role.value,
        "is_disabled": False,
        "session_epoch": 0,
        "stored_bytes": 0,
        "created": now,
    }
    try:
        connection.execute(insert(users).values(values))
    except IntegrityError:
        raise AccountError(f"there is a user {name} already") from None
    return by_name(connection, name)


def by_name(connection: Connection, name: str) -> User:
    """Return the user of that name; raise AccountError if there is none."""
    row = connection.execute(select(users).where(users.c.name == name)).one_or_none()
    if row is None:
        raise AccountError(f"there is no user {name}")
    return _user(row)


def by_id(connection: Connection, user_id: int) -> User | None:
    """Return the user of that id, or None."""
    row = connection.execute(select(users).where(users.c.id == user_id)).one_or_none()
    return None if row is None else _user(row)


def everyone(connection: Connection) -> list[User]:
    """Return all users by name."""
    return [
        _user(row) for row in connection.execute(select(users).order_by(users.c.name))
    ]


def authenticate(connection: Connection, name: str, password: str) -> User | None:
    """Return the user whose name and password these are, or None.

    It takes as long for a name that does not exist.
    """
    row = None
    if _NAME.fullmatch(name):
        query = select(users).where(users.c.name == name)
        row = connection.execute(query).one_or_none()
    tried = _bytes(password[: MAXIMUM_PASSWORD + 1])
    try:
        _hasher.verify(_nobody() if row is None else row.password_hash, tried)
    except VerificationError:
        return None
    return None if row is None or row.is_disabled else _user(row)


def set_password(connection: Connection, user: User, password: str) -> None:
    """Give a new password; every session of the old one is over."""
    _change(
        connection,
        user,
        password_hash=_hash(password),
        session_epoch=users.c.session_epoch + 1,
    )


def set_disabled(connection: Connection, user: User, *, is_disabled: bool) -> None:
    """Take a user's access away, or give it back."""
    _change(
        connection,
        user,
        is_disabled=is_disabled,
        session_epoch=users.c.session_epoch + 1,
    )


def _change(connection: Connection, user: User, **values: Any) -> None:  # noqa: ANN401
    connection.execute(update(users).where(users.c.id == user.id).values(**values))


def _hash(password: str) -> str:
    if not MINIMUM_PASSWORD <= len(password) <= MAXIMUM_PASSWORD:
        raise AccountError(
            f"a password has {MINIMUM_PASSWORD} to {MAXIMUM_PASSWORD} characters"
        )
    return _hasher.hash(_bytes(password))


@cache
def _nobody() -> str:
    # Verified against when there is no such user: a name can't be told by the time.
    return _hasher.hash(secrets.token_hex())


def _bytes(password: str) -> bytes:
    # A form or a terminal may give halves of surrogate pairs.
    return password.encode("utf-8", "surrogatepass")


def _user(row: Row[Any]) -> User:
    return User(
        id=row.id,
        name=row.name,
        role=Role(row.role),
        is_disabled=row.is_disabled,
        session_epoch=row.session_epoch,
        stored_bytes=row.stored_bytes,
    )
