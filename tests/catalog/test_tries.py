"""Tries of passwords: counted once each, also when they come all at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select

from gateway.catalog import tries
from gateway.catalog.schema import tries as table
from gateway.catalog.tries import WINDOW, Subject
from gateway.errors import TooManyTriesError

if TYPE_CHECKING:
    from gateway.catalog.database import Database

ANN = Subject("account", "ann", 3)
BOB = Subject("account", "bob", 3)
NOW = 1_800_000_000


def spend(database: Database, *subjects: Subject, now: int = NOW) -> int:
    """Spend one try of each; return after how long to come again, 0 if it was let."""
    try:
        with database.write() as connection:
            for subject in subjects:
                tries.spend(connection, subject, now=now)
    except TooManyTriesError as error:
        return error.retry_after
    return 0


def keys(database: Database) -> list[str]:
    with database.read() as connection:
        return list(connection.execute(select(table.c.subject)).scalars())


def test_the_limit_is_the_last_try_that_is_let(database: Database) -> None:
    assert [spend(database, ANN) for _ in range(5)] == [0, 0, 0, WINDOW, WINDOW]


def test_subjects_are_counted_apart(database: Database) -> None:
    seen = [spend(database, ANN) for _ in range(4)]
    assert (seen[-1], spend(database, BOB)) == (WINDOW, 0)


def test_kinds_are_counted_apart(database: Database) -> None:
    seen = [spend(database, ANN) for _ in range(4)]
    assert (seen[-1], spend(database, Subject("address", "ann", 3))) == (WINDOW, 0)


def test_a_window_ends_when_it_began_however_often_was_tried(
    database: Database,
) -> None:
    seen = [spend(database, ANN, now=NOW + 100 * number) for number in range(5)]
    last = spend(database, ANN, now=NOW + WINDOW - 1)
    over = [spend(database, ANN, now=NOW + WINDOW) for _ in range(4)]
    assert seen == [0, 0, 0, WINDOW - 300, WINDOW - 400]
    assert (last, over) == (1, [0, 0, 0, WINDOW])


def test_a_try_that_is_refused_is_counted_nowhere(database: Database) -> None:
    seen = [spend(database, ANN) for _ in range(3)]
    refused = [spend(database, BOB, ANN) for _ in range(9)]
    assert (seen, refused) == ([0] * 3, [WINDOW] * 9)
    assert spend(database, BOB) == 0


def test_a_good_try_is_given_back(database: Database) -> None:
    for _ in range(9):
        assert spend(database, ANN) == 0
        with database.write() as connection:
            tries.give_back(connection, ANN)
    assert [spend(database, ANN) for _ in range(4)] == [0, 0, 0, WINDOW]


def test_nothing_is_given_back_below_none(database: Database) -> None:
    spend(database, ANN)
    with database.write() as connection:
        tries.give_back(connection, ANN)
        tries.give_back(connection, ANN)
    assert [spend(database, ANN) for _ in range(4)] == [0, 0, 0, WINDOW]


def test_what_is_cleared_begins_anew(database: Database) -> None:
    seen = [spend(database, ANN) for _ in range(4)]
    with database.write() as connection:
        tries.clear(connection, ANN)
    assert (seen[-1], spend(database, ANN)) == (WINDOW, 0)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("x" * 100_000, id="long"),
        pytest.param("\0", id="NUL"),
        pytest.param("\ud800", id="surrogate"),
    ],
)
def test_whatever_was_typed_is_counted_and_not_kept(
    database: Database, name: str
) -> None:
    subject = Subject("account", name, 1)
    assert [spend(database, subject), spend(database, subject)] == [0, WINDOW]
    assert len(keys(database)[0]) == len("account:") + 64


def test_tries_at_once_are_all_counted(database: Database) -> None:
    with ThreadPoolExecutor(8) as pool:
        seen = list(pool.map(lambda _: spend(database, ANN, BOB), range(24)))
    assert sorted(seen) == [0] * 3 + [WINDOW] * 21
