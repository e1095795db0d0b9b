"""The catalog's fixtures: a test runs on both databases, unless it is ON_SQLITE."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import Pool, event

from gateway.catalog.database import Database
from tests.users import a_user

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from gateway.catalog.users import User
    from tests.catalog.postgres import Server


def _sync_nothing(connection: object, _record: object) -> None:
    if isinstance(connection, sqlite3.Connection):
        # The test may have filled the disk.
        with suppress(sqlite3.OperationalError):
            connection.execute("PRAGMA synchronous = OFF")


@pytest.fixture(autouse=True)
def unsynced() -> Iterator[None]:
    """Switch off SQLite's syncs: no test with this fixture simulates a power cut."""
    event.listen(Pool, "connect", _sync_nothing)
    yield
    event.remove(Pool, "connect", _sync_nothing)


@pytest.fixture(params=["sqlite", "postgresql"])
def url(
    request: pytest.FixtureRequest, tmp_path: Path, migrated: Path
) -> Iterator[str]:
    """Yield the URL of a database with the newest schema and no rows."""
    if request.param == "sqlite":
        copy = shutil.copyfile(migrated, tmp_path / "catalog.sqlite3")
        yield f"sqlite:///{copy}"
        return
    server: Server = request.getfixturevalue("postgresql")
    with server.new_database(is_migrated=True) as url:
        yield url


#: Runs a test on SQLite only: the tested code does not depend on the database.
ON_SQLITE = pytest.mark.parametrize("url", ["sqlite"], indirect=True)


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    opened = Database.open(url)
    yield opened
    opened.engine.dispose()


@pytest.fixture
def ann(database: Database) -> User:
    with database.write() as connection:
        return a_user(connection, "ann")
