"""Users whom tests add to a catalog."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gateway.catalog import users
from gateway.catalog.users import Role

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from gateway.catalog.users import User

PASSWORD: Final = "a long password"


def a_user(connection: Connection, name: str, *, role: Role = Role.MEMBER) -> User:
    """Add a user with the password PASSWORD at the time 1."""
    return users.add(
        connection,
        name=name,
        password_hash=users.hash_password(PASSWORD),
        role=role,
        now=1,
    )
