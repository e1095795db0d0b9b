"""A PostgreSQL server for the tests, from Debian's packages."""

from __future__ import annotations

import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import create_engine, text

from gateway.catalog.database import Database
from gateway.catalog.upgrade import upgrade
from tests.lacking import lacking

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection

#: If this variable is set, a missing server is a failure instead of a skip.
REQUIRED: Final = "REQUIRE_POSTGRESQL"

_numbers = itertools.count(1)
#: Terminates all other connections to the database.
_TERMINATE_OTHERS: Final = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
"""
#: All columns of all tables and indexes, and the database's settings.
_SHAPE: Final = """
    SELECT concat(
        (SELECT string_agg(concat(relname, '.', attname), ' ' ORDER BY relname, attname)
         FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid
         WHERE relnamespace = 'public'::regnamespace AND attnum > 0),
        (SELECT string_agg(setconfig::text, ' ') FROM pg_db_role_setting
         JOIN pg_database ON pg_database.oid = setdatabase
         WHERE datname = current_database())
    )
"""
#: Large tables, for which TRUNCATE is faster than DELETE; it creates new files.
_LARGE: Final = """
    SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace
    AND relkind = 'r' AND pg_relation_size(oid) > 500000
"""


class Server:
    """A cluster in a temporary folder, which listens on a unix socket only."""

    def __init__(self, programs: Path) -> None:
        self._programs = programs
        self.home = Path(tempfile.mkdtemp(prefix="gw-pg-"))
        self._owner: str | None = None
        if os.geteuid() == 0:
            # PostgreSQL refuses to run as root; Debian's package creates this user.
            self._owner = "postgres"
            account = pwd.getpwnam(self._owner)
            os.chown(self.home, account.pw_uid, account.pw_gid)
        self._data = self.home / "data"
        self._has_template = False
        self._shape = ""
        self._reset_statements: list[str] = []
        #: Databases with the newest schema that were used and reset.
        self._reusable: list[str] = []

    def start(self) -> None:
        self._run("initdb", "-A", "trust", "-U", "postgres", "-E", "UTF8", "--no-sync")
        self.start_server()

    def start_server(self) -> None:
        options = f"-k {self.home} -c listen_addresses= -c fsync=off"
        log = str(self.home / "log")
        self._run("pg_ctl", "-w", "-t", "60", "-l", log, "-o", options, "start")

    def stop(self) -> None:
        try:
            self.stop_server()
        finally:
            shutil.rmtree(self.home)

    def stop_server(self) -> None:
        self._run("pg_ctl", "-w", "-m", "fast", "stop")

    @contextmanager
    def away(self) -> Iterator[None]:
        """Stop the server; start it again at the end."""
        self.stop_server()
        try:
            yield
        finally:
            self.start_server()

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Suspend all its processes: it accepts connections but never answers."""
        postmaster = int((self._data / "postmaster.pid").read_text().split()[0])
        os.kill(postmaster, signal.SIGSTOP)  # first, so that it starts no process now
        children = f"/proc/{postmaster}/task/{postmaster}/children"
        stopped = [postmaster, *map(int, Path(children).read_text().split())]
        try:
            for pid in stopped:
                os.kill(pid, signal.SIGSTOP)
            yield
        finally:
            # The postmaster last: it would reap children that have exited.
            for pid in reversed(stopped):
                os.kill(pid, signal.SIGCONT)

    @contextmanager
    def read_only(self) -> Iterator[None]:
        """Make it read-only, like a standby, for open connections too."""
        self._set_read_only("on")
        try:
            yield
        finally:
            self._set_read_only("off")

    def _set_read_only(self, state: str) -> None:
        """Change the setting, and wait until the server has reloaded it."""
        self._execute(f"ALTER SYSTEM SET default_transaction_read_only = {state}")
        self._execute("SELECT pg_reload_conf()")
        deadline = time.monotonic() + 20
        while self._execute("SHOW default_transaction_read_only") != state:
            assert time.monotonic() < deadline, "the server has read its settings"

    def url(self, database: str) -> str:
        """Return the SQLAlchemy URL of a database."""
        return f"postgresql+psycopg://postgres@/{database}?host={self.home}"

    @contextmanager
    def new_database(self, *, is_migrated: bool = False) -> Iterator[str]:
        """Yield the SQLAlchemy URL of a database that no other caller uses.

        It is empty, and dropped at the end.  If it *is_migrated* to the newest schema,
        it is reset and reused instead, which takes a tenth of the time.
        """
        if is_migrated and self._reusable:
            name = self._reusable.pop()
        else:
            name = f"test{next(_numbers)}"
            template = self._template() if is_migrated else "template1"
            self._execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        yield self.url(name)
        if is_migrated and self._reset(name):
            self._reusable.append(name)
        else:
            self._execute(f"DROP DATABASE {name} WITH (FORCE)")

    def _template(self) -> str:
        """Return the name of a migrated database to copy: copying is faster."""
        if not self._has_template:
            self._execute("CREATE DATABASE migrated")
            database = Database.open(self.url("migrated"))
            upgrade(database)
            database.engine.dispose()
            with self._connected("migrated") as connection:
                self._prepare_reset(connection)
            self._has_template = True
        return "migrated"

    def _prepare_reset(self, template: Connection) -> None:
        """Prepare the statements that make a used copy equal to the template again."""

        def values(query: str) -> list[str]:
            return [*template.execute(text(query)).scalars()]

        schema = "WHERE schemaname = 'public'"
        tables = values(f"SELECT tablename FROM pg_tables {schema}")  # noqa: S608
        rows = {
            table: values(f"SELECT to_json(t)::text FROM {table} t")  # noqa: S608
            for table in tables
        }
        sequences = values(f"SELECT sequencename FROM pg_sequences {schema}")  # noqa: S608
        self._shape = template.execute(text(_SHAPE)).scalar_one()
        self._reset_statements = [
            "SET session_replication_role = replica",  # disables foreign keys
            *(f"DELETE FROM {table}" for table in tables),  # noqa: S608
            *(
                f"INSERT INTO {table} SELECT * "  # noqa: S608
                f"FROM json_populate_record(NULL::{table}, '{row}')"
                for table in tables
                for row in rows[table]
            ),
            *(f"SELECT setval('{name}', 1, false)" for name in sequences),
        ]

    def _reset(self, name: str) -> bool:
        """Reset a database; return False if a test has changed its schema."""
        with self._connected(name) as connection:
            connection.execute(text(_TERMINATE_OTHERS))
            large = connection.execute(text(_LARGE)).scalars().all()
            truncate = [f"TRUNCATE {', '.join(large)} CASCADE"] if large else []
            connection.exec_driver_sql("; ".join([*truncate, *self._reset_statements]))
            shape: str = connection.execute(text(_SHAPE)).scalar_one()
            return shape == self._shape

    def ask(self, query: str, database: str = "postgres") -> list[Any]:
        """Return the first value of each row of a query."""
        with self._connected(database) as connection:
            return list(connection.execute(text(query)).scalars())

    def _execute(self, statement: str) -> object:
        """Return the first value of the first row, or None if there is no row."""
        with self._connected("postgres") as connection:
            result = connection.execute(text(statement))
            return result.scalar() if result.returns_rows else None

    @contextmanager
    def _connected(self, database: str) -> Iterator[Connection]:
        engine = create_engine(self.url(database), isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            yield connection
        engine.dispose()

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self._programs / program), "-D", str(self._data), *arguments]
        done = subprocess.run(
            command,
            user=self._owner,
            group=self._owner,
            extra_groups=[] if self._owner else None,
            cwd=self.home,
            # The server that pg_ctl starts would keep a pipe open.
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=False,
        )
        assert done.returncode == 0, f"{command}: {done.returncode}"


def programs() -> Path:
    """Return the folder of initdb; skip the test, or fail if it is required."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not found:
        reason = "no PostgreSQL server is installed; on Debian: apt install postgresql"
        lacking(reason, required=REQUIRED)
    return found[-1].parent
