"""One fixture, two databases: each catalog test runs on both."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gateway.catalog import users
from gateway.catalog.database import Database
from gateway.catalog.upgrade import upgrade
from gateway.catalog.users import Role

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from gateway.catalog.users import User
    from tests.catalog.postgres import Server


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Give the URL of a database without any table."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/catalog.sqlite3"
        return
    server: Server = request.getfixturevalue("postgresql")
    with server.new_database() as url:
        yield url


@pytest.fixture
def database(empty_url: str) -> Iterator[Database]:
    opened = Database.open(empty_url)
    upgrade(opened)
    yield opened
    opened.engine.dispose()


@pytest.fixture
def ann(database: Database) -> User:
    with database.write() as connection:
        return users.add(
            connection,
            name="ann",
            password_hash=users.hash_password("a long password"),
            role=Role.MEMBER,
            now=1,
        )
