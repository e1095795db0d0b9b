from __future__ import annotations

import os
import shutil
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text

from gateway.catalog.database import Database
from gateway.catalog.reserve import SIZE, Reserve
from gateway.errors import NoSpaceError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def embedded(tmp_path: Path, migrated: Path) -> Iterator[Database]:
    copy = shutil.copyfile(migrated, tmp_path / "catalog.sqlite3")
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
    assert reserve.lay()
    assert reserve.path.stat().st_blocks * 512 >= SIZE


@pytest.mark.parametrize(
    ("free", "is_laid"),
    [
        pytest.param(2 * SIZE, True, id="twice as much"),
        pytest.param(2 * SIZE - 1, False, id="less"),
    ],
)
def test_it_is_laid_only_where_there_is_room(
    reserve: Reserve, monkeypatch: pytest.MonkeyPatch, free: int, *, is_laid: bool
) -> None:
    leave(monkeypatch, free)
    assert (reserve.lay(), reserve.is_laid()) == (is_laid, is_laid)


def test_what_takes_access_away_gets_it_when_the_disk_is_full(
    embedded: Database, reserve: Reserve, monkeypatch: pytest.MonkeyPatch
) -> None:
    reserve.lay()
    leave(monkeypatch, 0)
    with embedded.write(may_use_reserve=True) as connection:
        connection.execute(text("DELETE FROM users"))
    assert not reserve.is_laid()


def test_nothing_else_gets_it(
    embedded: Database, reserve: Reserve, monkeypatch: pytest.MonkeyPatch
) -> None:
    reserve.lay()
    reserve.release()
    leave(monkeypatch, SIZE)
    with pytest.raises(NoSpaceError), embedded.write():
        pass


def test_it_is_kept_while_there_is_room(
    embedded: Database, reserve: Reserve, monkeypatch: pytest.MonkeyPatch
) -> None:
    reserve.lay()
    leave(monkeypatch, SIZE)
    with embedded.write(may_use_reserve=True), embedded.read():
        pass
    assert reserve.is_laid()


def test_writing_goes_on_without_it_when_there_is_room_again(
    embedded: Database, reserve: Reserve, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave(monkeypatch, 2 * SIZE)
    with embedded.write() as connection:
        connection.execute(text("DELETE FROM users"))
    assert not reserve.is_laid()
