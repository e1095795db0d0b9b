from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.catalog import users
from gateway.catalog.users import Role

if TYPE_CHECKING:
    from gateway.catalog.database import Database
    from gateway.catalog.users import User


def test_a_snapshot_does_not_see_what_is_written_meanwhile(
    database: Database, ann: User
) -> None:
    with database.snapshot() as connection:
        before = users.everyone(connection)
        with database.write() as other:
            users.add(
                other,
                name="bob",
                password_hash=users.hash_password("a long password"),
                role=Role.MEMBER,
                now=1,
            )
        assert users.everyone(connection) == before == [ann]
    with database.read() as connection:
        assert len(users.everyone(connection)) == 2
