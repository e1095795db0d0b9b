from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text

import gateway
from gateway.catalog import revocations, uploads
from gateway.catalog.database import Database
from gateway.catalog.disk_reserve import SIZE, Reserve
from gateway.catalog.revocations import Revocation
from gateway.errors import NoSpaceError
from tests.catalog.test_uploads import an_upload
from tests.live.disks import small_disk
from tests.users import a_user

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy import Connection

    from gateway.catalog.uploads import Upload
    from gateway.catalog.users import User
    from tests.live.disks import Disk


@pytest.fixture
def embedded(tmp_path: Path, migrated: Path) -> Iterator[Database]:
    copy = shutil.copyfile(migrated, tmp_path / "uploads.sqlite3")
    database = Database.open(f"sqlite:///{copy}")
    yield database
    database.engine.dispose()


@pytest.fixture
def reserve(embedded: Database) -> Reserve:
    assert embedded.reserve is not None
    return embedded.reserve


def leave(monkeypatch: pytest.MonkeyPatch, free: int) -> None:
    """Make the disk look as if it had that many bytes."""
    state = SimpleNamespace(f_bavail=free, f_frsize=1)
    monkeypatch.setattr(os, "statvfs", lambda _: state)


def test_it_takes_up_room(reserve: Reserve) -> None:
    assert reserve.allocate()
    assert reserve.path.stat().st_blocks * 512 >= SIZE


@pytest.mark.parametrize(
    ("free", "held"),
    [
        pytest.param(2 * SIZE, SIZE, id="all"),
        pytest.param(SIZE, SIZE, id="the last"),
        pytest.param(SIZE - 4096, SIZE - 4096, id="less"),
        pytest.param(0, 0, id="nothing"),
    ],
)
def test_it_takes_as_much_room_as_there_is(
    reserve: Reserve, monkeypatch: pytest.MonkeyPatch, free: int, held: int
) -> None:
    leave(monkeypatch, free)
    assert reserve.allocate() == (held == SIZE)
    assert reserve.path.stat().st_size == held
    leave(monkeypatch, SIZE)
    assert reserve.allocate()


def test_what_takes_access_away_has_it_while_it_is_written(
    embedded: Database, reserve: Reserve
) -> None:
    reserve.allocate()
    with embedded.write(may_use_reserve=True) as connection:
        connection.execute(text("DELETE FROM users"))
        during = reserve.path.stat().st_size
    assert (during, reserve.is_allocated()) == (0, True)


def test_it_is_laid_again_after_a_failure(embedded: Database, reserve: Reserve) -> None:
    reserve.allocate()
    with pytest.raises(ZeroDivisionError), embedded.write(may_use_reserve=True):
        raise ZeroDivisionError
    assert reserve.is_allocated()


