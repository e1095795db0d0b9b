"""What monitoring is told of the catalog, on both databases."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.catalog import census, leases, login_sessions, outbox, uploads
from gateway.catalog.census import Census
from tests.catalog.test_leases import LATER, NOW, a_link

if TYPE_CHECKING:
    from gateway.catalog.database import Database
    from gateway.catalog.users import User

NOTHING = Census(
    stored_bytes=0,
    reserved_bytes=0,
    running_uploads=0,
    login_sessions=0,
    upload_sessions=0,
    open_leases=0,
    downloads=0,
    mails={"waiting": 0, "sending": 0},
    oldest_created=None,
)


def taken(database: Database, now: int = NOW) -> Census:
    with database.read() as connection:
        return census.take(connection, now=now)


def test_an_empty_catalog_has_nothing(database: Database) -> None:
    assert taken(database) == NOTHING


def test_what_is_over_is_not_counted(database: Database, ann: User) -> None:
    link = a_link(database, ann, 2)
    lease = link.take()
    with database.write() as connection:
        login_sessions.begin(connection, ann, agent="", network="", life=100, now=NOW)
        uploads.reserve(connection, ann, reservation="r", size=700, expires=NOW + 100)
        outbox.add(connection, [link.recipient], ann, now=NOW - 5, life=100)
        outbox.add(connection, [link.recipient], ann, now=NOW, life=100)
    now, later = taken(database), taken(database, LATER)
    with database.write() as connection:
        leases.spend(connection, {lease: NOW})
    spent = taken(database)
    assert (now.login_sessions, now.reserved_bytes, now.running_uploads) == (1, 700, 1)
    assert (now.open_leases, spent.open_leases, later.open_leases) == (1, 0, 0)
    assert (now.mails["waiting"], now.oldest_created) == (2, NOW - 5)
    assert (later.login_sessions, later.reserved_bytes, later.running_uploads) == (
        *(0, 0),
        0,
    )
