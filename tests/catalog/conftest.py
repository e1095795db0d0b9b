"""One fixture, two databases: each catalog test runs on both."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import create_engine, text

from gateway.catalog import users
from gateway.catalog.database import Database
from gateway.catalog.upgrade import upgrade
from gateway.catalog.users import Role
from tests.catalog.postgres import Server, programs

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from gateway.catalog.users import User

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Server]:
    server = Server(programs())
    server.start()
    yield server
    server.stop()


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return the URL of a database without any table."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/catalog.sqlite3"
    server: Server = request.getfixturevalue("postgresql")
    name = f"test{next(_numbers)}"
    engine = create_engine(server.url("postgres"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    engine.dispose()
    return server.url(name)


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
            connection, name="ann", password="a long password", role=Role.MEMBER, now=1
        )
