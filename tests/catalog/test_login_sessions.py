"""Sessions: begun, found, and over, on both databases."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import func, select

from gateway.catalog import login_sessions, users
from gateway.catalog.schema import login_sessions as table
from gateway.errors import NotAuthenticatedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection

    from gateway.catalog.database import Database
    from gateway.catalog.users import User

NOW = 1_800_000_000


def begin(database: Database, user: User) -> str:
    with database.write() as connection:
        return login_sessions.begin(
            connection, user, agent="Firefox", network="n", now=NOW, life=100
        )


def is_good(database: Database, text: str, *, now: int = NOW) -> bool:
    try:
        with database.read() as connection:
            login_sessions.authenticate(connection, text, now=now)
    except NotAuthenticatedError:
        return False
    return True


def rows(database: Database) -> int:
    with database.read() as connection:
        return int(
            connection.execute(select(func.count()).select_from(table)).scalar_one()
        )


def test_a_session_leads_to_its_user(database: Database, ann: User) -> None:
    text = begin(database, ann)
    with database.read() as connection:
        user, session = login_sessions.authenticate(connection, text, now=NOW)
    assert (user, session.agent, session.network) == (ann, "Firefox", "n")
    assert (session.created, session.expires, session.last_seen) == (
        NOW,
        NOW + 100,
        NOW,
    )


def test_the_secret_is_not_stored(database: Database, ann: User) -> None:
    secret = begin(database, ann).partition("_")[2]
    with database.read() as connection:
        (row,) = connection.execute(select(table)).all()
    assert secret not in str(row)
    assert secret.encode() not in row.digest


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda text: text[:-1] + ".", id="another secret"),
        pytest.param(lambda text: text[:-1], id="cut"),
        pytest.param(lambda text: "a" * 12 + text[12:], id="another id"),
        pytest.param(lambda text: text.partition("_")[0], id="the id alone"),
        pytest.param(lambda _: "", id="nothing"),
        pytest.param(lambda text: f"{text}\n", id="a line feed"),
    ],
)
def test_another_text_is_nobody_s(
    database: Database, ann: User, damage: Callable[[str], str]
) -> None:
    text = begin(database, ann)
    assert is_good(database, text)
    assert not is_good(database, damage(text))


def test_a_session_is_over_in_its_last_second(database: Database, ann: User) -> None:
    text = begin(database, ann)
    seen = [is_good(database, text, now=NOW + n) for n in (99, 100)]
    assert seen == [True, False]


def set_password(connection: Connection, user: User) -> None:
    users.set_password(connection, user, users.hash_password("another password"))


def disable(connection: Connection, user: User) -> None:
    users.set_disabled(connection, user, is_disabled=True)


def disable_and_enable(connection: Connection, user: User) -> None:
    users.set_disabled(connection, user, is_disabled=True)
    users.set_disabled(connection, user, is_disabled=False)


CHANGES = [
    pytest.param(set_password, id="new password"),
    pytest.param(disable, id="disabled"),
    pytest.param(disable_and_enable, id="disabled for a while"),
]


@pytest.mark.parametrize("change", CHANGES)
def test_a_new_password_removes_the_sessions(
    database: Database, ann: User, change: Callable[[Connection, User], None]
) -> None:
    begin(database, ann)
    with database.write() as connection:
        change(connection, ann)
    assert rows(database) == 0


@pytest.mark.parametrize("change", CHANGES)
def test_a_session_that_a_new_password_has_overtaken_opens_nothing(
    database: Database, ann: User, change: Callable[[Connection, User], None]
) -> None:
    """A login has checked the old password, and begins its session afterwards."""
    with database.write() as connection:
        change(connection, ann)
    assert not is_good(database, begin(database, ann))


def test_a_session_ends_by_its_id_for_its_user(database: Database, ann: User) -> None:
    first, second = begin(database, ann), begin(database, ann)
    session_id = first.partition("_")[0]
    with database.write() as connection:
        ended = [login_sessions.end(connection, ann, session_id) for _ in range(2)]
    assert ended == [True, False]
    assert [is_good(database, text) for text in (first, second)] == [False, True]


def test_a_session_ends_by_its_own_text_alone(database: Database, ann: User) -> None:
    text = begin(database, ann)
    for other in ("", "rubbish", f"{text[:-1]}."):
        with database.write() as connection:
            login_sessions.end_by(connection, other)
    assert is_good(database, text)
    with database.write() as connection:
        login_sessions.end_by(connection, text)
    assert not is_good(database, text)


def test_all_sessions_end_but_one(database: Database, ann: User) -> None:
    texts = [begin(database, ann) for _ in range(3)]
    with database.write() as connection:
        ended = login_sessions.end_all(connection, ann, but=texts[1].partition("_")[0])
    assert ended == 2
    assert [is_good(database, text) for text in texts] == [False, True, False]


def test_what_is_over_is_not_listed(database: Database, ann: User) -> None:
    text = begin(database, ann)
    with database.read() as connection:
        now, later = (
            login_sessions.of_user(connection, ann, now=NOW + n) for n in (99, 100)
        )
    assert ([session.id for session in now], later) == ([text.partition("_")[0]], [])
