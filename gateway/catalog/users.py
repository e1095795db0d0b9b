"""Users: names, argon2id passwords, roles.

Hashes are computed while no transaction is open (``password_hashes``): a password is
hashed first and stored afterwards.  A login reads the hash, verifies the password, and
then calls ``is_unchanged``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from gateway.catalog import login_attempts, password_hashes
from gateway.catalog.password_hashes import MAXIMUM_LENGTH, PasswordHash
from gateway.catalog.schema import login_sessions, users
from gateway.errors import AccountError

if TYPE_CHECKING:
    from collections.abc import Collection

    from sqlalchemy import Connection, Row

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._@+-]{0,63}", re.ASCII)
MINIMUM_PASSWORD: Final = 10
MAXIMUM_PASSWORD: Final = MAXIMUM_LENGTH


class Role(StrEnum):
    """Members see only their own uploads, admins the uploads of all users."""

    ADMIN = "admin"
    MEMBER = "member"


@dataclass(frozen=True, kw_only=True)
class User:
    """One account.

    ``session_epoch`` counts the changes of the password and of ``is_disabled``.  With
    ``must_change_password`` the user must choose a password before anything else.
    """

    id: int
    name: str
    role: Role
    is_disabled: bool
    session_epoch: int
    stored_bytes: int
    must_change_password: bool = False
    may_send_mail: bool = True


@dataclass(frozen=True)
class Credentials:
    """The user and password hash of a login name; both None for an unknown name."""

    user: User | None = None
    password_hash: str | None = None

    def check(self, password: str) -> User | None:
        """Return the user if the password is correct and the user is not disabled.

        This computes argon2 for unknown names as well: the time does not reveal which
        names exist.
        """
        is_right = password_hashes.verifies(self.password_hash, password)
        if not is_right or self.user is None or self.user.is_disabled:
            return None
        return self.user


def hash_password(password: str) -> PasswordHash:
    """Return the hash of *password*; raise AccountError for a bad length."""
    if not MINIMUM_PASSWORD <= len(password) <= MAXIMUM_PASSWORD:
        raise AccountError(
            f"a password has {MINIMUM_PASSWORD} to {MAXIMUM_PASSWORD} characters"
        )
    return password_hashes.compute(password)


def add(
    connection: Connection,
    *,
    name: str,
    password_hash: PasswordHash,
    role: Role,
    now: int,
    must_change_password: bool = False,
) -> User:
    """Insert a user and return them; raise AccountError for a bad or taken name."""
    if not _NAME.fullmatch(name):
        raise AccountError(
            "a user's name has 1 to 64 small letters, digits or ._@+- and begins "
            "with a letter or digit"
        )
    values = {
        "name": name,
        "password_hash": password_hash,
        "role": role.value,
        "is_disabled": False,
        "session_epoch": 0,
        "stored_bytes": 0,
        "created": now,
        "must_change_password": must_change_password,
    }
    try:
        connection.execute(insert(users).values(values))
    except IntegrityError:
        raise AccountError(f"there is a user {name} already") from None
    return by_name(connection, name)


def by_name(connection: Connection, name: str) -> User:
    """Return the user with that name; raise AccountError if there is none."""
    user = credentials(connection, name).user
    if user is None:
        raise AccountError(f"there is no user {name}")
    return user


def by_id(connection: Connection, user_id: int) -> User | None:
    """Return the user with that id, or None."""
    row = connection.execute(select(users).where(users.c.id == user_id)).one_or_none()
    return None if row is None else _user(row)


def names(connection: Connection, user_ids: Collection[int]) -> dict[int, str]:
    """Return the names of users, by their ids."""
    query = select(users.c.id, users.c.name).where(users.c.id.in_(user_ids))
    return {row.id: row.name for row in connection.execute(query)}


def everyone(connection: Connection) -> list[User]:
    """Return all users, ordered by name."""
    return [
        _user(row) for row in connection.execute(select(users).order_by(users.c.name))
    ]


def credentials(connection: Connection, name: str) -> Credentials:
    """Return the credentials of the login name *name*, even if it does not exist."""
    if not _NAME.fullmatch(name):
        return Credentials()
    row = connection.execute(select(users).where(users.c.name == name)).one_or_none()
    return Credentials() if row is None else Credentials(_user(row), row.password_hash)


def is_unchanged(connection: Connection, user: User) -> bool:
    """Tell whether password and access of *user* are unchanged since they were read."""
    current = by_id(connection, user.id)
    return current is not None and current.session_epoch == user.session_epoch


def set_password(
    connection: Connection, user: User, password_hash: PasswordHash
) -> User:
    """Set a new password and return the changed user.

    All login sessions of the user are ended, and their login attempts are deleted.
    """
    _change(
        connection,
        user,
        password_hash=password_hash,
        must_change_password=False,
        session_epoch=users.c.session_epoch + 1,
    )
    login_attempts.clear_user(connection, user.id)
    return by_name(connection, user.name)


def set_disabled(connection: Connection, user: User, *, is_disabled: bool) -> None:
    """Disable or enable a user."""
    _change(
        connection,
        user,
        is_disabled=is_disabled,
        session_epoch=users.c.session_epoch + 1,
    )


def set_mail(connection: Connection, user: User, *, may_send_mail: bool) -> None:
    """Set whether mails are sent for a user's shares."""
    connection.execute(
        update(users).where(users.c.id == user.id).values(may_send_mail=may_send_mail)
    )


def _change(connection: Connection, user: User, **values: Any) -> None:  # noqa: ANN401
    connection.execute(update(users).where(users.c.id == user.id).values(**values))
    # The new epoch has made all earlier login sessions invalid.
    connection.execute(
        delete(login_sessions).where(login_sessions.c.user_id == user.id)
    )


def _user(row: Row[Any]) -> User:
    return User(
        id=row.id,
        name=row.name,
        role=Role(row.role),
        is_disabled=row.is_disabled,
        session_epoch=row.session_epoch,
        stored_bytes=row.stored_bytes,
        must_change_password=row.must_change_password,
        may_send_mail=row.may_send_mail,
    )
