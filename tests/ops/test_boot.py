"""gunicorn begins with nothing on its way, whatever a kill has left."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gateway.catalog import partials, uploads
from gateway.catalog.database import Database
from gateway.catalog.partials import Partial
from gateway.ops.boot import end_what_ran
from gateway.storage.blobs import new_id
from tests.catalog.conftest import ON_SQLITE

if TYPE_CHECKING:
    from pathlib import Path

    from gateway.catalog.users import User


def some_of_each(database: Database, owner: User) -> str:
    """Have a piece and a PUT on their way; return the id of the piece's upload."""
    unfinished = Partial(
        id=new_id(),
        owner_id=owner.id,
        drop_id=None,
        name="a.bin",
        size=10,
        metadata="",
        concat="",
        created=100,
        expires=200,
        turn="request",
        turn_expires=200,
    )
    with database.write() as connection:
        partials.add(connection, unfinished)
        uploads.reserve(
            connection, owner, reservation=unfinished.id, size=10, expires=200
        )
        uploads.reserve(connection, owner, reservation="request", size=5, expires=200)
    return unfinished.id


@ON_SQLITE
def test_what_ran_is_over_and_what_is_unfinished_keeps_its_room(
    url: str, database: Database, ann: User
) -> None:
    unfinished = some_of_each(database, ann)
    end_what_ran(url)
    with database.read() as connection:
        after = uploads.usage(connection, ann, now=100)
        left = partials.by_id(connection, unfinished)
    assert (after.running, after.by_user) == (0, 10)
    assert left is not None
    assert left.turn == ""


@pytest.mark.parametrize("url", ["postgresql"], indirect=True)
def test_what_may_run_by_another_gateway_goes_on(
    url: str, database: Database, ann: User
) -> None:
    some_of_each(database, ann)
    end_what_ran(url)
    with database.read() as connection:
        after = uploads.usage(connection, ann, now=100)
    assert (after.running, after.by_user) == (2, 15)


def test_a_catalog_without_tables_is_left_alone(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/catalog.sqlite3"
    end_what_ran(url)
    database = Database.open(url)
    with database.read() as connection:
        assert not connection.dialect.get_table_names(connection)
    database.engine.dispose()
