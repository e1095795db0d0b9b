"""Two gateways on one PostgreSQL: what they share, and what is each one's own."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.live.stack import NativeStack

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.catalog.postgres import Server


@pytest.fixture(scope="module")
def first(postgresql: Server) -> Iterator[NativeStack]:
    with (
        postgresql.new_database() as url,
        NativeStack(GATEWAY_DATABASE=url).running() as stack,
    ):
        yield stack


def test_a_gateway_with_a_store_of_its_own_does_not_start(first: NativeStack) -> None:
    other = NativeStack(**first.settings)
    other.prepare()
    refused = subprocess.run(
        [sys.executable, "-m", "gateway", "serve", "--bind", f":{other.port}"],
        env=other.environment,
        cwd=other.home,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    (said,) = refused.stderr.splitlines()[-1:]
    other.remove()
    assert refused.returncode == 1
    assert said.startswith(f"gateway: GATEWAY_STORE: {other.home}/data/store is not ")
    assert (first.home / "data/store/store-id").read_text().strip() in said
