"""Tries of passwords: counted once each, also when they come all at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select

from gateway.catalog import login_attempts
from gateway.catalog.login_attempts import MEMORY, Counter, Pace
from gateway.catalog.schema import login_attempts as table
from gateway.errors import TooManyAttemptsError

if TYPE_CHECKING:
    from gateway.catalog.database import Database

PACE = Pace(free=3, first=2, most=10)
ANN, BOB = Counter("user:1:", PACE), Counter("user:2:", PACE)
NOW = 1_800_000_000


def spend(database: Database, *subjects: Counter, now: int = NOW) -> int:
    """Spend one try of each; return after how long to come again, 0 if it was let."""
    try:
        with database.write() as connection:
            login_attempts.spend(connection, subjects, now=now)
    except TooManyAttemptsError as error:
        return error.retry_after
    return 0


def keys(database: Database) -> list[str]:
    with database.read() as connection:
        return list(connection.execute(select(table.c.subject)).scalars())


@pytest.mark.parametrize(
    ("count", "wait"),
    [
        pytest.param(0, 0, id="the first"),
        pytest.param(2, 0, id="the last free one"),
        pytest.param(3, 2, id="the next"),
        pytest.param(4, 4, id="twice as long"),
        pytest.param(6, 10, id="the bound"),
        pytest.param(10**9, 10, id="for ever"),
    ],
)
def test_a_pace_grows_to_its_bound(count: int, wait: int) -> None:
    assert PACE.wait(count) == wait


def test_what_comes_too_early_waits_from_the_last_try_on(database: Database) -> None:
    free = [spend(database, ANN) for _ in range(3)]
    early = [spend(database, ANN, now=NOW + n) for n in (0, 1)]
    let = spend(database, ANN, now=NOW + 2)
    assert (free, early, let) == ([0] * 3, [2, 1], 0)
    assert spend(database, ANN, now=NOW + 2) == 4


def test_a_free_try_does_not_wait_for_a_clock_that_is_ahead(
    database: Database,
) -> None:
    """Two gateways count together; their clocks may differ by less than a minute."""
    clocks = (NOW + 30, NOW, NOW + 30)
    assert [spend(database, ANN, now=now) for now in clocks] == [0, 0, 0]
    assert spend(database, ANN) == 32


def test_subjects_are_counted_apart(database: Database) -> None:
    seen = [spend(database, ANN) for _ in range(4)]
    assert (seen[-1], spend(database, BOB)) == (2, 0)


def test_a_try_that_is_refused_is_counted_nowhere(database: Database) -> None:
    seen = [spend(database, ANN) for _ in range(3)]
    refused = [spend(database, BOB, ANN) for _ in range(9)]
    assert (seen, refused) == ([0] * 3, [2] * 9)
    assert [spend(database, BOB) for _ in range(4)] == [0, 0, 0, 2]


def test_the_longest_wait_is_told(database: Database) -> None:
    slow = Counter("user:3:", Pace(free=1, first=60, most=60))
    seen = [spend(database, ANN, slow), spend(database, ANN), spend(database, ANN)]
    assert (seen, spend(database, ANN, slow), spend(database, ANN)) == ([0] * 3, 60, 2)


def test_tries_are_forgotten_a_day_after_the_last_one(database: Database) -> None:
    for _ in range(3):
        spend(database, ANN)
    kept = spend(database, ANN, now=NOW + MEMORY - 1)
    early = spend(database, ANN, now=NOW + MEMORY - 1)
    over = [spend(database, ANN, now=NOW + 2 * MEMORY) for _ in range(4)]
    assert (kept, early, over) == (0, 4, [0, 0, 0, 2])


def test_a_good_try_is_given_back(database: Database) -> None:
    for _ in range(9):
        assert spend(database, ANN) == 0
        with database.write() as connection:
            login_attempts.give_back(connection, ANN)
    assert [spend(database, ANN) for _ in range(4)] == [0, 0, 0, 2]


def test_nothing_is_given_back_below_none(database: Database) -> None:
    spend(database, ANN)
    with database.write() as connection:
        login_attempts.give_back(connection, ANN)
        login_attempts.give_back(connection, ANN)
    assert [spend(database, ANN) for _ in range(4)] == [0, 0, 0, 2]


def test_what_is_cleared_begins_anew(database: Database) -> None:
    seen = [spend(database, ANN) for _ in range(4)]
    with database.write() as connection:
        login_attempts.clear(connection, ANN)
    assert (seen[-1], spend(database, ANN)) == (2, 0)


def test_a_user_s_tries_are_cleared_and_no_other_s(database: Database) -> None:
    mine, other, name = (
        login_attempts.account(1, "ann"),
        login_attempts.account(12, "bob"),
        login_attempts.account(None, "carl"),
    )
    subjects = [
        make
        for account in (mine, other, name)
        for make in (
            login_attempts.by_account(account),
            login_attempts.by_network(account, "n"),
        )
    ]
    spend(
        database,
        *subjects,
        login_attempts.by_browser(mine, "b"),
        login_attempts.by_address("a"),
    )
    with database.write() as connection:
        assert login_attempts.clear_user(connection, 1) == 3
    assert {key.partition(":")[0] for key in keys(database)} == {
        "user",
        "name",
        "address",
    }
    assert not [key for key in keys(database) if key.startswith("user:1:")]
    assert len(keys(database)) == 5


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
    subject = Counter(login_attempts.account(None, name), Pace(1, 2, 2))
    assert [spend(database, subject), spend(database, subject)] == [0, 2]
    assert len(keys(database)[0]) == len("name:") + 64


def test_tries_at_once_are_all_counted(database: Database) -> None:
    with ThreadPoolExecutor(8) as pool:
        seen = list(pool.map(lambda _: spend(database, ANN, BOB), range(24)))
    assert sorted(seen) == [0] * 3 + [2] * 21
