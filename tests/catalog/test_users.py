"""Accounts: names, passwords, roles."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from threading import Barrier, BrokenBarrierError
from typing import TYPE_CHECKING
from unittest.mock import Mock

import pytest
from argon2 import extract_parameters
from argon2.profiles import RFC_9106_LOW_MEMORY
from sqlalchemy import text

from gateway.catalog import password_hashes, users
from gateway.catalog.users import MAXIMUM_PASSWORD, MINIMUM_PASSWORD, Role
from gateway.errors import AccountError
from tests.catalog.conftest import ON_SQLITE
from tests.users import a_user

if TYPE_CHECKING:
    from collections.abc import Callable

    from argon2 import PasswordHasher
    from sqlalchemy import Connection

    from gateway.catalog.database import Database
    from gateway.catalog.users import User


def test_a_user_is_known_by_name_id_and_password(database: Database, ann: User) -> None:
    with database.read() as connection:
        assert users.by_name(connection, "ann") == ann
        assert users.by_id(connection, ann.id) == ann
        found = users.credentials(connection, "ann")
    assert found.check("a long password") == ann


@pytest.mark.parametrize(
    ("name", "password"),
    [
        pytest.param("ann", "another password", id="wrong password"),
        pytest.param("bob", "a long password", id="no such user"),
        pytest.param("ann\x00", "a long password", id="NUL in the name"),
        pytest.param("ann", "a long\x00password", id="NUL in the password"),
        pytest.param("\ud800", "a long password", id="surrogate"),
        pytest.param("ann", "\ud800", id="surrogate in the password"),
    ],
)
def test_nobody_else_is_let_in(
    database: Database, ann: User, name: str, password: str
) -> None:
    assert ann.name == "ann"
    with database.read() as connection:
        found = users.credentials(connection, name)
    assert found.check(password) is None


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("ann", id="known"),
        pytest.param("bob", id="unknown"),
        pytest.param("No Name", id="no name"),
    ],
)
def test_a_wrong_password_costs_one_hash_whatever_the_name(
    database: Database, ann: User, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """The time of the answer must not tell which names there are."""
    assert ann.name == "ann"
    hasher = Mock(wraps=password_hashes._hasher)  # noqa: SLF001 -- what costs the time
    monkeypatch.setattr(password_hashes, "_hasher", hasher)
    with database.read() as connection:
        found = users.credentials(connection, name)
    assert found.check("another password") is None
    assert hasher.verify.call_count == 1


class Meeting:
    """A hasher that notes whether two threads are in it together."""

    def __init__(self) -> None:
        self._both = Barrier(2)
        self.has_met = False

    def hash(self, *_: object) -> str:
        self.verify()
        return ""

    def verify(self, *_: object) -> None:
        with suppress(BrokenBarrierError):
            self._both.wait(0.2)
            self.has_met = True


@pytest.mark.parametrize(
    "work",
    [
        pytest.param(lambda: users.hash_password("a long password"), id="new password"),
        pytest.param(
            lambda: users.Credentials(password_hash="x").check("a long password"),
            id="login",
        ),
    ],
)
def test_one_thread_hashes_at_a_time(
    monkeypatch: pytest.MonkeyPatch, work: Callable[[], object]
) -> None:
    """Logins that come together must not take 64 MiB each."""
    hasher = Meeting()
    monkeypatch.setattr(password_hashes, "_hasher", hasher)
    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(work) for _ in range(2)]:
            done.result()
    assert not hasher.has_met


def test_a_password_is_stored_as_argon2id(database: Database, ann: User) -> None:
    with database.read() as connection:
        stored = connection.execute(
            text("SELECT password_hash FROM users WHERE id = :id"), {"id": ann.id}
        ).scalar_one()
    assert stored.startswith("$argon2id$")


def test_a_password_costs_what_rfc_9106_advises(
    cheap_passwords: PasswordHasher,
) -> None:
    """The gateway's own hasher, which the tests replace by a cheap one."""
    hashed = cheap_passwords.hash("a long password")
    assert extract_parameters(hashed) == RFC_9106_LOW_MEMORY


def test_a_new_password_ends_the_old_one_and_its_sessions(
    database: Database, ann: User
) -> None:
    with database.write() as connection:
        changed = users.set_password(
            connection, ann, users.hash_password("a newer password")
        )
        found = users.credentials(connection, "ann")
    assert found.check("a long password") is None
    assert found.check("a newer password") == changed
    assert changed == replace(ann, session_epoch=ann.session_epoch + 1)


def test_a_disabled_user_is_not_let_in(database: Database, ann: User) -> None:
    with database.write() as connection:
        users.set_disabled(connection, ann, is_disabled=True)
        disabled = users.credentials(connection, "ann")
        users.set_disabled(connection, ann, is_disabled=False)
        enabled = users.credentials(connection, "ann")
    assert disabled.check("a long password") is None
    assert enabled.check("a long password") is not None


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(
            lambda connection, user: users.set_password(
                connection, user, users.hash_password("a newer password")
            ),
            id="password",
        ),
        pytest.param(
            lambda connection, user: users.set_disabled(
                connection, user, is_disabled=True
            ),
            id="disabled",
        ),
    ],
)
def test_a_user_is_unchanged_until_password_or_access_change(
    database: Database, ann: User, change: Callable[[Connection, User], object]
) -> None:
    with database.write() as connection:
        before = users.is_unchanged(connection, ann)
        change(connection, ann)
        after = users.is_unchanged(connection, ann)
    assert (before, after) == (True, False)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("", id="empty"),
        pytest.param("Ann", id="capital"),
        pytest.param("a b", id="blank"),
        pytest.param("-a", id="begins with a dash"),
        pytest.param("a\n", id="line feed"),
        pytest.param("a" * 65, id="too long"),
    ],
)
@ON_SQLITE
def test_a_bad_name_is_refused(database: Database, name: str) -> None:
    with (
        database.write() as connection,
        pytest.raises(AccountError, match="1 to 64 small letters"),
    ):
        a_user(connection, name, role=Role.ADMIN)


@pytest.mark.parametrize(
    "password",
    [
        pytest.param("x" * (MINIMUM_PASSWORD - 1), id="short"),
        pytest.param("x" * (MAXIMUM_PASSWORD + 1), id="long"),
    ],
)
def test_a_bad_password_is_refused(password: str) -> None:
    with pytest.raises(AccountError, match="a password has"):
        users.hash_password(password)


def test_a_name_is_given_once(database: Database, ann: User) -> None:
    with (
        pytest.raises(AccountError, match="there is a user ann already"),
        database.write() as connection,
    ):
        a_user(connection, ann.name)
