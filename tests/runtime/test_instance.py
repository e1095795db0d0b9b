"""One gateway serves from a data folder, and is told to reload by its process's id."""

from __future__ import annotations

import os
import signal
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select

from gateway.catalog import uploads
from gateway.catalog.advisory_locks import AdvisoryLocks, name_lock
from gateway.catalog.database import Database
from gateway.catalog.schema import reservations
from gateway.errors import SuperviseError
from gateway.runtime import instance
from gateway.storage.blobs import BlobStore
from tests.users import a_user

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.catalog.postgres import Server


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Note which process is sent SIGHUP, and send it nothing."""
    told: list[int] = []

    def note(number: int, sent: signal.Signals) -> None:
        assert sent is signal.SIGHUP
        told.append(number)

    monkeypatch.setattr(os, "kill", note)
    monkeypatch.setattr(instance, "_PATIENCE", 0)
    return told


def test_only_one_serves_from_a_folder(tmp_path: Path) -> None:
    """Two would take each other's sockets."""
    with (
        instance.hold(tmp_path / "data"),
        pytest.raises(SuperviseError, match="already serving"),
        instance.hold(tmp_path / "data"),
    ):
        pass


def test_a_name_is_one_gateways_alone(tmp_path: Path) -> None:
    stores = [BlobStore(tmp_path, name) for name in ("r1", "r2", "r1")]
    for store in stores:
        store.prepare_ledger()
    with instance.hold_name(stores[0]), instance.hold_name(stores[1]):
        with pytest.raises(SuperviseError, match="another gateway is named r1 in"):
            instance.hold_name(stores[2]).__enter__()
        taken = [store.ledger.name for store in stores[:2]]
    assert taken == ["r1", "r2"]


@pytest.fixture
def both(postgresql: Server) -> Iterator[tuple[AdvisoryLocks, AdvisoryLocks]]:
    """Return the locks of two gateways on one database."""
    with (
        postgresql.new_database() as url,
        closing(AdvisoryLocks(url, label="running")) as running,
        closing(AdvisoryLocks(url, label="starting")) as starting,
    ):
        yield running, starting


def test_a_name_is_one_gateway_s_of_a_catalog(
    both: tuple[AdvisoryLocks, AdvisoryLocks], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each takes upload sessions and downloads of its name for its own."""
    running, starting = both
    assert running.try_lock(name_lock("r1"))
    log: list[str] = []
    instance.require_name(starting, "r2", log=log.append)
    assert log == []
    monkeypatch.setattr(instance, "_TAKEOVER", 0)
    with pytest.raises(SuperviseError, match=r"is named r1; .* set GATEWAY_REPLICA"):
        instance.require_name(starting, "r1", log=log.append)


def test_the_name_of_a_gateway_whose_machine_is_gone_is_waited_for(
    both: tuple[AdvisoryLocks, AdvisoryLocks],
) -> None:
    running, starting = both
    assert running.try_lock(name_lock("r1"))
    log: list[str] = []

    def say(line: str) -> None:
        log.append(line)
        running.close()

    instance.require_name(starting, "r1", log=say)
    assert log == ["another gateway of the catalog is named r1; waiting for it"]
    # The gateway's housekeeping takes it.
    assert running.try_lock(name_lock("r1"))


def test_a_gateway_that_gets_a_name_takes_what_it_had_under_its_id(
    tmp_path: Path, migrated: Path
) -> None:
    copy = tmp_path / "catalog.sqlite3"
    copy.write_bytes(migrated.read_bytes())
    database = Database.open(f"sqlite:///{copy}")
    before, store, other = (BlobStore(tmp_path, name) for name in ("id", "r1", "r2"))
    for each in (before, other):
        each.prepare_ledger()
    (before.ledger / "current.log").write_text("a line\n")
    (before.byte_cache / "0/a1").mkdir(parents=True)
    (before.byte_cache / "0/a1/object").touch()
    with database.write() as connection:
        ann = a_user(connection, "ann")
        for gateway in ("id", "other"):
            uploads.reserve(
                connection, ann, reservation=gateway, size=1, expires=9, gateway=gateway
            )
    for _ in range(2):
        instance.take_name(database, store, earlier="id")
    with database.read() as connection:
        names = connection.execute(select(reservations.c.gateway)).scalars().all()
    assert sorted(names) == ["other", "r1"]
    assert (store.ledger / "current.log").read_text() == "a line\n"
    assert not before.ledger.exists()
    assert (store.byte_cache / "0/a1/object").exists()
    # nginx may still run with this folder.
    assert list(before.byte_cache.iterdir()) == []


def test_a_reload_does_not_end_a_gateway_that_is_just_starting(tmp_path: Path) -> None:
    """It may wait for its catalog for hours; nobody starts it again after SIGHUP."""
    told: list[int] = []
    previous = signal.signal(signal.SIGHUP, lambda number, _: told.append(number))
    try:
        with instance.hold(tmp_path):
            signal.raise_signal(signal.SIGHUP)
        assert told == []
        signal.raise_signal(signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, previous)
    assert told == [signal.SIGHUP]


def test_who_was_refused_has_not_changed_who_is_told(
    tmp_path: Path, asked: list[int]
) -> None:
    """The lock's file names the process that holds it, whoever else has opened it."""
    with instance.hold(tmp_path):
        with pytest.raises(SuperviseError), instance.hold(tmp_path):
            pass
        with pytest.raises(SuperviseError, match="has not answered"):
            instance.reload(tmp_path)
    assert asked == [os.getpid()]


@pytest.mark.parametrize("is_old", [True, False], ids=["ended", "never-there"])
def test_where_none_serves_none_is_told(
    tmp_path: Path, asked: list[int], *, is_old: bool
) -> None:
    """In the wrong folder a reload must not seem to be done."""
    for folder in [tmp_path] * is_old:
        with instance.hold(folder):
            pass
    with pytest.raises(SuperviseError, match="is GATEWAY_DATA right"):
        instance.reload(tmp_path)
    assert asked == []


def test_one_of_another_container_is_not_told(
    tmp_path: Path, asked: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """There the number of its process is another one's."""
    with instance.hold(tmp_path):
        monkeypatch.setattr(instance, "_namespace", lambda: "pid:[1]")
        with pytest.raises(SuperviseError, match="another container"):
            instance.reload(tmp_path)
    assert asked == []


def test_an_old_answer_does_not_count(tmp_path: Path, asked: list[int]) -> None:
    """The last reload was done; this one's gateway says nothing."""
    with instance.hold(tmp_path):
        instance.record_reload(tmp_path, "")
        with pytest.raises(SuperviseError, match="has not answered"):
            instance.reload(tmp_path)
    assert len(asked) == 1
