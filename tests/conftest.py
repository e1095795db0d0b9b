"""Shared by all tests: selection and scheduling, stacks, catalogs, cheap passwords."""

from __future__ import annotations

import gc
import os
import signal
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest
from argon2 import PasswordHasher
from flask import Flask
from hypothesis import HealthCheck, settings
from jinja2 import BytecodeCache
from sqlalchemy import Pool, event
from werkzeug.routing import Rule
from xdist.scheduler import LoadScopeScheduling

from gateway.catalog import password_hashes
from gateway.catalog.database import Database
from gateway.catalog.upgrade import upgrade
from tests.catalog.postgres import Server, programs
from tests.live.engine import build_images, missing_engine, require_containers
from tests.live.seaweedfs import SeaweedFS
from tests.live.stack import BucketStack, ContainerStack, NativeStack, Stack

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import CodeType

    from jinja2.bccache import Bucket
    from sqlalchemy.pool import ConnectionPoolEntry

# A busy machine must not fail tests.
settings.register_profile(
    "busy", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("busy")

#: The stacks of the live tests, with the fixture that starts each: with cached verdicts
#: and SQLite, without cached verdicts and with PostgreSQL, with the files in a bucket,
#: and in containers.
STACKS: Final = {
    "native": "native_stack",
    "uncached-postgresql": "uncached_stack",
    "bucket": "bucket_stack",
    "containers": "container_stack",
}
#: The marker with which ``make test`` runs a test on a stack; all tests run on native.
MARKERS: Final = {
    "uncached-postgresql": "database",
    "bucket": "bucket",
    "containers": "docker",
}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--everything",
        action="store_true",
        help="run all tests on all stacks, including those marked extra",
    )


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> None:
    everything = config.getoption("everything")
    omitted = [i for i in items if is_senseless(i) or (is_extra(i) and not everything)]
    if omitted:
        config.hook.pytest_deselected(items=omitted)
        items[:] = [item for item in items if item not in {*omitted}]
    # First the tests that one worker has to run alone, and slow tests.
    items.sort(key=lambda item: not (servers(item.nodeid) or is_slow(item)))


def is_extra(item: pytest.Item) -> bool:
    """Return whether a test runs only with ``--everything``."""
    name = MARKERS.get(parameters(item).get("stack", ""))
    marker = item.get_closest_marker(name) if name else None
    is_marked = name is None or (marker and not marker.kwargs.get("extra"))
    return not is_marked or item.get_closest_marker("extra") is not None


def is_senseless(item: pytest.Item) -> bool:
    """Return whether a test delivers no file, or needs a folder, and has a bucket."""
    is_marked = item.get_closest_marker("bucket") is not None
    return parameters(item).get("stack") == "bucket" and not is_marked


def is_slow(item: pytest.Item) -> bool:
    return item.get_closest_marker("slow") is not None


def parameters(item: pytest.Item) -> dict[str, Any]:
    """Return the parameters of a test."""
    return item.callspec.params if hasattr(item, "callspec") else {}


def servers(nodeid: str) -> str | None:
    """Return the group of servers that a test needs, if they are slow to start."""
    if nodeid.startswith("tests/containers/") or "[containers" in nodeid:
        return "containers"
    if nodeid.startswith("tests/catalog/") or "postgresql" in nodeid:
        return "postgresql"
    if nodeid.startswith(
        ("tests/storage/", "tests/live/test_bucket.py", "tests/live/test_bucket_views")
    ):
        return "bucket"
    if "[bucket" in nodeid:
        return "bucket"
    return None


class Scheduling(LoadScopeScheduling):  # type: ignore[misc]
    """Assigns all tests of a file, or all that need the same servers, to one worker."""

    def _split_scope(self, nodeid: str) -> str:
        return servers(nodeid) or str(super()._split_scope(nodeid))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Scheduling:
    return Scheduling(config, log)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_finish(session: pytest.Session) -> None:
    """Build images, if they are needed, before any test runs."""
    is_first = os.environ.get("PYTEST_XDIST_WORKER", "gw0") == "gw0"
    needed = {servers(item.nodeid) for item in session.items}
    if "containers" in needed and is_first and not missing_engine():
        # If this fails, the first test that needs the image reports it.
        with suppress(AssertionError):
            build_images()
    # Exclude imported modules and collected tests from garbage collection.
    gc.collect()
    gc.freeze()


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """Return a temporary folder with a short path.

    The path of pytest's folder contains user, worker and test: a unix socket below it
    could have a path of more than 107 bytes, the maximum.
    """
    with tempfile.TemporaryDirectory(prefix="gw-") as folder:
        yield Path(folder)


