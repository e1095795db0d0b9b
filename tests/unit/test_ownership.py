"""What a command of root's replaces or makes stays its user's who runs the service."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from gateway.catalog import users
from gateway.catalog.database import Database
from gateway.catalog.upgrade import upgrade
from gateway.cli.keys import add_key
from gateway.cli.secrets import ensure_secret
from gateway.errors import OwnershipError, SuperviseError
from gateway.links import Key
from gateway.ownership import Owner
from gateway.runtime import instance
from gateway.storage import copies
from gateway.storage.blobs import BlobStore
from tests.live.disks import require_root
from tests.maintenance.conftest import Kept
from tests.unit.command import RING

if TYPE_CHECKING:
    from tests.unit.command import Run

SERVICE = Owner(54_321, 54_322)


def foreign(*places: Path) -> dict[str, int]:
    """Return what below *places* is not the service's, or not for it alone."""
    everything = [p for place in places for p in (place, *place.rglob("*"))]
    assert len(everything) > len(places)
    return {
        str(path): path.lstat().st_uid
        for path in everything
        if Owner.of(path) != SERVICE or path.stat().st_mode & 0o077
    }


@pytest.fixture
def data(run: Run) -> Path:
    """Give the data folder to the user of the service; this one is root."""
    del run  # it has changed to a folder of the test's own
    require_root()
    path = Path("data").absolute()
    path.mkdir(mode=0o700)
    os.chown(path, SERVICE.uid, SERVICE.gid)
    return path


@pytest.fixture
def commands(run: Run, data: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run commands as root, from a careless shell, for another user's gateway."""
    os.umask(0)
    monkeypatch.setenv("GATEWAY_DATA", str(data))
    monkeypatch.setenv("GATEWAY_FREE_SPACE", "0")
    monkeypatch.delenv("GATEWAY_KEYS")
    return run


def test_everything_that_root_makes_is_the_service_s(commands: Run, data: Path) -> None:
    """One foreign file among them, and the service ends at its next start or write."""
    ensure_secret(data / "secret")
    for command in (
        ("keys", "new", "--add"),
        ("db", "upgrade", "--make-admin"),
        ("keys", "new", "--add"),
        ("secrets", "rotate"),
        ("users", "add", "ann", "--password", "correct horse"),
        ("tokens", "new", "ann", "--scope", "read"),
        ("drops", "new", "ann", "--no-expiry"),
        ("revoke", "--path", "a"),
        ("housekeep",),
        ("fsck", "--repair"),
        ("backup", "backup"),
    ):
        assert (command, commands(*command).status) == (command, 0)
        assert foreign(data) == {}
    made = {path.name for path in data.iterdir()}
    assert made >= {"keys", "secret", "first-password", "catalog.sqlite3.reserve"}


@pytest.mark.parametrize("copied", [[], ["--copy"]], ids=["links", "copies"])
def test_what_root_restores_is_the_service_s(
    commands: Run, data: Path, monkeypatch: pytest.MonkeyPatch, copied: list[str]
) -> None:
    """A backup that root has made, which owns every file of it."""
    commands("keys", "new", "--add")
    ensure_secret(data / "secret")
    commands("db", "upgrade", "--make-admin")
    upload(data)
    assert commands("backup", "backup", *copied).status == 0
    other = Path("other").absolute()
    other.mkdir(mode=0o700)
    os.chown(other, SERVICE.uid, SERVICE.gid)
    monkeypatch.setenv("GATEWAY_DATA", str(other))
    assert commands("restore", "backup").status == 0
    assert len(list((other / "store" / "blobs").glob("*/*"))) == 1
    assert {path.name for path in other.iterdir()} >= {"keys", "secret"}
    assert foreign(other) == {}


def upload(data: Path) -> None:
    """Store an upload as the service would."""
    database = Database.open(f"sqlite:///{data}/catalog.sqlite3")
    with database.read() as connection:
        admin = users.by_name(connection, "admin")
    kept = Kept(database, BlobStore(data / "store"), admin)
    blob = kept.store.path(kept.put().blob)
    os.chown(blob, SERVICE.uid, SERVICE.gid)
    database.engine.dispose()


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o644], ids=oct)
def test_a_file_that_is_replaced_keeps_owner_and_mode(
    tmp_path: Path, mode: int
) -> None:
    """A group that may read the keys is the operator's choice."""
    require_root()
    keys = tmp_path / "keys"
    keys.write_text(f"{RING}\n")
    os.chown(keys, SERVICE.uid, SERVICE.gid)
    keys.chmod(mode)
    add_key(keys, Key.generate())
    assert len(keys.read_text().split()) == 3
    assert (Owner.of(keys), keys.stat().st_mode & 0o777) == (SERVICE, mode)


@pytest.fixture
def powerless(monkeypatch: pytest.MonkeyPatch) -> None:
    """Be a root that may give nothing away, as in a container without capabilities."""
    require_root()

    def refuse(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "fchown", refuse)


@pytest.mark.usefixtures("powerless")
def test_a_file_whose_owner_can_not_be_kept_is_not_replaced(tmp_path: Path) -> None:
    """The service goes on with what it could read before."""
    keys = tmp_path / "keys"
    copies.write(keys, b"before")
    os.chown(keys, SERVICE.uid, SERVICE.gid)
    with pytest.raises(OwnershipError, match=f"belongs to the user {SERVICE.uid}"):
        copies.write(keys, b"after")
    assert keys.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [keys]


@pytest.mark.usefixtures("powerless")
@pytest.mark.parametrize(
    "command", [["db", "upgrade"], ["restore", "files"]], ids=lambda words: words[0]
)
def test_nothing_is_made_where_it_could_not_be_given_its_owner(
    commands: Run, data: Path, command: list[str]
) -> None:
    """Half a store of root's would be worse than none."""
    ran = commands(*command)
    assert (ran.status, ran.out) == (1, "")
    assert f"{data} belongs to the user {SERVICE.uid}" in ran.err
    assert list(data.iterdir()) == []


def test_root_does_not_serve_from_another_user_s_folder(data: Path) -> None:
    """All that it stored would be lost to the service."""
    with (
        pytest.raises(SuperviseError, match=f"belongs to the user {SERVICE.uid}"),
        instance.hold(data),
    ):
        pass
    assert list(data.iterdir()) == []


def test_a_catalog_that_others_can_read_is_taken_from_them(tmp_path: Path) -> None:
    """Names, digests and sessions stand in it; an earlier release made it so."""
    file = tmp_path / "catalog.sqlite3"
    database = Database.open(f"sqlite:///{file}")
    upgrade(database)
    with database.write() as connection:
        connection.exec_driver_sql("UPDATE users SET name = 'x'")
    for path in tmp_path.iterdir():
        path.chmod(0o644)
    upgrade(database)
    modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
    assert modes == dict.fromkeys(
        [file.name, f"{file.name}-shm", f"{file.name}-wal"], 0o600
    )


def test_nginx_s_files_can_be_read_by_every_user(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The workers of a site's own nginx are not root, who writes them."""
    monkeypatch.setenv("GATEWAY_FILES", "files")
    assert run("nginx-conf", "--output", "etc/nginx/gateway").status == 0
    written = [Path("etc"), *Path("etc").rglob("*")]
    needed = {path: 0o055 if path.is_dir() else 0o044 for path in written}
    lacking = [p for p, bits in needed.items() if p.stat().st_mode & bits != bits]
    assert len(written) > 40
    assert lacking == []
