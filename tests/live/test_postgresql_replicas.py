"""Two gateways on one PostgreSQL that share a store on disk.

What does not depend on the store is in test_postgresql_bucket_replicas.py.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from tests.live.replicas import (
    THREADS,
    assert_uploads_are_shared,
    refusal,
    same_catalog,
)
from tests.live.stack import NativeStack
from tests.live.tus import Tus

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.catalog.postgres import Server


@pytest.fixture(scope="module")
def first(postgresql: Server) -> Iterator[NativeStack]:
    with (
        postgresql.new_database() as url,
        NativeStack(
            GATEWAY_DATABASE=url,
            GATEWAY_REPLICA="r1",
            GATEWAY_APP_THREADS=str(THREADS),
        ).running() as stack,
    ):
        yield stack


def shared(stack: NativeStack) -> dict[str, str]:
    """Return the settings that another gateway of the same catalog and store has."""
    store = str(stack.home / "data/store")
    return {**same_catalog(stack), "GATEWAY_STORE": store}


@pytest.fixture(scope="module")
def second(first: NativeStack) -> Iterator[NativeStack]:
    stack = NativeStack(**shared(first), GATEWAY_REPLICA="r2")
    shutil.rmtree(stack.files)
    stack.files.symlink_to(first.files)
    with stack.running():
        yield stack


@pytest.fixture(scope="module")
def token(first: NativeStack, second: NativeStack) -> str:
    token = first.new_token("upload", "read")
    second.tokens.add(token)
    return token


def test_an_upload_at_one_is_fetched_and_deleted_at_the_other(
    first: NativeStack, second: NativeStack, token: str
) -> None:
    assert_uploads_are_shared(first, second, token)


def test_an_upload_begun_at_one_is_finished_at_the_other(
    first: NativeStack, second: NativeStack, token: str
) -> None:
    here, there = Tus(first, token), Tus(second, token)
    path = here.create(6)
    here.patch(path, 0, b"abc")
    done = there.patch(path, there.offset(path), b"def")
    assert path.endswith(".r1")
    assert (done.headers["Upload-Offset"], here.get(done)) == ("6", b"abcdef")


def test_each_has_a_spool_and_a_ledger_of_its_own(
    first: NativeStack, second: NativeStack
) -> None:
    store = first.home / "data/store"
    for folder in ("spool", "ledger"):
        assert sorted(path.name for path in (store / folder).iterdir()) == ["r1", "r2"]
    assert not (second.home / "data/store").exists()


def test_the_housekeeping_of_a_copied_name_does_nothing(first: NativeStack) -> None:
    """It would delete upload sessions whose files are in another store."""
    with subprocess.Popen(
        [sys.executable, "-m", "gateway", "housekeep", "--every", "1"],
        env=first.environment,
        stderr=subprocess.PIPE,
        text=True,
    ) as copied:
        assert copied.stderr is not None
        end = threading.Timer(20, copied.terminate)
        end.start()
        lines = [copied.stderr.readline().rstrip() for _ in range(2)]
        end.cancel()
        copied.terminate()
    assert lines[0] == "housekeeping: a round every 1 seconds"
    assert lines[1] == (
        "housekeeping: round failed, will retry: another gateway of the catalog is "
        "named r1; each needs a name of its own: set GATEWAY_REPLICA"
    )


def test_a_gateway_with_a_store_of_its_own_does_not_start(first: NativeStack) -> None:
    other = NativeStack(**first.settings | {"GATEWAY_REPLICA": "r3"})
    said = refusal(other)
    assert said.startswith(f"gateway: GATEWAY_STORE: {other.home}/data/store does not ")
    assert (first.home / "data/store/store-id").read_text().strip() in said


def test_a_gateway_with_another_s_name_does_not_start(first: NativeStack) -> None:
    said = refusal(NativeStack(**shared(first), GATEWAY_REPLICA="r1"))
    assert said.startswith("gateway: another gateway is named r1 in ")