@pytest.fixture(scope="session", autouse=True)
def heard_signals() -> Iterator[None]:
    """Reset signals that this process ignores, so that children can receive them.

    A shell that starts pytest in the background makes it ignore SIGINT and SIGQUIT, and
    nohup SIGHUP; children inherit ignored signals, but not handlers.
    """
    heard = (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP)
    ignored = [number for number in heard if signal.getsignal(number) is signal.SIG_IGN]
    for number in ignored:
        signal.signal(number, lambda *_: None)
    yield
    for number in ignored:
        signal.signal(number, signal.SIG_IGN)


@pytest.fixture(scope="session", autouse=True)
def cheap_passwords() -> Iterator[PasswordHasher]:
    """Make password hashes cheap; yield the gateway's real hasher."""
    real: PasswordHasher = password_hashes._hasher  # noqa: SLF001
    with pytest.MonkeyPatch.context() as patch:
        cheap = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
        patch.setattr(password_hashes, "_hasher", cheap)
        yield real


class CompiledTemplates(BytecodeCache):
    """Caches compiled templates for all applications of this process."""

    def __init__(self) -> None:
        self._code: dict[tuple[str, str], CodeType] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        bucket.code = self._code.get((bucket.key, bucket.checksum))

    def dump_bytecode(self, bucket: Bucket) -> None:
        if bucket.code is not None:
            self._code[bucket.key, bucket.checksum] = bucket.code


@pytest.fixture(scope="session", autouse=True)
def quick_applications() -> Iterator[None]:
    """Compile routes and templates once, not for each application.

    Compiling the functions that build URLs took two thirds of the time to create an
    application.
    """
    compiled: dict[str, Any] = {}
    compile_builder = Rule._compile_builder  # noqa: SLF001

    def cached_builder(rule: Rule, append_unknown: bool = True) -> Any:  # noqa: FBT001, FBT002 -- Werkzeug's
        key = repr((rule.rule, rule.defaults, rule._trace, append_unknown))  # noqa: SLF001
        if key not in compiled:
            compiled[key] = compile_builder(rule, append_unknown)
        return compiled[key]

    options = {**Flask.jinja_options, "bytecode_cache": CompiledTemplates()}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Rule, "_compile_builder", cached_builder)
        patch.setattr(Flask, "jinja_options", options)
        yield


@pytest.fixture(autouse=True)
def umask() -> Iterator[None]:
    """Fail a test that changes the umask for later tests."""
    before = os.umask(0o022)
    os.umask(before)
    yield
    assert os.umask(before) == before


@pytest.fixture(autouse=True)
def closed_connections() -> Iterator[None]:
    """Close the connections of a test's catalogs: Python 3.13 warns of open ones."""
    opened: list[ConnectionPoolEntry] = []

    def note(_connection: object, entry: ConnectionPoolEntry) -> None:
        opened.append(entry)

    event.listen(Pool, "connect", note)
    yield
    event.remove(Pool, "connect", note)
    for entry in opened:
        # Not close(), behind the pool's back: the pool would complain at its own end.
        entry.invalidate()


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a SQLite catalog with the newest schema, for tests to copy."""
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


@pytest.fixture(scope="session")
def restartable() -> Iterator[Server]:
    """Run a server that a test may stop: no other fixture is connected to it."""
    server = Server(programs())
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def native_stack() -> Iterator[NativeStack]:
    with NativeStack().running() as stack:
        yield stack


@pytest.fixture(scope="session")
def uncached_stack(postgresql: Server) -> Iterator[Stack]:
    with (
        postgresql.new_database() as url,
        NativeStack(GATEWAY_VERDICT_TTL="0", GATEWAY_DATABASE=url).running() as stack,
    ):
        yield stack


@pytest.fixture(scope="session")
def seaweedfs() -> Iterator[SeaweedFS]:
    with SeaweedFS().running() as server:
        yield server


@pytest.fixture(scope="session")
def bucket_stack(seaweedfs: SeaweedFS) -> Iterator[Stack]:
    with BucketStack(seaweedfs).running() as stack:
        yield stack


@pytest.fixture(scope="session")
def container_stack() -> Iterator[Stack]:
    require_containers()
    with ContainerStack().running() as stack:
        yield stack


@pytest.fixture(params=STACKS)
def stack(request: pytest.FixtureRequest) -> Stack:
    """Return the running stack; each kind is started once per worker."""
    started: Stack = request.getfixturevalue(STACKS[request.param])
    gc.collect()  # report an unclosed socket in this test, not in the next one
    gc.freeze()  # exclude remaining objects from the next collection
    return started
