"""Bearer tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select, text, update

from gateway.catalog import tokens, users
from gateway.catalog.schema import tokens as table
from gateway.catalog.tokens import Scope
from gateway.errors import AccountError, NotAuthenticatedError
from tests.catalog.conftest import ON_SQLITE

if TYPE_CHECKING:
    from gateway.catalog.database import Database
    from gateway.catalog.users import User


@pytest.fixture
def token(database: Database, ann: User) -> str:
    with database.write() as connection:
        return tokens.new(
            connection, ann, scopes={Scope.READ, Scope.UPLOAD}, expires=200, now=100
        )


def authenticate(database: Database, token: str, *, now: int = 150) -> User:
    with database.read() as connection:
        return tokens.authenticate(connection, token, now=now)[0]


def test_a_token_tells_its_user_and_scopes(
    database: Database, ann: User, token: str
) -> None:
    with database.read() as connection:
        user, found = tokens.authenticate(connection, token, now=150)
    assert user == ann
    assert found.scopes == {Scope.READ, Scope.UPLOAD}


def test_its_secret_is_stored_nowhere(database: Database, token: str) -> None:
    secret = token.split("_", 2)[2]
    with database.read() as connection:
        row = connection.execute(text("SELECT * FROM tokens")).one()
    assert secret.encode() not in repr(row).encode()


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda t: t[:-1] + ("A" if t[-1] != "A" else "B"), id="changed"),
        pytest.param(lambda t: t + "\n", id="line feed"),
        pytest.param(lambda t: t.upper(), id="capitals"),
        pytest.param(lambda t: t.replace("gwt_", "gwt_a", 1), id="other id"),
        pytest.param(lambda _: "", id="empty"),
        pytest.param(lambda _: "\ud800", id="surrogate"),
    ],
)
def test_no_other_text_is_a_token(
    database: Database,
    token: str,
    damage: object,
) -> None:
    assert callable(damage)
    with pytest.raises(NotAuthenticatedError):
        authenticate(database, damage(token))


@pytest.mark.parametrize("place", [0, 1, 15, 31], ids=str)
def test_its_digest_has_to_fit_in_every_byte(
    database: Database, token: str, place: int
) -> None:
    with database.write() as connection:
        stored = connection.execute(select(table.c.digest)).scalar_one()
        wrong = bytearray(stored)
        wrong[place] ^= 1
        connection.execute(update(table).values(digest=bytes(wrong)))
    with pytest.raises(NotAuthenticatedError):
        authenticate(database, token)


def test_it_ends_when_it_expires(database: Database, ann: User, token: str) -> None:
    assert authenticate(database, token, now=199) == ann
    with pytest.raises(NotAuthenticatedError):
        authenticate(database, token, now=200)


def test_it_ends_when_it_is_revoked(database: Database, token: str) -> None:
    with database.write() as connection:
        tokens.revoke(connection, token.split("_")[1], now=160)
    with pytest.raises(NotAuthenticatedError):
        authenticate(database, token)


def test_it_rests_while_its_user_is_disabled(
    database: Database, ann: User, token: str
) -> None:
    with database.write() as connection:
        users.set_disabled(connection, ann, is_disabled=True)
    with pytest.raises(NotAuthenticatedError):
        authenticate(database, token)


def test_its_use_is_noted_once_a_minute(database: Database, token: str) -> None:
    with database.write() as connection:
        fresh = tokens.authenticate(connection, token, now=150)[1]
        tokens.note_use(connection, fresh, now=150)
        used = tokens.authenticate(connection, token, now=160)[1]
    assert tokens.is_use_worth_noting(fresh, now=150)
    assert used.last_used == 150
    assert not tokens.is_use_worth_noting(used, now=160)
    assert tokens.is_use_worth_noting(used, now=210)


def test_only_a_token_that_is_there_can_be_revoked(database: Database) -> None:
    with database.write() as connection, pytest.raises(AccountError):
        tokens.revoke(connection, "nothere", now=1)


@ON_SQLITE
def test_a_token_needs_a_scope(database: Database, ann: User) -> None:
    with database.write() as connection, pytest.raises(AccountError):
        tokens.new(connection, ann, scopes=(), expires=None, now=1)
