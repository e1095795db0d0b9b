"""A PostgreSQL server of the tests' own, from Debian's packages."""

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

#: Makes a missing server a failure instead of a skip.
REQUIRED: Final = "REQUIRE_POSTGRESQL"

_numbers = itertools.count(1)


class Server:
    """A cluster in a temporary folder, on a unix socket and nowhere else."""

    def __init__(self, programs: Path) -> None:
        self._programs = programs
        self.home = Path(tempfile.mkdtemp(prefix="gw-pg-"))
        self._owner: str | None = None
        if os.geteuid() == 0:
            # PostgreSQL refuses to run as root; Debian's package makes this user.
            self._owner = "postgres"
            account = pwd.getpwnam(self._owner)
            os.chown(self.home, account.pw_uid, account.pw_gid)
        self._data = self.home / "data"
        self._has_template = False

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
        """Stop the server, and start it again."""
        self.stop_server()
        try:
            yield
        finally:
            self.start_server()

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Stop its processes where they are: it hears, and says nothing."""
        first = int((self._data / "postmaster.pid").read_text().split()[0])
        os.kill(first, signal.SIGSTOP)  # it starts no other one now
        children = Path(f"/proc/{first}/task/{first}/children").read_text().split()
        stopped = [first, *map(int, children)]
        try:
            for pid in stopped:
                os.kill(pid, signal.SIGSTOP)
            yield
        finally:
            # The first one last: it would bury those that have ended.
            for pid in reversed(stopped):
                os.kill(pid, signal.SIGCONT)

    @contextmanager
    def read_only(self) -> Iterator[None]:
        """Refuse to change anything, as a standby does, on open connections too."""
        self._set_read_only("on")
        try:
            yield
        finally:
            self._set_read_only("off")

    def _set_read_only(self, state: str) -> None:
        """Change it; the server reads its settings some time after it is told to."""
        self._execute(f"ALTER SYSTEM SET default_transaction_read_only = {state}")
        self._execute("SELECT pg_reload_conf()")
        deadline = time.monotonic() + 20
        while self._execute("SHOW default_transaction_read_only") != state:
            assert time.monotonic() < deadline, "the server has read its settings"

    def url(self, database: str) -> str:
        """Return SQLAlchemy's URL of one of its databases."""
        return f"postgresql+psycopg://postgres@/{database}?host={self.home}"

    @contextmanager
    def new_database(self, *, is_migrated: bool = False) -> Iterator[str]:
        """Give SQLAlchemy's URL of a new database, which is dropped at last.

        It has no tables, or those of the newest schema.
        """
        name = f"test{next(_numbers)}"
        template = self._template() if is_migrated else "template1"
        self._execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        yield self.url(name)
        self._execute(f"DROP DATABASE {name} WITH (FORCE)")

    def _template(self) -> str:
        """Return the name of a database to copy; migrations take longer than that."""
        if not self._has_template:
            self._execute("CREATE DATABASE migrated")
            database = Database.open(self.url("migrated"))
            upgrade(database)
            database.engine.dispose()
            self._has_template = True
        return "migrated"

    def ask(self, query: str, database: str = "postgres") -> list[Any]:
        """Return the first value of each row that a query finds."""
        engine = create_engine(self.url(database))
        with engine.connect() as connection:
            found = connection.execute(text(query)).scalars().all()
        engine.dispose()
        return list(found)

    def _execute(self, statement: str) -> object:
        """Return the first value of the first row, or None if there is no row."""
        engine = create_engine(self.url("postgres"), isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            result = connection.execute(text(statement))
            value: object = result.scalar() if result.returns_rows else None
        engine.dispose()
        return value

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self._programs / program), "-D", str(self._data), *arguments]
        done = subprocess.run(
            command,
            user=self._owner,
            group=self._owner,
            extra_groups=[] if self._owner else None,
            cwd=self.home,
            # pg_ctl's server would keep a pipe open for ever.
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=False,
        )
        assert done.returncode == 0, f"{command}: {done.returncode}"


def programs() -> Path:
    """Return the folder of initdb; skip, or fail where it is required."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not found:
        reason = "no PostgreSQL server is installed; on Debian: apt install postgresql"
        lacking(reason, required=REQUIRED)
    return found[-1].parent
