"""Behind a pooler the next transaction may find itself on another connection."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Final

import pytest
from sqlalchemy import make_url, text

from gateway.catalog import revocations
from gateway.catalog.database import Database
from gateway.catalog.revision import is_usable
from gateway.catalog.upgrade import upgrade
from gateway.catalog.verdict_queries import Reader
from tests.catalog.pgbouncer import pooled
from tests.users import a_user

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection

    from tests.catalog.postgres import Server

#: psycopg prepares what it is asked for more often than five times.
OFTEN: Final = 12
PID: Final = "SELECT pg_backend_pid()"


@pytest.fixture
def database(postgresql: Server) -> Iterator[Database]:
    with (
        postgresql.new_database(is_migrated=True) as url,
        pooled(postgresql, make_url(url).database or "") as url_of_pooler,
    ):
        opened = Database.open(url_of_pooler)
        yield opened
        opened.engine.dispose()


def taken(database: Database, pids: set[int], stack: ExitStack) -> None:
    """Have others keep those connections of the server."""
    left = set(pids)
    while left:
        other: Connection = stack.enter_context(database.read())
        left.discard(other.execute(text(PID)).scalar_one())


def test_a_look_up_goes_on_over_any_connection(database: Database) -> None:
    reader = Reader(database)
    first = {reader.first(PID, ()) for _ in range(OFTEN)}
    with ExitStack() as stack:
        taken(database, {pid for (pid,) in filter(None, first)}, stack)
        then = {reader.first(PID, ()) for _ in range(OFTEN)}
    reader.close()
    assert first.isdisjoint(then)


def test_a_transaction_goes_on_over_any_connection(database: Database) -> None:
    def pid() -> int:
        with database.read() as connection:
            found: int = connection.execute(text(PID)).scalar_one()
        return found

    first = {pid() for _ in range(OFTEN)}
    with ExitStack() as stack:
        taken(database, first, stack)
        then = {pid() for _ in range(OFTEN)}
    assert first.isdisjoint(then)


def test_nothing_that_a_writer_sets_is_there_for_others(database: Database) -> None:
    shown = text(
        "SELECT pg_backend_pid(), current_setting('lock_timeout'), "
        "current_setting('transaction_isolation')"
    )
    with database.write() as connection:
        mine = connection.execute(shown).one()
    with database.snapshot() as connection:
        seen = connection.execute(shown).one()
    with database.read() as connection:
        other = connection.execute(shown).one()
    assert mine[0] == seen[0] == other[0]
    assert mine[1:] == ("5s", "read committed")
    assert seen[1:] == ("0", "repeatable read")
    assert other[1:] == ("0", "read committed")


def test_the_catalog_is_made_and_changed_through_it(postgresql: Server) -> None:
    with (
        postgresql.new_database() as url,
        pooled(postgresql, make_url(url).database or "") as url_of_pooler,
    ):
        database = Database.open(url_of_pooler)
        upgrade(database)
        for number in range(OFTEN):
            with database.write() as connection:
                a_user(connection, f"user{number}")
        check = revocations.RevocationQuery(Reader(database))
        assert not any(check.covers(["path:"], issued=1) for _ in range(OFTEN))
        assert is_usable(database)
        database.engine.dispose()