@pytest.mark.parametrize(
    ("held", "free", "is_refused"),
    [
        pytest.param(SIZE, SIZE - 1, True, id="laid, and too little beside it"),
        pytest.param(SIZE, SIZE, False, id="laid, and as much beside it"),
        pytest.param(0, 2 * SIZE - 1, True, id="given up, and too little"),
        pytest.param(0, 2 * SIZE, False, id="given up, and enough"),
        pytest.param(SIZE // 2, SIZE, True, id="half of it"),
    ],
)
def test_nothing_else_is_written_without_room_beside_it(
    embedded: Database,
    reserve: Reserve,
    monkeypatch: pytest.MonkeyPatch,
    held: int,
    free: int,
    *,
    is_refused: bool,
) -> None:
    reserve.path.write_bytes(bytes(held))
    leave(monkeypatch, free)
    done: list[Connection] = []
    monkeypatch.setattr(embedded.deferred, "add", lambda _: None)
    embedded.attempt(done.append)
    embedded.write_or_defer(done.append)
    assert (done == []) == is_refused
    assert reserve.path.stat().st_size == held


#: What deletes, and what takes access away.
MAY_USE_IT = {
    "catalog/database.py",
    "cli/revoke.py",
    "cli/tokens.py",
    "cli/users.py",
    "maintenance/housekeeping.py",
    "maintenance/orphans.py",
    "shares/changes.py",
    "uploads/deletion.py",
    "uploads/drop_links.py",
    "uploads/resumable/sessions.py",
    "web/api/revocations.py",
    "web/auth/passwords.py",
    "web/pages/login.py",
    "web/pages/sessions.py",
}


def test_only_deletes_and_revocations_say_that_they_may_use_it() -> None:
    root = Path(gateway.__file__).parent
    said = {
        str(path.relative_to(root))
        for path in root.rglob("*.py")
        if "may_use_reserve" in path.read_text()
    }
    assert said == MAY_USE_IT


# On a disk that is really full


@dataclass
class Full:
    """A catalog that has been in use, on a small disk that others keep full."""

    disk: Disk
    database: Database
    owner: User
    uploads: list[Upload]

    def upload(self) -> None:
        """Have an upload refused, whose room is given back."""
        with pytest.raises(NoSpaceError), self.database.write():
            pass
        self.database.attempt(lambda connection: uploads.release(connection, "r"))

    def delete(self) -> None:
        upload = self.uploads.pop()
        with self.database.write(may_use_reserve=True) as connection:
            uploads.remove(connection, upload)

    def housekeep(self) -> None:
        assert self.database.reserve is not None
        self.database.reserve.allocate()

    def restart(self) -> None:
        """Close the last connection, which deletes the log; others take its room."""
        self.database.engine.dispose()
        self.disk.fill()
        self.database = Database.open(str(self.database.engine.url))

    def revoke(self, subject: str) -> None:
        new = Revocation(subject=subject, issued_until=1, created=1, keep_until=None)
        with self.database.write(may_use_reserve=True, alone=False) as connection:
            revocations.revoke(connection, new)

    def revoked(self) -> set[str]:
        """Return what is revoked, as somebody else finds it."""
        other = Database.open(str(self.database.engine.url))
        with other.read() as connection:
            found = {one.subject for one in revocations.listing(connection)}
        other.engine.dispose()
        return found


@pytest.fixture
def full(tmp_path: Path, migrated: Path) -> Iterator[Full]:
    with small_disk(tmp_path / "disk", "5m") as disk:
        copy = shutil.copyfile(migrated, disk.root / "uploads.sqlite3")
        database = Database.open(f"sqlite:///{copy}")
        assert database.reserve is not None
        assert database.reserve.allocate()
        owner = an_owner(database)
        made = [an_upload(owner) for _ in range(40)]
        for upload in made:
            with database.write() as connection:
                uploads.add(connection, upload)
        disk.fill()
        here = Full(disk, database, owner, made)
        yield here
        here.database.engine.dispose()


def an_owner(database: Database) -> User:
    with database.write() as connection:
        return a_user(connection, "ann")


ORDERS = [
    pytest.param(order, id=" ".join(step.__name__ for step in order))
    for order in permutations((Full.upload, Full.delete, Full.restart, Full.housekeep))
]


@pytest.mark.parametrize("order", ORDERS)
def test_a_link_is_taken_back_on_a_full_disk_whatever_came_before(
    full: Full, order: tuple[Callable[[Full], None], ...]
) -> None:
    for step in order:
        step(full)
        full.disk.fill()
    full.revoke("url:a")
    assert full.revoked() == {"url:a"}


def test_links_are_taken_back_while_another_process_takes_all_room(full: Full) -> None:
    subjects = {f"url:{number}" for number in range(20)}
    with full.disk.kept_full():
        for subject in subjects:
            full.revoke(subject)
            full.delete()
    assert full.revoked() == subjects


def test_a_link_is_taken_back_though_the_log_can_not_grow(
    full: Full, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = Reserve.release

    def lose(reserve: Reserve) -> None:
        release(reserve)
        full.disk.fill()

    full.restart()
    full.delete()
    full.disk.fill()
    monkeypatch.setattr(Reserve, "release", lose)
    subjects = {f"url:{number}" for number in range(5)}
    for subject in subjects:
        full.revoke(subject)
    assert full.revoked() == subjects


def test_a_catalog_that_nobody_has_open_is_read_on_a_full_disk(full: Full) -> None:
    full.restart()
    assert full.revoked() == set()
    assert full.database.reserve is not None
    assert full.database.reserve.path.stat().st_size > SIZE // 2
