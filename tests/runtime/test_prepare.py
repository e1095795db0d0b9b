"""What a start makes, of one gateway or of several at once."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import make_url

from gateway.catalog import users
from gateway.catalog.database import Database
from gateway.catalog.revision import is_usable
from gateway.config import settings
from gateway.errors import BackupError, CatalogBusyError, SettingsError
from gateway.runtime.prepare import make_first_admin, prepare, prepare_with_retries
from tests.catalog.pgbouncer import pooled
from tests.live.stack import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gateway.catalog.password_hashes import PasswordHash
    from gateway.config.settings import Settings
    from tests.catalog.postgres import Server
    from tests.live.seaweedfs import SeaweedFS


def of(url: str, data: Path, store: Path | None = None) -> Settings:
    return settings.read(
        {
            "GATEWAY_DATABASE": url,
            "GATEWAY_DATA": str(data),
            "GATEWAY_STORE": str(store or data / "store"),
        }
    ).settings


@pytest.mark.parametrize(
    "file",
    [
        pytest.param("{number}/first-password", id="each in a folder of its own"),
        pytest.param("first-password", id="all in one folder"),
    ],
)
def test_of_gateways_that_start_at_once_one_makes_the_administrator(
    postgresql: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str
) -> None:
    """Each has seen that there is nobody yet; what its file says is the password."""
    everybody, hashed = threading.Barrier(6, timeout=30), users.hash_password

    def hash_together(password: str) -> PasswordHash:
        everybody.wait()
        return hashed(password)

    monkeypatch.setattr(users, "hash_password", hash_together)

    def start(number: int) -> object:
        database = prepare_with_retries(
            of(url, tmp_path / str(number), tmp_path / "store"),
            seconds=30,
            log=lambda _: None,
        )
        try:
            path = tmp_path / file.format(number=number)
            return make_first_admin(database, path, now=1)
        finally:
            database.engine.dispose()

    with postgresql.new_database() as url, ThreadPoolExecutor(6) as pool:
        made = list(filter(None, pool.map(start, range(6))))
        database = Database.open(url)
        with database.read() as connection:
            everyone = users.everyone(connection)
            admin = users.credentials(connection, "admin")
        database.engine.dispose()
    (written,) = tmp_path.rglob("first-password")
    assert (len(made), [user.name for user in everyone]) == (1, ["admin"])
    assert admin.check(written.read_text().strip())


def test_a_server_that_is_away_is_waited_for_and_that_is_said(
    restartable: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.runtime.prepare._PAUSE", 0.05)
    said: list[str] = []
    with restartable.new_database() as url, ThreadPoolExecutor(1) as pool:
        current = of(url, tmp_path)
        with restartable.away():
            waiting = pool.submit(
                prepare_with_retries, current, seconds=60, log=said.append
            )
            wait_until(lambda: said, what="it says that it waits")
        database = waiting.result(timeout=30)
        usable = is_usable(database)
        database.engine.dispose()
    assert usable
    assert said[0].startswith("waiting for the catalog (GATEWAY_DATABASE): ")
    assert len(set(said)) == len(said)  # each cause once


def test_a_start_waits_for_the_bucket(
    seaweedfs: SeaweedFS, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.runtime.prepare._PAUSE", 0.05)
    chosen = seaweedfs.settings() | {
        "GATEWAY_BLOBS": "s3://media/waiting",
        "GATEWAY_DATA": str(tmp_path),
        "GATEWAY_STORE": str(tmp_path / "store"),
    }
    current = settings.read(chosen).settings
    said: list[str] = []
    with ThreadPoolExecutor(1) as pool:
        with seaweedfs.away():
            waiting = pool.submit(
                prepare_with_retries, current, seconds=60, log=said.append
            )
            wait_until(lambda: said, what="it says that it waits")
        waiting.result(timeout=60).engine.dispose()
    # What differs at each attempt would make each a line.
    begin = f"waiting for the bucket (GATEWAY_BLOBS): bucket {current.blobs} does not "
    assert said[0].startswith(begin)
    assert "retries" not in said[0]


def test_a_migration_is_tried_again_until_it_has_its_locks(
    postgresql: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.runtime.prepare._PAUSE", 0.05)
    monkeypatch.setattr("gateway.catalog.upgrade._LOCK_TIMEOUT", 50)
    said: list[str] = []
    with postgresql.new_database() as url, ThreadPoolExecutor(1) as pool:
        other = Database.open(url)
        with other.write():
            current = of(url, tmp_path)
            waiting = pool.submit(
                prepare_with_retries, current, seconds=60, log=said.append
            )
            wait_until(lambda: said, what="it says that it waits")
        database = waiting.result(timeout=30)
        usable = is_usable(database)
        for opened in (database, other):
            opened.engine.dispose()
    assert usable
    assert "lock timeout" in said[0]


@pytest.fixture
def new_url(postgresql: Server) -> Iterator[str]:
    with postgresql.new_database() as url:
        yield url


def test_a_pooler_needs_the_server_s_own_url_beside_it(
    postgresql: Server, new_url: str, tmp_path: Path
) -> None:
    with pooled(postgresql, make_url(new_url).database or "") as pooler:
        current = of(pooler, tmp_path)
        with pytest.raises(SettingsError, match=r"_DIRECT: .* pooler"):
            prepare(current)
        prepare(
            current.model_copy(update={"database_direct": new_url})
        ).engine.dispose()


def test_the_direct_url_is_that_of_the_same_database(
    postgresql: Server, new_url: str, tmp_path: Path
) -> None:
    current = of(new_url, tmp_path)
    with postgresql.new_database() as other:
        prepare(of(other, tmp_path / "other")).engine.dispose()
        elsewhere = current.model_copy(update={"database_direct": other})
        with pytest.raises(SettingsError, match="is another database"):
            prepare(elsewhere)
    with postgresql.new_database() as empty:
        elsewhere = current.model_copy(update={"database_direct": empty})
        with pytest.raises(SettingsError, match="is another database"):
            prepare(elsewhere)


def test_a_server_that_does_not_come_in_time_is_a_busy_catalog(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.runtime.prepare._PAUSE", 0.01)
    current = of("postgresql+psycopg://gw@/gw?host=/nowhere/at/all", tmp_path)
    with pytest.raises(CatalogBusyError):
        prepare_with_retries(current, seconds=0.05, log=lambda _: None)


def refuse(_: Database) -> None:
    raise BackupError("not empty")


def test_a_refused_catalog_claims_no_store(tmp_path: Path) -> None:
    current = of(f"sqlite:///{tmp_path}/catalog.sqlite3", tmp_path)
    with pytest.raises(BackupError):
        prepare(current, check=refuse)
    assert not [*(tmp_path / "store").glob("store-id*")]


def test_a_refused_start_closes_the_catalog(tmp_path: Path) -> None:
    """A gateway that waits for its bucket is refused each second."""
    catalog = tmp_path / "catalog.sqlite3"
    with pytest.raises(BackupError) as kept:  # with all that its frames refer to
        prepare(of(f"sqlite:///{catalog}", tmp_path), check=refuse)
    opened = [file.resolve() for file in Path("/proc/self/fd").iterdir()]
    assert kept.value is not None
    assert catalog not in opened
