"""What gunicorn's conf makes of the settings, and what a kill has left."""

from __future__ import annotations

import os
import runpy
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from gateway.catalog import upload_sessions, uploads
from gateway.catalog.database import Database
from gateway.catalog.upload_sessions import UploadSession
from gateway.http.pools import Pool
from gateway.links import Key
from gateway.links.server_secret import ServerSecret
from gateway.runtime import boot
from gateway.runtime.boot import clear_in_flight_requests
from gateway.storage.blobs import new_id
from tests.catalog.conftest import ON_SQLITE

if TYPE_CHECKING:
    from gateway.catalog.users import User

CONF = Path(__file__).resolve().parents[2] / "gunicorn.conf.py"


@pytest.fixture
def set_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Set what gunicorn needs, before its first start; return what sets more."""
    (tmp_path / "files").mkdir()
    for name, text in {
        "GATEWAY_DATA": str(tmp_path / "data"),
        "GATEWAY_FILES": str(tmp_path / "files"),
        "GATEWAY_KEYS": str(Key.generate()),
        "GATEWAY_SECRET": str(ServerSecret.generate()),
        "GATEWAY_POOL": Pool.APP,
    }.items():
        monkeypatch.setenv(name, text)
    monkeypatch.setattr(boot, "_last", None)
    return monkeypatch


def test_faulty_settings_at_the_start_end_it(
    set_up: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    set_up.setenv("GATEWAY_GRACE", "never")
    with pytest.raises(SystemExit) as ended:
        boot.read_settings()
    assert ended.value.code == 1
    assert "gateway: GATEWAY_GRACE" in capsys.readouterr().err


def test_faulty_settings_at_a_reload_leave_the_last_good_ones(
    set_up: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    set_up.setenv("GATEWAY_GRACE", "7")
    first = boot.read_settings()
    set_up.setenv("GATEWAY_GRACE", "never")
    assert boot.read_settings() is first
    assert "the previous settings stay in effect" in capsys.readouterr().err
    set_up.setenv("GATEWAY_GRACE", "8")
    assert boot.read_settings().settings.grace == 8


OURS, ANOTHER = "this gateway's id", "that of another one"


def some_of_each(database: Database, owner: User, gateway: str) -> str:
    """Have a chunk and a PUT on their way; return the id of the chunk's upload."""
    unfinished = UploadSession(
        id=new_id(),
        owner_id=owner.id,
        drop_id=None,
        name="a.bin",
        size=10,
        metadata="",
        concat="",
        created=100,
        expires=200,
        active_request="request",
        active_request_expires=200,
    )
    with database.write() as connection:
        upload_sessions.add(connection, unfinished)
        for reservation, size in ((unfinished.id, 10), (f"put {gateway}", 5)):
            uploads.reserve(
                connection,
                owner,
                reservation=reservation,
                size=size,
                expires=200,
                gateway=gateway,
            )
    return unfinished.id


def test_what_ran_is_over_and_what_is_unfinished_keeps_its_room(
    url: str, database: Database, ann: User
) -> None:
    unfinished = some_of_each(database, ann, OURS)
    clear_in_flight_requests(url, OURS)
    with database.read() as connection:
        after = uploads.usage(connection, ann, now=100)
        left = upload_sessions.by_id(connection, unfinished)
    assert (after.running, after.by_user) == (0, 10)
    assert left is not None
    assert left.active_request == ""


@pytest.mark.parametrize("url", ["postgresql"], indirect=True)
def test_what_may_run_by_another_gateway_goes_on(
    url: str, database: Database, ann: User
) -> None:
    some_of_each(database, ann, OURS)
    some_of_each(database, ann, ANOTHER)
    clear_in_flight_requests(url, OURS)
    with database.read() as connection:
        after = uploads.usage(connection, ann, now=100)
    # The unfinished upload of ours keeps its room.
    assert (after.running, after.by_user) == (2, 25)


@ON_SQLITE
def test_a_file_s_catalog_is_of_this_gateway_alone(
    url: str, database: Database, ann: User
) -> None:
    """Its data folder may have lost its id, or have had none."""
    some_of_each(database, ann, ANOTHER)
    clear_in_flight_requests(url, OURS)
    with database.read() as connection:
        after = uploads.usage(connection, ann, now=100)
    assert (after.running, after.by_user) == (0, 10)


