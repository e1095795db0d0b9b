"""A gateway that is given the store of another catalog deletes nothing in it."""

from __future__ import annotations

import subprocess
import sys
from contextlib import ExitStack, closing
from secrets import token_hex
from typing import TYPE_CHECKING

import obstore
import pytest

from gateway.catalog.advisory_locks import AdvisoryLocks, Lock
from gateway.config import settings
from gateway.errors import SettingsError
from gateway.runtime.prepare import prepare
from gateway.storage.blobs import BlobStore, new_id
from tests.unit.command import script

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.catalog.postgres import Server
    from tests.live.seaweedfs import SeaweedFS

#: The environment of a gateway.
Chosen = dict[str, str]


@pytest.fixture
def on_disk(tmp_path: Path) -> Callable[[str], Chosen]:
    """Return a function that makes the settings of a gateway with this name."""

    def make(name: str) -> Chosen:
        return {"GATEWAY_DATA": str(tmp_path / name), "GATEWAY_FREE_SPACE": "0"}

    return make


@pytest.fixture
def in_a_bucket(
    on_disk: Callable[[str], Chosen], seaweedfs: SeaweedFS
) -> Callable[[str], Chosen]:
    def make(name: str) -> Chosen:
        blobs = {"GATEWAY_BLOBS": f"s3://media/{name}-{token_hex(4)}"}
        return on_disk(name) | seaweedfs.settings() | blobs

    return make


@pytest.fixture
def database(postgresql: Server) -> Iterator[str]:
    """Return the URL of a database whose housekeeping another gateway does."""
    with ExitStack() as stack:
        url = stack.enter_context(postgresql.new_database())
        locks = stack.enter_context(closing(AdvisoryLocks(url, label="holder")))
        assert locks.try_lock(Lock.HOUSEKEEPER)
        yield url


def start(chosen: Chosen) -> None:
    prepare(settings.read(chosen).settings).engine.dispose()


def unfinished(chosen: Chosen) -> Path:
    """Start a gateway, and leave a file of an upload session in its store."""
    start(chosen)
    file = BlobStore(store_of(chosen)).sessions / new_id()
    file.write_bytes(b"half")
    return file


def store_of(chosen: Chosen) -> Path:
    store = settings.read(chosen).settings.store
    assert store is not None
    return store


def test_a_start_is_refused_and_claims_no_bucket(
    in_a_bucket: Callable[[str], Chosen], seaweedfs: SeaweedFS
) -> None:
    first, other = in_a_bucket("first"), in_a_bucket("other")
    start(first)
    wrong = other | {"GATEWAY_STORE": str(store_of(first))}
    with pytest.raises(SettingsError, match=r"_STORE: .* another catalog"):
        start(wrong)
    prefix = other["GATEWAY_BLOBS"].removeprefix("s3://media/")
    assert list(obstore.list(seaweedfs.store, prefix)) == []
    start(first)


def test_a_command_is_refused(in_a_bucket: Callable[[str], Chosen]) -> None:
    first, other = in_a_bucket("first"), in_a_bucket("other")
    file = unfinished(first)
    start(other)
    wrong = other | {"GATEWAY_STORE": str(store_of(first))}
    ran = script("gateway", "fsck", "--repair", "--grace", "0", **wrong)
    assert (ran.returncode, ran.stdout) == (1, "")
    assert "belongs to another catalog" in ran.stderr
    assert file.exists()


def rounds(chosen: Chosen) -> str:
    """Run periodic housekeeping; return what it says of its first round."""
    command = [sys.executable, "-m", "gateway", "housekeep", "--every", "1"]
    ran = subprocess.Popen(
        [*command, "--grace", "0"], env=chosen, stderr=subprocess.PIPE, text=True
    )
    with ran:
        assert ran.stderr is not None
        lines = (line for line in ran.stderr if line.startswith("housekeeping: "))
        assert next(lines) == "housekeeping: a round every 1 seconds\n"
        said = next(lines)
        ran.kill()
    return said


@pytest.mark.parametrize(
    ("kind", "is_on_postgresql"),
    [("in_a_bucket", False), ("in_a_bucket", True), ("on_disk", True)],
    ids=["all work", "local work", "local work, on disk"],
)
def test_after_a_change_of_the_catalog_rounds_are_refused(
    request: pytest.FixtureRequest, kind: str, *, is_on_postgresql: bool
) -> None:
    make = request.getfixturevalue(kind)
    first, other = make("first"), make("other")
    if is_on_postgresql:
        other["GATEWAY_DATABASE"] = request.getfixturevalue("database")
    file = unfinished(first)
    start(other)
    said = rounds(other | {"GATEWAY_STORE": str(store_of(first))})
    assert said.startswith("housekeeping: round failed, will retry: GATEWAY_STORE: ")
    assert file.exists()
