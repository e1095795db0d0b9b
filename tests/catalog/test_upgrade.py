"""Migrations bring any database to the schema that the code expects."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import insert, select, text, update

from gateway.catalog import drops, expiry, upload_sessions, uploads
from gateway.catalog import users as catalog_users
from gateway.catalog.database import Database, wait_for_writers
from gateway.catalog.revision import NEWEST, is_usable, version
from gateway.catalog.schema import compatibility, metadata, reservations, users
from gateway.catalog.upgrade import upgrade
from gateway.config import settings
from gateway.errors import CatalogBusyError, SettingsError
from gateway.runtime.prepare import prepare
from gateway.storage.blobs import BlobStore, new_id
from gateway.storage.session_files import SessionFiles

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from sqlalchemy import Connection, TextClause

    from gateway.catalog.users import User
    from tests.catalog.postgres import Server


def test_migrations_end_at_the_schema(database: Database) -> None:
    with database.read() as connection:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "compare_server_default": True}
        )
        assert compare_metadata(context, metadata) == []


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Give the URL of a database without any table."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/catalog.sqlite3"
        return
    server: Server = request.getfixturevalue("postgresql")
    with server.new_database() as url:
        yield url


def test_an_empty_database_is_not_current(empty_url: str) -> None:
    database = Database.open(empty_url)
    before = is_usable(database)
    upgrade(database)
    after = is_usable(database)
    database.engine.dispose()
    assert (before, after) == (False, True)


#: Rows with the columns of the first schema.
_ROWS_OF_0001 = (
    """
    INSERT INTO users (id, name, password_hash, role, is_disabled, session_epoch,
                       stored_bytes, created)
    VALUES (1, 'ann', 'hash', 'admin', FALSE, 3, 7, 1)
    """,
    """
    INSERT INTO drops (id, owner_id, title, taken, types, created)
    VALUES ('aaaaaaaaaaaa', 1, 'Photos', 2, '', 1)
    """,
    """
    INSERT INTO uploads (id, owner_id, drop_id, name, size, media_type, blob, created)
    VALUES ('u', 1, 'aaaaaaaaaaaa', 'a.txt', 7, 'text/plain', 'b', 1)
    """,
    """
    INSERT INTO revocations (subject, issued_until, created) VALUES ('key:a', 99, 1)
    """,
)


@pytest.mark.parametrize(
    "empty_url",
    ["sqlite", pytest.param("postgresql", marks=pytest.mark.extra)],
    indirect=True,
)
@pytest.mark.parametrize("revision", [f"{n:04}" for n in range(1, int(NEWEST))])
def test_an_upgrade_from_any_schema_keeps_what_there_is(
    empty_url: str, revision: str
) -> None:
    database = Database.open(empty_url)
    upgrade_to(database, revision)
    with database.write() as connection:
        for statement in _ROWS_OF_0001:
            connection.execute(text(statement))
    upgrade(database)
    with database.read() as connection:
        ann = catalog_users.by_name(connection, "ann")
        upload = uploads.by_id(connection, "u")
        drop = drops.by_id(connection, "aaaaaaaaaaaa")
        revoked = connection.execute(text("SELECT issued_until FROM revocations"))
        until = revoked.scalar_one()
        context = MigrationContext.configure(connection)
        differences = compare_metadata(context, metadata)
    database.engine.dispose()
    assert differences == []
    assert (ann.role, ann.session_epoch, until) == ("admin", 3, 99)
    assert upload is not None
    assert (upload.name, upload.blob, upload.drop_id) == ("a.txt", "b", "aaaaaaaaaaaa")
    assert drop is not None
    assert (drop.title, drop.taken) == ("Photos", 2)


def test_a_second_upgrade_changes_nothing(database: Database, ann: User) -> None:
    upgrade(database)
    with database.read() as connection:
        assert connection.exec_driver_sql("SELECT name FROM users").all() == [
            (ann.name,)
        ]


def test_gateways_that_start_at_once_upgrade_once(empty_url: str) -> None:
    databases = [Database.open(empty_url) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(upgrade, databases))
    assert all(is_usable(database) for database in databases)
    for database in databases:
        database.engine.dispose()


def upgrade_to(database: Database, revision: str) -> None:
    """Bring an empty database to an earlier schema."""
    to = command.upgrade
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(command, "upgrade", lambda config, _: to(config, revision))
        upgrade(database)


def is_true(database: Database, query: TextClause) -> bool:
    with database.read() as connection:
        return bool(connection.execute(query).scalar())


@pytest.fixture
def old_url(postgresql: Server) -> Iterator[str]:
    """Give the URL of a PostgreSQL database that lacks the last migration."""
    with postgresql.new_database() as url:
        database = Database.open(url)
        upgrade_to(database, "0005")
        database.engine.dispose()
        yield url


@pytest.mark.parametrize(
    "keep",
    [
        pytest.param(wait_for_writers, id="an upload"),
        pytest.param(
            lambda connection: connection.execute(text("SELECT id FROM reservations")),
            id="a reader of a table",
        ),
    ],
)
def test_a_migration_lets_go_of_what_it_can_not_lock(
    old_url: str, monkeypatch: pytest.MonkeyPatch, keep: Callable[[Connection], object]
) -> None:
    """Everybody else would queue behind it."""
    monkeypatch.setattr("gateway.catalog.upgrade._LOCK_TIMEOUT", 50)
    database = Database.open(old_url, silence=5)
    with database.engine.connect() as other:
        keep(other)
        with pytest.raises(CatalogBusyError, match="lock timeout"):
            upgrade(database)
        readable = is_true(database, text("SELECT count(*) = 0 FROM reservations"))
    upgrade(database)
    upgraded = is_usable(database)
    database.engine.dispose()
    assert (readable, upgraded) == (True, True)


def in_the_future(database: Database, oldest: str) -> None:
    """Have a newer gateway migrate the catalog."""
    with database.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
        connection.execute(update(compatibility).values(oldest=oldest))
        connection.execute(text("ALTER TABLE users ADD COLUMN of_the_future TEXT"))


def test_a_newer_schema_that_fits_is_worked_with(database: Database) -> None:
    in_the_future(database, oldest=NEWEST)
    usable = is_usable(database)
    upgrade(database)  # as a start of this older gateway
    with database.read() as connection:
        left = version(connection)
    assert (usable, left) == (True, "9999")


def test_a_newer_schema_that_does_not_fit_is_refused(database: Database) -> None:
    in_the_future(database, oldest="9999")
    assert not is_usable(database)
    with pytest.raises(SettingsError, match=f"schema 9999.* works with {NEWEST}"):
        upgrade(database)


def test_the_newest_schema_says_whom_it_fits(database: Database) -> None:
    with database.read() as connection:
        oldest = connection.execute(select(compatibility.c.oldest)).scalar_one()
    assert "0008" <= oldest <= NEWEST  # since when it is asked, and until now


def test_an_upgrade_adds_up_what_there_is(
    empty_url: str,
) -> None:
    database = Database.open(empty_url)
    upgrade_to(database, "0004")
    with database.write() as connection:
        connection.execute(insert(users), [a_user("ann", 5), a_user("bob", 1 << 40)])
    upgrade(database)
    with database.read() as connection:
        total = expiry.total(connection)
    database.engine.dispose()
    assert total == (1 << 40) + 5


def test_a_drop_link_from_before_the_secret_has_no_id_for_a_code(
    empty_url: str,
) -> None:
    database = Database.open(empty_url)
    upgrade_to(database, "0005")
    with database.write() as connection:
        connection.exec_driver_sql(
            "INSERT INTO users VALUES (1, 'ann', '', 'member', FALSE, 0, 0, 1)"
        )
        connection.exec_driver_sql(
            "INSERT INTO drops (id, owner_id, title, taken, types, created) "
            "VALUES ('aaaaaaaaaaaa', 1, '', 0, '', 1)"
        )
        connection.exec_driver_sql("INSERT INTO tries VALUES ('account:x', 9, 1)")
    upgrade(database)
    with database.read() as connection:
        drop = drops.by_id(connection, "aaaaaaaaaaaa")
        ann = catalog_users.by_name(connection, "ann")
        tried = connection.exec_driver_sql(
            "SELECT count(*) FROM login_attempts"
        ).scalar()
    database.engine.dispose()
    assert drop is not None
    assert (drop.code_id, ann.must_change_password, tried) == (None, False, 0)


def test_an_upgrade_leaves_drop_links_that_have_no_limits_as_much_as_new_ones(
    empty_url: str,
) -> None:
    database = Database.open(empty_url)
    upgrade_to(database, "0005")
    with database.write() as connection:
        connection.execute(insert(users), a_user("ann", 7))
        for statement in _A_LINK_OF_0005:
            connection.execute(text(statement))
    upgrade(database)
    with database.read() as connection:
        drop = drops.by_id(connection, "a")
        lapses = connection.execute(select(reservations.c.lapses)).scalar_one()
    database.engine.dispose()
    assert drop is not None
    assert (drop.stored_bytes, drop.max_total) == (7, 7 + drops.BYTES)
    assert (drop.taken, drop.max_uploads) == (2, 2 + drops.UPLOADS)
    assert lapses == 99


_A_LINK_OF_0005 = (
    """
    INSERT INTO drops (id, owner_id, title, taken, types, created)
    SELECT 'a', id, '', 2, '', 1 FROM users
    """,
    """
    INSERT INTO uploads (id, owner_id, drop_id, name, size, media_type, blob, created)
    SELECT 'u', id, 'a', 'a.txt', 7, 'text/plain', 'b', 1 FROM users
    """,
    """
    INSERT INTO reservations (id, owner_id, drop_id, size, expires)
    SELECT 'r', id, 'a', 5, 99 FROM users
    """,
)


def a_user(name: str, stored_bytes: int) -> dict[str, object]:
    return {
        "name": name,
        "password_hash": "",
        "role": "member",
        "is_disabled": False,
        "session_epoch": 0,
        "stored_bytes": stored_bytes,
        "created": 1,
    }


def test_the_newest_schema_is_the_last_migration() -> None:
    config = Config()
    config.set_main_option("script_location", "gateway:catalog/migrations")
    assert ScriptDirectory.from_config(config).get_current_head() == NEWEST


def test_an_upload_session_that_is_under_way_goes_on_after_the_upgrade(
    empty_url: str, tmp_path: Path
) -> None:
    """Its table, its columns and its folder had other names."""
    made = settings.read(
        {"GATEWAY_DATABASE": empty_url, "GATEWAY_DATA": str(tmp_path / "data")}
    ).settings
    database = Database.open(empty_url)
    upgrade_to(database, "0012")
    session_id = new_id()
    with database.write() as connection:
        connection.exec_driver_sql(
            "INSERT INTO users (id, name, password_hash, role, is_disabled, "
            "session_epoch, stored_bytes, created) "
            "VALUES (1, 'ann', '', 'member', FALSE, 0, 0, 1)"
        )
        connection.execute(
            text(
                "INSERT INTO partials (id, owner_id, name, size, metadata, concat, "
                "created, expires, turn, synced, turn_expires) "
                "VALUES (:id, 1, 'a.txt', 10, '', '', 1, 9, 'r', 4, 5)"
            ),
            {"id": session_id},
        )
    store = BlobStore(tmp_path / "data" / "store")
    (store.root / "partials").mkdir(parents=True)
    (store.root / "partials" / session_id).write_bytes(b"half")
    prepare(made).engine.dispose()
    with database.read() as connection:
        session = upload_sessions.by_id(connection, session_id)
    database.engine.dispose()
    assert session is not None
    assert (session.synced, session.active_request) == (4, "r")
    assert session.active_request_expires == 5
    with SessionFiles(store).lock(session_id) as file:
        assert file.size == session.synced
