"""What gunicorn's master does first: settings, and what a kill has left."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gateway.catalog import partials, uploads
from gateway.catalog.database import Database
from gateway.catalog.partials import Partial
from gateway.links import Key
from gateway.ops import boot
from gateway.ops.boot import end_what_ran
from gateway.storage.blobs import new_id
from tests.catalog.conftest import ON_SQLITE

if TYPE_CHECKING:
    from pathlib import Path

    from gateway.catalog.users import User


@pytest.fixture
def set_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Set what gunicorn needs, before its first start; return what sets more."""
    (tmp_path / "files").mkdir()
    for name, text in {
        "GATEWAY_DATA": str(tmp_path / "data"),
        "GATEWAY_FILES": str(tmp_path / "files"),
        "GATEWAY_KEYS": str(Key.generate()),
    }.items():
        monkeypatch.setenv(name, text)
    monkeypatch.setattr(boot, "_last", None)
    return monkeypatch


def test_faulty_settings_at_the_start_end_it(
    set_up: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    set_up.setenv("GATEWAY_GRACE", "never")
    with pytest.raises(SystemExit) as ended:
        boot.read_settings()
    assert ended.value.code == 1
    assert "gateway: GATEWAY_GRACE" in capsys.readouterr().err


def test_faulty_settings_at_a_reload_leave_the_last_good_ones(
    set_up: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    set_up.setenv("GATEWAY_GRACE", "7")
    first = boot.read_settings()
    set_up.setenv("GATEWAY_GRACE", "never")
    assert boot.read_settings() is first
    assert "the settings stay as they were" in capsys.readouterr().err
    set_up.setenv("GATEWAY_GRACE", "8")
    assert boot.read_settings().settings.grace == 8


def some_of_each(database: Database, owner: User) -> str:
    """Have a piece and a PUT on their way; return the id of the piece's upload."""
    unfinished = Partial(
        id=new_id(),
        owner_id=owner.id,
        drop_id=None,
        name="a.bin",
        size=10,
        metadata="",
        concat="",
        created=100,
        expires=200,
        turn="request",
        turn_expires=200,
    )
    with database.write() as connection:
        partials.add(connection, unfinished)
        uploads.reserve(
            connection, owner, reservation=unfinished.id, size=10, expires=200
        )
        uploads.reserve(connection, owner, reservation="request", size=5, expires=200)
    return unfinished.id


@ON_SQLITE
def test_what_ran_is_over_and_what_is_unfinished_keeps_its_room(
    url: str, database: Database, ann: User
) -> None:
    unfinished = some_of_each(database, ann)
    end_what_ran(url)
    with database.read() as connection:
        after = uploads.usage(connection, ann, now=100)
        left = partials.by_id(connection, unfinished)
    assert (after.running, after.by_user) == (0, 10)
    assert left is not None
    assert left.turn == ""


@pytest.mark.parametrize("url", ["postgresql"], indirect=True)
def test_what_may_run_by_another_gateway_goes_on(
    url: str, database: Database, ann: User
) -> None:
    some_of_each(database, ann)
    end_what_ran(url)
    with database.read() as connection:
        after = uploads.usage(connection, ann, now=100)
    assert (after.running, after.by_user) == (2, 15)


def test_a_catalog_without_tables_is_left_alone(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/catalog.sqlite3"
    end_what_ran(url)
    database = Database.open(url)
    with database.read() as connection:
        assert not connection.dialect.get_table_names(connection)
    database.engine.dispose()
