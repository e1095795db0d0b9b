"""What all tests share: cheap passwords, catalogs to copy, whether engines run."""

from __future__ import annotations

import os
import shutil
import subprocess
from functools import cache
from typing import TYPE_CHECKING

import pytest
from argon2 import PasswordHasher
from sqlalchemy import Pool, event

from gateway.catalog.database import Database
from gateway.catalog.upgrade import upgrade
from tests.catalog.postgres import Server, programs

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sqlalchemy.pool import ConnectionPoolEntry


@cache
def missing_engine() -> str | None:
    """Return why containers can't run here, or None."""
    if shutil.which("docker") is None:
        return "docker is not installed"
    for command in (["docker", "info"], ["docker", "compose", "version"]):
        done = subprocess.run(command, capture_output=True, check=False)
        if done.returncode:
            return f"{' '.join(command)} fails"
    return None


def require_containers() -> None:
    """Skip where no engine runs; fail instead where containers are required."""
    reason = missing_engine()
    if reason is None:
        return
    if os.environ.get("REQUIRE_CONTAINERS") == "1":
        pytest.fail(f"the container tests are required, but {reason}")
    pytest.skip(reason)


@pytest.fixture(scope="session", autouse=True)
def cheap_passwords() -> Iterator[None]:
    """Hash passwords for next to nothing, in the tests' own process."""
    with pytest.MonkeyPatch.context() as patch:
        cheap = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
        patch.setattr("gateway.catalog.users._hasher", cheap)
        yield


@pytest.fixture(autouse=True)
def closed_connections() -> Iterator[None]:
    """Close what a test's catalogs have open; Python 3.13 warns of what is let go."""
    opened: list[ConnectionPoolEntry] = []

    def note(_connection: object, entry: ConnectionPoolEntry) -> None:
        opened.append(entry)

    event.listen(Pool, "connect", note)
    yield
    event.remove(Pool, "connect", note)
    for entry in opened:
        # Not close() beneath the pool: it would complain when it is let go itself.
        entry.invalidate()


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a catalog of SQLite's with the newest schema, for tests to copy."""
    path = tmp_path_factory.mktemp("migrated") / "catalog.sqlite3"
    database = Database.open(f"sqlite:///{path}")
    upgrade(database)
    database.engine.dispose()
    return path


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Server]:
    server = Server(programs())
    server.start()
    yield server
    server.stop()
