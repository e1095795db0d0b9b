"""What a catalog that can't answer raises, and that nothing is half done."""

from __future__ import annotations

import socket
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from sqlalchemy import QueuePool, event, text

from gateway.catalog import users
from gateway.catalog.database import Database
from gateway.catalog.lookups import Reader
from gateway.errors import CatalogBusyError

if TYPE_CHECKING:
    from pathlib import Path

    from gateway.catalog.users import User
    from tests.catalog.postgres import Server


def test_an_error_undoes_the_whole_transaction(database: Database, ann: User) -> None:
    def fail(user: User) -> None:
        with database.write() as connection:
            users.set_disabled(connection, user, is_disabled=True)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail(ann)
    with database.read() as connection:
        assert not users.by_name(connection, "ann").is_disabled


def test_a_commit_waits_for_the_disk(tmp_path: Path) -> None:
    database = Database.open(f"sqlite:///{tmp_path}/catalog.sqlite3")
    modes = []

    def note(connection: sqlite3.Connection, _record: object) -> None:
        modes.append(connection.execute("PRAGMA synchronous").fetchone())

    event.listen(database.engine, "connect", note)
    with database.read():
        pass
    database.engine.dispose()
    assert modes == [(2,)]  # FULL


def test_what_was_committed_is_seen_by_others(
    database: Database, url: str, ann: User
) -> None:
    other = Database.open(url)
    with database.write() as connection:
        users.set_disabled(connection, ann, is_disabled=True)
    with other.read() as connection:
        assert users.by_name(connection, "ann").is_disabled
    other.engine.dispose()


def test_a_writer_that_waits_too_long_is_told_that_the_catalog_is_busy(
    database: Database, url: str, ann: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.catalog.database._BUSY_TIMEOUT", 50)
    other = Database.open(url)
    with database.write() as first:
        users.set_disabled(first, ann, is_disabled=True)
        with pytest.raises(CatalogBusyError), other.write() as second:
            users.set_disabled(second, ann, is_disabled=True)
    other.engine.dispose()


def test_no_thread_waits_for_another_s_connection(database: Database) -> None:
    """A pool that is too small would let requests wait, and fail after 30 seconds."""
    everyone = threading.Barrier(40, timeout=20)

    def hold(_: int) -> None:
        with database.read() as connection:
            connection.execute(text("SELECT 1"))
            everyone.wait()

    with ThreadPoolExecutor(everyone.parties) as pool:
        list(pool.map(hold, range(everyone.parties)))
    kept = database.engine.pool
    assert isinstance(kept, QueuePool)
    assert kept.checkedin() <= 5


def test_the_first_one_to_open_a_new_file_is_waited_for(tmp_path: Path) -> None:
    """SQLite itself refuses at once: two would wait for each other for ever."""
    path = tmp_path / "catalog.sqlite3"
    database = Database.open(f"sqlite:///{path}")

    def mode() -> object:
        with database.read() as connection:
            return connection.execute(text("PRAGMA journal_mode")).scalar()

    first = sqlite3.connect(path, isolation_level=None)
    first.execute("BEGIN IMMEDIATE")
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(mode)
        with pytest.raises(TimeoutError):
            asked.result(0.2)
        first.close()
        assert asked.result() == "wal"
    database.engine.dispose()


def test_a_verdict_s_look_up_waits_no_longer(
    postgresql: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.catalog.database._BUSY_TIMEOUT", 50)
    database = Database.open(postgresql.url("postgres"))
    reader = Reader(database)
    with database.write() as connection:
        connection.execute(text("LOCK TABLE pg_description"))
        with pytest.raises(CatalogBusyError):
            reader.first("SELECT objoid FROM pg_description", ())
    reader.close()
    database.engine.dispose()


def test_the_operator_s_own_options_have_the_last_word(postgresql: Server) -> None:
    options = "-c lock_timeout=77 -c work_mem=1MB"
    database = Database.open(f"{postgresql.url('postgres')}&options={quote(options)}")
    with database.read() as connection:
        said = [
            connection.execute(text(f"SHOW {name}")).scalar_one()
            for name in ("lock_timeout", "work_mem")
        ]
    database.engine.dispose()
    assert said == ["77ms", "1MB"]


def test_options_may_come_in_two(postgresql: Server) -> None:
    options = "&options=-c%20work_mem%3D1MB&options=-c%20temp_buffers%3D1MB"
    database = Database.open(postgresql.url("postgres") + options)
    with database.read() as connection:
        said = [
            connection.execute(text(f"SHOW {name}")).scalar_one()
            for name in ("lock_timeout", "work_mem", "temp_buffers")
        ]
    database.engine.dispose()
    assert said == ["5s", "1MB", "1MB"]


def test_a_pooler_is_asked_for_no_options(postgresql: Server) -> None:
    """Some poolers refuse a connection that brings any."""
    database = Database.open(postgresql.url("postgres"))
    with database.engine.connect() as connection:
        driver: Any = connection.connection.driver_connection
        asked = driver.info.get_parameters()
    database.engine.dispose()
    assert "options" not in asked
    assert asked["tcp_user_timeout"] == "10000"


def test_a_server_that_does_not_answer_is_a_busy_catalog(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("gateway.catalog.database._CONNECT_TIMEOUT", 2)
    with socket.create_server(("127.0.0.1", 0)) as mute:
        port = mute.getsockname()[1]
        database = Database.open(f"postgresql+psycopg://gw@127.0.0.1:{port}/gw")
        with pytest.raises(CatalogBusyError), database.read():
            pass


def test_a_reader_goes_on_while_somebody_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.catalog.database._BUSY_TIMEOUT", 50)
    database = Database.open(f"sqlite:///{tmp_path}/c.sqlite3")
    with database.write() as writer, database.read() as reader:
        writer.execute(text("CREATE TABLE t (x INTEGER)"))
        assert reader.execute(text("SELECT 1")).scalar_one() == 1
    database.engine.dispose()


@pytest.mark.parametrize(
    "url",
    [
        pytest.param("sqlite:////nowhere/at/all/c.sqlite3", id="no folder"),
        pytest.param(
            "postgresql+psycopg://gw@/gw?host=/nowhere/at/all", id="no server"
        ),
    ],
)
def test_a_database_that_is_not_there_is_a_busy_catalog(url: str) -> None:
    database = Database.open(url)
    with pytest.raises(CatalogBusyError), database.read():
        pass


def test_a_restart_of_the_server_is_survived(restartable: Server) -> None:
    database = Database.open(restartable.url("postgres"))
    with database.read() as connection:
        before = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
    restartable.stop_server()
    restartable.start_server()
    with database.read() as connection:
        after = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
    database.engine.dispose()
    assert before != after
