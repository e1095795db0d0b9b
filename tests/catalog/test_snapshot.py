from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.catalog import users
from tests.users import a_user

if TYPE_CHECKING:
    from gateway.catalog.database import Database
    from gateway.catalog.users import User


def test_a_snapshot_does_not_see_what_is_written_meanwhile(
    database: Database, ann: User
) -> None:
    with database.snapshot() as connection:
        before = users.everyone(connection)
        with database.write() as other:
            a_user(other, "bob")
        assert users.everyone(connection) == before == [ann]
    with database.read() as connection:
        assert len(users.everyone(connection)) == 2
