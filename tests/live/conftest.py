"""One fixture, three stacks: each live test runs against all of them."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING, Final

import pytest

from tests.conftest import require_containers
from tests.live.stack import ContainerStack, NativeStack, Stack

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.catalog.postgres import Server


@pytest.fixture(scope="session")
def native_stack() -> Iterator[Stack]:
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


#: With kept verdicts and SQLite, without and with PostgreSQL, and in containers.
STACKS: Final = {
    "native": "native_stack",
    "uncached-postgresql": "uncached_stack",
    "containers": "container_stack",
}


@pytest.fixture(params=STACKS)
def stack(request: pytest.FixtureRequest) -> Stack:
    """Return the running stack; each kind is started once for all tests."""
    started: Stack = request.getfixturevalue(STACKS[request.param])
    gc.collect()  # an unclosed socket is this test's fault, not the next one's
    return started
