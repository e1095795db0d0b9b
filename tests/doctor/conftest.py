"""A gateway's machine with which nothing is wrong, without a server."""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from gateway.config import environment, settings
from gateway.doctor import inside
from gateway.doctor.examination import Examination
from gateway.doctor.machine import Machine
from gateway.doctor.results import State
from gateway.links import Key
from gateway.links.server_secret import ServerSecret
from gateway.maintenance import last_round
from gateway.runtime.rendering import NginxConf
from gateway.storage.blobs import BlobStore
from tests.live.test_nginx import FakeGunicorn
from tests.unit.conftest import run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from gateway.doctor.results import Result

__all__ = ["run"]


@dataclass
class Place:
    """The machine of a gateway whose folders are below ``home``."""

    home: Path
    gunicorn: FakeGunicorn
    changes: dict[str, str] = field(default_factory=dict)

    @property
    def data(self) -> Path:
        return self.home / "data"

    def machine(self) -> Machine:
        environ = {
            "GATEWAY_DATA": str(self.data),
            "GATEWAY_FREE_SPACE": "0",
            **self.changes,
        }
        reading, faults = settings.read_valid(environ)
        return Machine(
            settings=reading.settings,
            faults=faults,
            warnings=reading.warnings,
            sources=environment.sources(reading.settings, environ),
            clock=time.time,
        )

    def results(self) -> list[Result]:
        return [*Examination().results(inside.checks(self.machine()))]

    def findings(self) -> set[str]:
        found = [each for each in self.results() if each.state is State.FOUND]
        assert all(each.mend for each in found)
        return {each.code for each in found}


@pytest.fixture
def place(tmp_path: Path, migrated: Path) -> Iterator[Place]:
    tmp_path.chmod(0o755)
    data = tmp_path / "data"
    run_folder = data / "run"
    run_folder.mkdir(parents=True, mode=0o700)
    data.chmod(0o711)
    for name, text in (
        ("keys", str(Key.generate())),
        ("secret", str(ServerSecret.generate())),
        ("id", "1" * 32),
    ):
        (data / name).write_text(text)
        (data / name).chmod(0o600)
    shutil.copy(migrated, data / "catalog.sqlite3")
    (data / "catalog.sqlite3").chmod(0o600)
    store = BlobStore(data / "store", "1" * 32)
    store.prepare()
    store.prepare_ledger()
    (store.ledger / "current.log").touch()
    last_round.record(data, now=int(time.time()))
    NginxConf(
        settings=settings.read({"GATEWAY_FILES": str(tmp_path)}).settings,
        listen="127.0.0.1:8080",
        run=run_folder,
        conf=run_folder / "conf" / "1",
        spool=store.spool,
        byte_cache=store.byte_cache,
        ledger=store.ledger,
    ).write()
    (run_folder / "conf" / "live").symlink_to("1")
    gunicorn = FakeGunicorn(run_folder)
    yield Place(tmp_path, gunicorn)
    gunicorn.close()
