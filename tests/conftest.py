"""What all tests share: which of them run where, the stacks, catalogs, passwords."""

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
from tests.live.stack import ContainerStack, NativeStack, Stack

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import CodeType

    from jinja2.bccache import Bucket
    from sqlalchemy.pool import ConnectionPoolEntry

# A busy machine is no fault.
settings.register_profile(
    "busy", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("busy")

#: The stacks of the live tests and the fixture that starts each: with kept verdicts
#: and SQLite, without and with PostgreSQL, and in containers.
STACKS: Final = {
    "native": "native_stack",
    "uncached-postgresql": "uncached_stack",
    "containers": "container_stack",
}
#: The marker that has ``make test`` run a test on a stack; native takes every test.
MARKERS: Final = {"uncached-postgresql": "database", "containers": "docker"}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--everything",
        action="store_true",
        help="run every test on every stack, those marked extra too",
    )


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> None:
    if not config.getoption("everything"):
        config.hook.pytest_deselected(items=[*filter(is_extra, items)])
        items[:] = [item for item in items if not is_extra(item)]
    # What one worker has to do alone, and what takes long, is begun first.
    items.sort(key=lambda item: not (servers(item.nodeid) or is_slow(item)))


def is_extra(item: pytest.Item) -> bool:
    """Tell whether a test runs by ``--everything`` alone."""
    marker = MARKERS.get(parameters(item).get("stack", ""))
    is_marked = marker is None or item.get_closest_marker(marker) is not None
    return not is_marked or item.get_closest_marker("extra") is not None


def is_slow(item: pytest.Item) -> bool:
    return item.get_closest_marker("slow") is not None


def parameters(item: pytest.Item) -> dict[str, Any]:
    """Return what a test is parametrized with."""
    return item.callspec.params if hasattr(item, "callspec") else {}


def servers(nodeid: str) -> str | None:
    """Return which servers a test needs that are costly to start."""
    if nodeid.startswith("tests/containers/") or "[containers" in nodeid:
        return "containers"
    if nodeid.startswith("tests/catalog/") or "postgresql" in nodeid:
        return "postgresql"
    return None


class Scheduling(LoadScopeScheduling):  # type: ignore[misc]
    """One worker runs all tests of a file, or all that need the same servers."""

    def _split_scope(self, nodeid: str) -> str:
        return servers(nodeid) or str(super()._split_scope(nodeid))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Scheduling:
    return Scheduling(config, log)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_finish(session: pytest.Session) -> None:
    """Prepare what takes long before any test runs."""
    is_first = os.environ.get("PYTEST_XDIST_WORKER", "gw0") == "gw0"
    needed = {servers(item.nodeid) for item in session.items}
    if "containers" in needed and is_first and not missing_engine():
        # What is wrong with an image the first test says that needs it.
        with suppress(AssertionError):
            build_images()
    # All that was imported and collected stays; gc.collect() need not look at it.
    gc.collect()
    gc.freeze()


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """Return a folder of the test's own whose path is short.

    pytest's own names the user, the worker and the test: below it, the path of a unix
    socket would be longer than its 107 bytes, here or on another machine.
    """
    with tempfile.TemporaryDirectory(prefix="gw-") as folder:
        yield Path(folder)


@pytest.fixture(scope="session", autouse=True)
def heard_signals() -> Iterator[None]:
    """Have children hear the signals that this process was started to ignore.

    A shell that starts it in the background has it ignore SIGINT and SIGQUIT, nohup
    SIGHUP; children inherit what is ignored, but not what is caught.
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
    """Hash passwords for next to nothing here; give the gateway's own hasher."""
    real: PasswordHasher = password_hashes._hasher  # noqa: SLF001
    with pytest.MonkeyPatch.context() as patch:
        cheap = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
        patch.setattr(password_hashes, "_hasher", cheap)
        yield real


class CompiledTemplates(BytecodeCache):
    """Keeps each template's code for all applications of this process."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str], CodeType] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        bucket.code = self._kept.get((bucket.key, bucket.checksum))

    def dump_bytecode(self, bucket: Bucket) -> None:
        if bucket.code is not None:
            self._kept[bucket.key, bucket.checksum] = bucket.code


@pytest.fixture(scope="session", autouse=True)
def quick_applications() -> Iterator[None]:
    """Compile the routes and templates of applications once, not for each test.

    Of the time that an application took to be made, the functions that build URLs
    were two thirds.
    """
    compiled: dict[str, Any] = {}
    compile_builder = Rule._compile_builder  # noqa: SLF001

    def known_builder(rule: Rule, append_unknown: bool = True) -> Any:  # noqa: FBT001, FBT002 -- Werkzeug's
        about = repr((rule.rule, rule.defaults, rule._trace, append_unknown))  # noqa: SLF001
        if about not in compiled:
            compiled[about] = compile_builder(rule, append_unknown)
        return compiled[about]

    options = {**Flask.jinja_options, "bytecode_cache": CompiledTemplates()}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Rule, "_compile_builder", known_builder)
        patch.setattr(Flask, "jinja_options", options)
        yield


@pytest.fixture(autouse=True)
def umask() -> Iterator[None]:
    """Fail a test that leaves another umask to the tests after it."""
    before = os.umask(0o022)
    os.umask(before)
    yield
    assert os.umask(before) == before


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


@pytest.fixture(scope="session")
def restartable() -> Iterator[Server]:
    """Run a server that a test may stop: nobody else is connected to it."""
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
def container_stack() -> Iterator[Stack]:
    require_containers()
    with ContainerStack().running() as stack:
        yield stack


@pytest.fixture(params=STACKS)
def stack(request: pytest.FixtureRequest) -> Stack:
    """Return the running stack; each kind is started once in a worker."""
    started: Stack = request.getfixturevalue(STACKS[request.param])
    gc.collect()  # an unclosed socket is this test's fault, not the next one's
    gc.freeze()  # what was left outlives this test: the next need not look at it
    return started
