"""What a catalog that can't answer raises, and that nothing is half done."""

from __future__ import annotations

import socket
import sqlite3
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from sqlalchemy import QueuePool, event, text

from gateway.catalog import users
from gateway.catalog.database import Database
from gateway.catalog.verdict_queries import Borrower, Reader
from gateway.errors import CatalogBusyError
from tests.live.stack import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from gateway.catalog.users import User
    from tests.catalog.postgres import Server

    Ask = Callable[[Database, str], None]


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
        with pytest.raises(CatalogBusyError, match="lock"), other.write() as second:
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


@pytest.fixture
def bounded(url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    """Give a catalog with at most two connections."""
    monkeypatch.setattr("gateway.catalog.database._POOL_TIMEOUT", 0.05)
    opened = Database.open(url, connections=2)
    yield opened
    opened.engine.dispose()


def test_beyond_its_connections_the_catalog_is_busy(bounded: Database) -> None:
    with bounded.read(), bounded.read():
        with pytest.raises(CatalogBusyError), bounded.read():
            pass
        with pytest.raises(CatalogBusyError):
            Borrower(bounded).first("SELECT 1", ())
    with bounded.read() as connection:
        assert connection.execute(text("SELECT 1")).scalar_one() == 1


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


@pytest.fixture
def impatient(restartable: Server) -> Iterator[Database]:
    """Open a catalog whose server may say nothing for two seconds."""
    opened = Database.open(restartable.url("postgres"), silence=2)
    yield opened
    opened.engine.dispose()


def ask_by_look_up(database: Database, query: str) -> None:
    reader = Reader(database)
    try:
        reader.first(query, ())
    finally:
        reader.close()


def ask_in_a_transaction(database: Database, query: str) -> None:
    with database.read() as connection:
        connection.execute(text(query))


def ask_as_a_writer(database: Database, query: str) -> None:
    with database.write() as connection:
        connection.execute(text(query))


ASKING = pytest.mark.parametrize(
    "ask",
    [
        pytest.param(ask_by_look_up, id="look-up"),
        pytest.param(ask_in_a_transaction, id="reader"),
        pytest.param(ask_as_a_writer, id="writer"),
    ],
)


@ASKING
def test_a_server_that_freezes_under_a_statement_is_given_up(
    impatient: Database, restartable: Server, ask: Ask
) -> None:
    asked_for = "SELECT 'a statement of this test', pg_sleep(5)"
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(ask, impatient, asked_for)
        wait_until(lambda: is_running(restartable, asked_for), what="it is asked")
        with restartable.frozen():
            began = time.monotonic()
            with pytest.raises(CatalogBusyError):
                asked.result(timeout=30)
            waited = time.monotonic() - began
    assert waited < 4  # two seconds, and one to tell the server


def is_running(server: Server, statement: str) -> bool:
    running = "SELECT query FROM pg_stat_activity WHERE state = 'active'"
    return statement in server.ask(running)


@ASKING
def test_a_frozen_server_is_waited_for_once(
    impatient: Database, restartable: Server, ask: Ask
) -> None:
    """Each try of a request would wait as long as the first one."""
    ask(impatient, "SELECT 1")
    with restartable.frozen():
        began = time.monotonic()
        for _ in range(5):
            with pytest.raises(CatalogBusyError):
                ask(impatient, "SELECT 1")
        waited = time.monotonic() - began
    assert waited < 4


@ASKING
def test_a_server_that_froze_is_asked_again(
    impatient: Database, restartable: Server, ask: Ask
) -> None:
    ask(impatient, "SELECT 1")
    with restartable.frozen(), pytest.raises(CatalogBusyError):
        ask(impatient, "SELECT 1")

    def answers() -> bool:
        with suppress(CatalogBusyError):
            ask(impatient, "SELECT 1")
            return True
        return False

    wait_until(answers, seconds=5, what="the server is asked again")


def test_what_comes_piece_by_piece_is_waited_for(restartable: Server) -> None:
    database = Database.open(restartable.url("postgres"), silence=0.5)
    with database.read() as connection:
        rows = connection.execute(
            text("SELECT repeat('x', 100000), pg_sleep(0.2) FROM generate_series(1, 6)")
        ).all()
    database.engine.dispose()
    assert len(rows) == 6


def test_a_statement_that_nobody_waits_for_is_cancelled(
    impatient: Database, restartable: Server
) -> None:
    """It would wait on, and take up a connection of the server."""
    asked_for = "SELECT 'nobody waits for this', pg_sleep(60)"
    with pytest.raises(CatalogBusyError):
        ask_by_look_up(impatient, asked_for)
    wait_until(
        lambda: not is_running(restartable, asked_for), what="it is given up there too"
    )


def test_a_writer_s_bound_ends_with_its_transaction(postgresql: Server) -> None:
    """A pooler gives the connection to others afterwards."""
    database = Database.open(postgresql.url("postgres"))
    bound = text("SELECT current_setting('lock_timeout'), pg_backend_pid()")
    with database.write() as connection:
        within = connection.execute(bound).one()
    with database.read() as connection:
        afterwards = connection.execute(bound).one()
    database.engine.dispose()
    assert within[1] == afterwards[1]
    assert (within[0], afterwards[0]) == ("5s", "0")


def test_the_operator_s_own_options_have_the_last_word(postgresql: Server) -> None:
    options = "-c lock_timeout=77 -c work_mem=1MB"
    database = Database.open(f"{postgresql.url('postgres')}&options={quote(options)}")
    with database.write() as connection:
        said = [
            connection.execute(text(f"SHOW {name}")).scalar_one()
            for name in ("lock_timeout", "work_mem")
        ]
    database.engine.dispose()
    assert said == ["77ms", "1MB"]


def test_options_may_come_in_two(postgresql: Server) -> None:
    options = "&options=-c%20work_mem%3D1MB&options=-c%20temp_buffers%3D1MB"
    database = Database.open(postgresql.url("postgres") + options)
    with database.write() as connection:
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


@pytest.mark.parametrize(
    ("said", "is_prepared"),
    [
        pytest.param("", False, id="no word of it"),
        pytest.param("&prepare_threshold=0", True, id="from the first time on"),
        pytest.param("&prepare_threshold=9", False, id="later than this"),
    ],
)
def test_statements_are_prepared_where_the_url_says_so(
    postgresql: Server, said: str, *, is_prepared: bool
) -> None:
    database = Database.open(postgresql.url("postgres") + said)
    reader = Reader(database)
    for _ in range(8):
        found = reader.first("SELECT count(*) > 0 FROM pg_prepared_statements", ())
    reader.close()
    database.engine.dispose()
    assert found == (is_prepared,)


def test_a_server_that_does_not_answer_is_a_busy_catalog() -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        port = mute.getsockname()[1]
        url = f"postgresql+psycopg://gw@127.0.0.1:{port}/gw"
        database = Database.open(url, silence=2)
        with pytest.raises(CatalogBusyError), database.read():
            pass


@pytest.mark.parametrize(
    "statement",
    [
        pytest.param("CREATE TABLE new (x int)", id="a table"),
        pytest.param("INSERT INTO pg_description VALUES (1, 1, 1, '')", id="a row"),
    ],
)
def test_a_server_that_is_read_only_is_a_busy_catalog(
    restartable: Server, statement: str
) -> None:
    database = Database.open(restartable.url("postgres"))
    with restartable.read_only(), pytest.raises(CatalogBusyError):
        ask_as_a_writer(database, statement)
    database.engine.dispose()


def test_a_catalog_is_asked_whether_it_can_be_written_to(restartable: Server) -> None:
    database = Database.open(restartable.url("postgres"))
    database.check_writable()
    with restartable.read_only(), pytest.raises(CatalogBusyError, match="read-only"):
        database.check_writable()
    database.check_writable()
    database.engine.dispose()


def test_after_a_failover_the_primary_is_looked_for(restartable: Server) -> None:
    """The open connections lead to what is a standby now."""
    database = Database.open(restartable.url("postgres"))
    pid = text("SELECT pg_backend_pid()")
    with database.read() as connection:
        before = connection.execute(pid).scalar_one()
    with restartable.read_only(), pytest.raises(CatalogBusyError):
        ask_as_a_writer(database, "CREATE TABLE new (x int)")
    with database.read() as connection:
        after = connection.execute(pid).scalar_one()
    database.engine.dispose()
    assert before != after


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
    with restartable.away():
        pass
    with database.read() as connection:
        after = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
    database.engine.dispose()
    assert before != after
