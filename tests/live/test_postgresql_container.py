"""``deploy/replicas/postgresql.sh``, the entry of PostgreSQL's container."""

from __future__ import annotations

import os
import pwd
import signal
import subprocess
from contextlib import suppress
from typing import TYPE_CHECKING

from sqlalchemy import NullPool, create_engine, make_url, text
from sqlalchemy.exc import OperationalError

from tests.catalog.postgres import programs
from tests.live.stack import ROOT, wait_until

if TYPE_CHECKING:
    from pathlib import Path

#: PostgreSQL's programs: initdb syncs nothing, and postgres is killed with all its
#: container where it should create the database.
INITDB = '#!/bin/sh\nexec {programs}/initdb --no-sync "$@"\n'
KILLED = "#!/bin/sh\nkill -KILL $PPID\n"


def write_program(path: Path, script: str) -> None:
    path.write_text(script)
    path.chmod(0o755)


def test_a_first_start_that_is_killed_is_begun_again(tmp_path: Path) -> None:
    bin_ = tmp_path / "bin"
    bin_.mkdir()
    write_program(bin_ / "initdb", INITDB.format(programs=programs()))
    write_program(bin_ / "postgres", KILLED)
    password = tmp_path / "password"
    password.write_text("secret\n")
    script = (ROOT / "deploy/replicas/postgresql.sh").read_text()
    for place, here in (
        ("/var/lib/gateway-secrets/password", str(password)),
        ("/usr/lib/postgresql/*/bin", str(bin_)),
        ("/var/lib/postgresql", str(tmp_path)),
        ("/run/postgresql", str(tmp_path)),
        ("listen_addresses='*'", "listen_addresses="),
    ):
        assert place in script
        script = script.replace(place, here)
    owner = "postgres" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
    os.chown(tmp_path, pwd.getpwnam(owner).pw_uid, -1)

    def start() -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            ["sh", "-c", script],
            user=owner,
            extra_groups=[],
            cwd=tmp_path,
            stderr=subprocess.DEVNULL,
        )

    assert start().wait(30) == -signal.SIGKILL
    (bin_ / "postgres").unlink()
    (bin_ / "postgres").symlink_to(programs() / "postgres")
    with start() as server:
        try:
            wait_until(
                lambda: answers(tmp_path) or server.poll() is not None,
                seconds=30,
                what="the database answers",
            )
            assert server.poll() is None
        finally:
            server.send_signal(signal.SIGINT)


def answers(folder: Path) -> bool:
    """Return whether the database ``gateway`` answers."""
    url = make_url(f"postgresql+psycopg://gateway@/gateway?host={folder}")
    engine = create_engine(url, poolclass=NullPool)
    with suppress(OperationalError), engine.connect() as connection:
        return bool(connection.execute(text("SELECT true")).scalar())
    return False
