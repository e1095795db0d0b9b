"""A pgbouncer for the tests, from Debian's package."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.catalog.postgres import REQUIRED
from tests.lacking import lacking
from tests.live.stack import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.catalog.postgres import Server

_PORT: Final = 6432
_CONFIGURATION: Final = """
[databases]
* = host={server}
[pgbouncer]
pool_mode = transaction
default_pool_size = 20
unix_socket_dir = {home}
listen_addr =
listen_port = {port}
auth_type = trust
auth_file = {home}/users
logfile = {home}/log
"""


@contextmanager
def pooled(server: Server, database: str) -> Iterator[str]:
    """Yield the SQLAlchemy URL of a database behind a pooler in transaction mode."""
    found = program()
    home = Path(tempfile.mkdtemp(prefix="gw-pool-"))
    (home / "users").write_text('"postgres" ""\n')
    text = _CONFIGURATION.format(server=server.home, home=home, port=_PORT)
    (home / "pgbouncer.ini").write_text(text)
    # pgbouncer refuses to run as root.
    owner = "postgres" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
    for path in (home, *home.iterdir()):
        shutil.chown(path, owner)
    pooler = subprocess.Popen(
        [found, "--quiet", str(home / "pgbouncer.ini")],
        user=owner,
        extra_groups=[],
        cwd=home,
    )
    try:
        path = home / f".s.PGSQL.{_PORT}"
        wait_until(lambda: _accepts(path), what="the pooler listens")
        yield f"postgresql+psycopg://postgres@/{database}?host={home}&port={_PORT}"
    finally:
        pooler.kill()
        pooler.wait()
        shutil.rmtree(home)


def _accepts(path: Path) -> bool:
    """Return whether a server listens; its socket exists a moment before."""
    with socket.socket(socket.AF_UNIX) as connection:
        return connection.connect_ex(str(path)) == 0


def program() -> str:
    """Return pgbouncer's path; skip, or fail where servers are required."""
    found = shutil.which("pgbouncer", path="/usr/sbin:/usr/bin")
    if not found:
        reason = "no pgbouncer is installed; on Debian: apt install pgbouncer"
        lacking(reason, required=REQUIRED)
    return found