def test_a_catalog_without_tables_is_left_alone(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/catalog.sqlite3"
    clear_in_flight_requests(url, OURS)
    database = Database.open(url)
    with database.read() as connection:
        assert not connection.dialect.get_table_names(connection)
    database.engine.dispose()


class Conf:
    """gunicorn.conf.py."""

    def __init__(self, environment: pytest.MonkeyPatch) -> None:
        self._environment = environment

    def __call__(self, pool: Pool, **chosen: str) -> dict[str, Any]:
        """Return what it says to the gunicorn of *pool*."""
        for name, text in {"GATEWAY_POOL": pool, **chosen}.items():
            self._environment.setenv(name, text)
        mask = os.umask(0o022)
        try:
            return runpy.run_path(str(CONF))
        finally:
            os.umask(mask)


@pytest.fixture
def conf(set_up: pytest.MonkeyPatch) -> Conf:
    """Return a way to read gunicorn's conf, with two CPUs to run on."""
    set_up.setattr("os.sched_getaffinity", lambda _: {0, 1}, raising=False)
    set_up.setenv("GATEWAY_DATA", "/gateway")
    return Conf(set_up)


@pytest.mark.parametrize(
    ("pool", "said"),
    [
        pytest.param(
            Pool.VERDICTS,
            {
                "bind": [
                    "unix:/gateway/run/verdicts.sock",
                    "unix:/gateway/run/health.sock",
                ],
                "worker_class": "gateway.runtime.verdict_worker.VerdictWorker",
                "workers": 5,
            },
            id="verdicts",
        ),
        pytest.param(
            Pool.APP,
            {
                "bind": ["unix:/gateway/run/app.sock"],
                "worker_class": "gateway.runtime.app_worker.AppWorker",
                "workers": 2,
                "threads": 16,
                "worker_connections": 16,
            },
            id="app",
        ),
    ],
)
def test_each_pool_has_a_socket_and_workers_of_its_own(
    conf: Conf, pool: Pool, said: dict[str, object]
) -> None:
    assert said.items() <= conf(pool).items()


def test_the_workers_of_each_pool_are_set(conf: Conf) -> None:
    chosen = {
        "GATEWAY_RUN": "/run/gateway",
        "GATEWAY_WORKERS": "7",
        "GATEWAY_APP_WORKERS": "3",
        "GATEWAY_APP_THREADS": "4",
    }
    verdicts, app = (conf(pool, **chosen) for pool in Pool)
    assert (verdicts["bind"], verdicts["workers"]) == (
        ["unix:/run/gateway/verdicts.sock", "unix:/run/gateway/health.sock"],
        7,
    )
    assert (app["bind"], app["workers"], app["threads"], app["worker_connections"]) == (
        *(["unix:/run/gateway/app.sock"], 3, 4, 4),
    )


@ON_SQLITE
@pytest.mark.parametrize(
    ("pool", "running"),
    [
        pytest.param(Pool.APP, 0, id="app"),
        pytest.param(Pool.VERDICTS, 2, id="verdicts"),
    ],
)
def test_only_the_app_pool_ends_what_ran(
    conf: Conf, database: Database, ann: User, *, pool: Pool, running: int
) -> None:
    some_of_each(database, ann, OURS)
    conf(pool, GATEWAY_DATABASE=str(database.engine.url))["on_starting"](None)
    with database.read() as connection:
        assert uploads.usage(connection, ann, now=100).running == running


@pytest.mark.parametrize(
    ("pool", "fault"),
    [
        pytest.param("", "is not set; set it to verdicts or app", id="none"),
        pytest.param("web", "Input should be 'verdicts' or 'app'", id="unknown"),
    ],
)
def test_a_gunicorn_of_no_pool_does_not_start(
    tmp_path: Path, pool: str, fault: str
) -> None:
    failed = subprocess.run(
        [sys.executable, "-m", "gunicorn", "--check-config", "--config", CONF],
        env={
            "GATEWAY_KEYS": str(Key.generate()),
            "GATEWAY_SECRET": str(ServerSecret.generate()),
            "GATEWAY_FILES": str(tmp_path),
            "GATEWAY_DATA": "/gateway",
            "GATEWAY_POOL": pool,
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert failed.returncode == 1
    assert failed.stderr.startswith(f"gateway: GATEWAY_POOL: {fault}")
    assert "Traceback" not in failed.stderr
