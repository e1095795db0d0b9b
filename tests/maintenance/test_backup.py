from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select

from gateway.catalog import (
    audit,
    bookings,
    drops,
    dump,
    expiry,
    recipients,
    shares,
    tokens,
    users,
)
from gateway.catalog.audit import Action
from gateway.catalog.database import Database
from gateway.catalog.recipients import NewRecipient
from gateway.catalog.revision import NEWEST
from gateway.catalog.schema import lease_requests
from gateway.catalog.schema import users as users_table
from gateway.catalog.shares import NewItem
from gateway.catalog.tokens import Scope
from gateway.catalog.users import Role
from gateway.errors import BackupError
from gateway.maintenance.backup import Backup, BackupResult
from gateway.maintenance.fsck import Check
from gateway.maintenance.manifest import Folder
from gateway.maintenance.restore import Restore
from gateway.shares.policy import SharePolicy
from gateway.storage.blobs import BlobStore
from gateway.storage.disk_blobs import DiskBlobs
from gateway.storage.locks import try_lock
from tests.catalog.conftest import ON_SQLITE
from tests.catalog.test_booking import Ledger
from tests.catalog.test_leases import a_link
from tests.catalog.test_upgrade import in_the_future
from tests.maintenance.conftest import Kept
from tests.maintenance.test_orphans import WithoutTrash
from tests.unit.disk import Disk
from tests.users import a_user

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from sqlalchemy import Connection

NOW = 1_800_000_000


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path / "backup")


@pytest.fixture
def elsewhere(tmp_path: Path, migrated: Path) -> Iterator[Restore]:
    """Return the way into an empty gateway, on SQLite whatever made the backup."""
    store = BlobStore(tmp_path / "elsewhere")
    store.prepare()
    copy = shutil.copyfile(migrated, tmp_path / "elsewhere.sqlite3")
    database = Database.open(f"sqlite:///{copy}")
    yield Restore(
        prepare=lambda: database,
        store=store,
        blobs=DiskBlobs(store),
        folder=Folder(tmp_path / "backup"),
        keys=tmp_path / "elsewhere.keys",
        secret=tmp_path / "elsewhere.secret",
    )
    database.engine.dispose()


def make(kept: Kept, folder: Folder, *, now: int = NOW, **options: Any) -> BackupResult:
    return Backup(
        **{
            "database": kept.database,
            "store": kept.store,
            "blobs": DiskBlobs(kept.store),
            "folder": folder,
            "keys": "a:secret\n",
            "secret": "of the server\n",
            "version": "1.2.3",
            **options,
        }
    ).make(now=now)


def restored(restore: Restore, ann: Any) -> Kept:
    return Kept(restore.prepare(), restore.store, ann)


@pytest.mark.parametrize("may_link", [True, False], ids=["links", "copies"])
def test_everything_comes_back(
    kept: Kept, folder: Folder, elsewhere: Restore, *, may_link: bool
) -> None:
    upload = kept.put(b"one", sha256=hashlib.sha256(b"one").digest(), name="фото.jpg")
    other = kept.put(b"two", delete_after=NOW + 1, idempotency_key="key")
    with kept.database.write() as connection:
        token = tokens.new(
            connection, kept.ann, scopes=[Scope.READ], expires=None, now=NOW
        )
        drop = drops.new(
            connection,
            kept.ann,
            title="t",
            max_uploads=1,
            max_size=None,
            types=("image/*",),
            expires=None,
            now=NOW,
        )
        share = shares.new(
            connection,
            kept.ann,
            [NewItem("a.bin", upload_id=upload.id)],
            now=NOW,
            **vars(SharePolicy(title="t", has_otp=True, expires=NOW + 1)),
        )
        links = recipients.add(connection, share, [NewRecipient("a@b.c", "l")], now=1)
        audit.record(connection, kept.ann, Action.CREATED, share.id, now=NOW)
    made = make(kept, folder, may_link=may_link)
    assert (made.uploads, made.bytes, made.copied, made.gone) == (2, 6, 2, [])
    replace(elsewhere, may_link=may_link).make()
    there = restored(elsewhere, kept.ann)
    assert there.get(upload) == upload
    assert there.get(other) == other
    assert there.store.path(upload.blob).read_bytes() == b"one"
    assert there.files() == kept.files()
    with there.database.read() as connection:
        assert tokens.authenticate(connection, token, now=NOW)[0].name == "ann"
        assert drops.by_id(connection, drop.id) == drop
        assert shares.by_id(connection, share.id) == share
        (item,) = shares.items_of(connection, [share.id])
        assert (item.blob, item.size) == (upload.blob, upload.size)
        assert recipients.by_code_id(connection, links[0].code_id) == links[0]
        assert [e.actor for e in audit.newest(connection, limit=9)] == ["ann"]
    assert elsewhere.keys is not None
    assert elsewhere.keys.read_text() == "a:secret\n"
    assert elsewhere.keys.stat().st_mode & 0o777 == 0o600
    assert elsewhere.secret is not None
    assert elsewhere.secret.read_text() == "of the server\n"
    assert elsewhere.secret.stat().st_mode & 0o777 == 0o600
    check = Check(
        database=there.database,
        store=there.store,
        blobs=DiskBlobs(there.store),
        with_digests=True,
        grace=0,
    )
    assert list(check.run(now=int(time.time()) + 1)) == []


@ON_SQLITE
@pytest.mark.parametrize("may_link", [True, False], ids=["links", "copies"])
def test_a_backup_and_what_is_restored_outlive_a_power_cut(
    kept: Kept,
    folder: Folder,
    elsewhere: Restore,
    monkeypatch: pytest.MonkeyPatch,
    *,
    may_link: bool,
) -> None:
    kept.put(b"one")
    kept.put(b"two")
    folder.root.mkdir()
    disk = Disk(kept.store.root, folder.root, elsewhere.store.root)
    monkeypatch.setattr(os, "fsync", disk.fsync)
    make(kept, folder, may_link=may_link)
    assert disk.lost() == []
    replace(elsewhere, may_link=may_link).make()
    assert disk.lost() == []


@ON_SQLITE
def test_a_blob_keeps_its_time_of_change(
    kept: Kept, folder: Folder, elsewhere: Restore
) -> None:
    upload = kept.put()
    make(kept, folder, may_link=False)
    replace(elsewhere, may_link=False).make()
    before = kept.store.path(upload.blob).stat()
    after = elsewhere.store.path(upload.blob).stat()
    # nginx's ETag is made of it: a client's copy stays good.
    assert after.st_mtime_ns == before.st_mtime_ns
    assert after.st_ino != before.st_ino


@ON_SQLITE
def test_a_backup_is_its_owner_s_alone(kept: Kept, folder: Folder) -> None:
    kept.put()
    make(kept, folder, may_link=False)
    modes = {p.stat().st_mode & 0o077 for p in [folder.root, *folder.root.rglob("*")]}
    assert modes == {0}


def test_a_second_backup_copies_what_is_new_and_drops_what_is_gone(
    kept: Kept, folder: Folder
) -> None:
    stays = kept.put(b"stays")
    goes = kept.put(b"goes", delete_after=1)
    make(kept, folder)
    kept.keeper().round(now=NOW)
    new = kept.put(b"new")
    made = make(kept, folder, now=NOW)
    assert (made.uploads, made.copied) == (2, 1)
    assert (folder.blobs / stays.blob).exists()
    assert (folder.blobs / new.blob).exists()
    assert not (folder.blobs / goes.blob).exists()
    assert len(folder.catalogs()) == 1


def test_a_backup_is_of_one_moment(
    kept: Kept, folder: Folder, elsewhere: Restore, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = dump.read

    def read_slowly(connection: Connection) -> Iterator[dump.Line]:
        lines = read(connection)
        yield next(lines)
        kept.put(b"came meanwhile")
        yield from lines

    monkeypatch.setattr(dump, "read", read_slowly)
    assert make(kept, folder).uploads == 0
    elsewhere.make()
    assert restored(elsewhere, kept.ann).files() == set()


def test_what_is_deleted_meanwhile_is_left_out(
    kept: Kept, folder: Folder, elsewhere: Restore, monkeypatch: pytest.MonkeyPatch
) -> None:
    stays = kept.put(b"stays")
    goes = kept.put(b"goes", delete_after=NOW)
    catalog = Backup._write_catalog  # noqa: SLF001 -- between catalog and blobs

    def delete_then(self: Backup, now: int) -> tuple[Path, str]:
        written = catalog(self, now)
        kept.keeper().round(now=NOW)
        return written

    monkeypatch.setattr(Backup, "_write_catalog", delete_then)
    made = make(kept, folder)
    assert (made.gone, made.lost, made.uploads) == ([goes.id], [], 1)
    elsewhere.make()
    there = restored(elsewhere, kept.ann)
    assert there.get(goes) is None
    assert there.get(stays) == stays
    with there.database.read() as connection:
        assert users.by_name(connection, "ann").stored_bytes == len(b"stays")
        assert expiry.total(connection) == len(b"stays")


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda blob: blob.unlink(), id="missing"),
        pytest.param(lambda blob: blob.write_bytes(b"cut"), id="cut"),
    ],
)
@ON_SQLITE
def test_what_the_store_has_lost_is_told(
    kept: Kept, folder: Folder, elsewhere: Restore, spoil: Callable[[Path], object]
) -> None:
    upload = kept.put(b"content")
    spoil(kept.store.path(upload.blob))
    assert make(kept, folder).lost == [upload.id]
    elsewhere.make()
    assert restored(elsewhere, kept.ann).files() == set()


@ON_SQLITE
def test_the_keys_can_be_left_out(
    kept: Kept, folder: Folder, elsewhere: Restore
) -> None:
    make(kept, folder)
    make(kept, folder, keys=None, secret=None)
    assert not folder.keys.exists()
    assert not folder.secret.exists()
    elsewhere.make()
    assert elsewhere.keys is not None
    assert elsewhere.secret is not None
    assert not elsewhere.keys.exists()
    assert not elsewhere.secret.exists()


def test_new_users_can_be_made_after_a_restore(
    kept: Kept, folder: Folder, tmp_path: Path
) -> None:
    make(kept, folder)
    with kept.database.write() as connection:
        connection.execute(users_table.delete())
    store = BlobStore(tmp_path / "again")
    store.prepare()
    Restore(
        prepare=lambda: kept.database,
        store=store,
        blobs=DiskBlobs(store),
        folder=folder,
        keys=None,
    ).make()
    with kept.database.write() as connection:
        made = a_user(connection, "bob", role=Role.ADMIN)
    assert made.id > kept.ann.id


@ON_SQLITE
def test_a_catalog_with_anything_in_it_is_not_overwritten(
    kept: Kept, folder: Folder, elsewhere: Restore
) -> None:
    make(kept, folder)
    elsewhere.make()
    with pytest.raises(BackupError, match="the catalog is not empty"):
        elsewhere.make()


@ON_SQLITE
def test_a_store_with_other_blobs_is_not_touched(
    kept: Kept, folder: Folder, elsewhere: Restore
) -> None:
    kept.put()
    make(kept, folder)
    other = restored(elsewhere, kept.ann).orphan()
    with pytest.raises(BackupError, match="the store is not empty"):
        elsewhere.make()
    assert restored(elsewhere, kept.ann).files() == {f"blobs/{other}"}


@ON_SQLITE
@pytest.mark.parametrize("kind", ["keys", "secret"], ids=str)
def test_other_keys_and_another_secret_are_not_overwritten(
    kept: Kept, folder: Folder, elsewhere: Restore, kind: str
) -> None:
    make(kept, folder)
    path = getattr(elsewhere, kind)
    path.write_text("b:other\n")
    with pytest.raises(BackupError, match=f"differs from the {kind}"):
        elsewhere.make()
    assert path.read_text() == "b:other\n"


def _without_blob(kept: Kept, folder: Folder, elsewhere: Restore) -> None:
    upload = kept.put()
    make(kept, folder)
    assert not restored(elsewhere, kept.ann).files()
    (folder.blobs / upload.blob).unlink()


def _into_other_blobs(kept: Kept, folder: Folder, elsewhere: Restore) -> None:
    make(kept, folder)
    restored(elsewhere, kept.ann).orphan()


def _over_another_secret(kept: Kept, folder: Folder, elsewhere: Restore) -> None:
    make(kept, folder)
    assert elsewhere.secret is not None
    elsewhere.secret.write_text("another")


@ON_SQLITE
@pytest.mark.parametrize(
    "damage",
    [_without_blob, _into_other_blobs, _over_another_secret],
    ids=["a blob is missing", "other blobs", "another secret"],
)
def test_a_refused_restore_makes_no_catalog_and_claims_no_store(
    kept: Kept,
    folder: Folder,
    elsewhere: Restore,
    damage: Callable[[Kept, Folder, Restore], None],
) -> None:
    damage(kept, folder, elsewhere)
    prepared: list[Database] = []

    def prepare() -> Database:
        prepared.append(elsewhere.prepare())
        return prepared[0]

    with pytest.raises(BackupError):
        replace(elsewhere, prepare=prepare).make()
    assert prepared == []


@ON_SQLITE
def test_a_backup_from_before_the_secret_is_restored(
    kept: Kept, folder: Folder, elsewhere: Restore
) -> None:
    make(kept, folder, secret=None)
    manifest = folder.root / "manifest.json"
    facts = json.loads(manifest.read_text())
    del facts["has_secret"]
    manifest.write_text(json.dumps({**facts, "schema": "0005"}))
    elsewhere.make()
    assert elsewhere.secret is not None
    assert not elsewhere.secret.exists()


def test_two_backups_into_one_folder_are_not_made_at_once(
    kept: Kept, folder: Folder
) -> None:
    make(kept, folder)
    descriptor = os.open(folder.root, os.O_RDONLY)
    assert try_lock(descriptor)
    with pytest.raises(BackupError, match="another backup"):
        make(kept, folder)
    os.close(descriptor)
    make(kept, folder)


def test_a_blob_that_was_cut_in_the_backup_is_not_restored(
    kept: Kept, folder: Folder, elsewhere: Restore
) -> None:
    upload = kept.put(b"content")
    make(kept, folder, may_link=False)
    (folder.blobs / upload.blob).write_bytes(b"cut")
    with pytest.raises(BackupError, match="has 3 bytes instead of 7"):
        elsewhere.make()
    there = restored(elsewhere, kept.ann)
    assert there.get(upload) is None
    assert there.files() == set()


@ON_SQLITE
def test_a_restore_that_broke_off_goes_on(
    kept: Kept, folder: Folder, elsewhere: Restore
) -> None:
    first, second = kept.put(b"first"), kept.put(b"second")
    make(kept, folder)
    there = folder.blobs / second.blob
    away = there.rename(folder.root / "away")
    with pytest.raises(BackupError, match=f"^1 uploads have .*{second.blob}, or"):
        elsewhere.make()
    away.rename(there)
    elsewhere.make()
    found = restored(elsewhere, kept.ann)
    assert found.files() == {f"blobs/{u.blob}" for u in (first, second)}


@ON_SQLITE
def test_uploads_without_content_are_left_out_only_if_asked(
    kept: Kept, folder: Folder, elsewhere: Restore
) -> None:
    """They were deleted after a backup that has no copy of their content."""
    first, second = kept.put(b"first"), kept.put(b"second")
    make(kept, folder)
    (folder.blobs / second.blob).unlink()
    result = replace(elsewhere, is_partial=True).make()
    assert (result.uploads, result.bytes, result.lost) == (1, 5, [second.id])
    there = restored(elsewhere, kept.ann)
    assert (there.get(first), there.get(second)) == (first, None)
    assert there.files() == {f"blobs/{first.blob}"}


@ON_SQLITE
def test_a_bucket_with_other_objects_is_restored_into(
    kept: Kept, folder: Folder, elsewhere: Restore
) -> None:
    """They were stored after the backup, and are left to housekeeping."""
    upload = kept.put(b"content")
    make(kept, folder)
    other = restored(elsewhere, kept.ann).orphan()
    replace(elsewhere, blobs=WithoutTrash(elsewhere.store)).make()
    there = restored(elsewhere, kept.ann)
    assert there.get(upload) == upload
    assert there.files() == {f"blobs/{upload.blob}", f"blobs/{other}"}


@ON_SQLITE
def test_a_backup_that_broke_off_leaves_the_one_before(
    kept: Kept, folder: Folder, elsewhere: Restore, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload = kept.put(delete_after=NOW)
    make(kept, folder)
    kept.keeper().round(now=NOW)
    monkeypatch.setattr(Folder, "write", _interrupt)
    with pytest.raises(KeyboardInterrupt):
        make(kept, folder)
    elsewhere.make()
    assert restored(elsewhere, kept.ann).get(upload) == upload


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("field", "value", "word"),
    [
        pytest.param("format", 2, "format 2", id="format"),
        pytest.param("schema", "9999", "schema 9999", id="schema"),
        pytest.param("sha256", "0", "damaged", id="digest"),
        pytest.param("catalog", "../x", "another folder", id="path"),
        pytest.param("surprise", 1, "can't be read", id="unknown field"),
    ],
)
@ON_SQLITE
def test_a_manifest_that_is_not_understood_is_refused(
    kept: Kept, elsewhere: Restore, field: str, value: Any, word: str
) -> None:
    make(kept, elsewhere.folder)
    path = elsewhere.folder.root / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {field: value}))
    with pytest.raises(BackupError, match=word):
        elsewhere.make()


@ON_SQLITE
def test_a_catalog_of_which_a_part_is_not_known_is_not_copied(
    kept: Kept, folder: Folder
) -> None:
    """A newer gateway has been there, and this one may go on beside it."""
    make(kept, folder)
    in_the_future(kept.database, oldest=NEWEST)
    before = sorted(folder.root.rglob("*"))
    with pytest.raises(BackupError, match=r"schema 9999.* newer release"):
        make(kept, folder)
    assert sorted(folder.root.rglob("*")) == before


@pytest.mark.parametrize("schema", ["0001", "0002", "0003", "0004"])
@ON_SQLITE
def test_a_backup_of_an_older_schema_that_held_the_same_is_restored(
    kept: Kept, elsewhere: Restore, schema: str
) -> None:
    upload = kept.put()
    make(kept, elsewhere.folder)
    path = elsewhere.folder.root / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"schema": schema}))
    elsewhere.make()
    assert restored(elsewhere, kept.ann).get(upload) == upload


@ON_SQLITE
def test_a_folder_with_something_else_in_it_is_left_alone(
    kept: Kept, folder: Folder
) -> None:
    folder.root.mkdir()
    (folder.root / "thesis.tex").touch()
    with pytest.raises(BackupError, match="files that are not part of a backup"):
        make(kept, folder)


@ON_SQLITE
def test_a_backup_into_the_store_is_refused(kept: Kept) -> None:
    with pytest.raises(BackupError, match="is inside the store"):
        make(kept, Folder(kept.store.root / "backup"))


def test_a_folder_without_a_backup_is_named(elsewhere: Restore) -> None:
    with pytest.raises(BackupError, match="contains no finished backup"):
        elsewhere.make()


def test_what_was_sent_comes_back_and_is_booked_from_there(
    kept: Kept, folder: Folder, elsewhere: Restore, tmp_path: Path
) -> None:
    """The ledger's files may have outlived the catalog."""
    (tmp_path / "ledger").mkdir()
    link = a_link(kept.database, kept.ann, 1)
    ledger = Ledger(tmp_path / "ledger", kept.database, link)
    lease = link.take()
    link.begin(lease)
    ledger.book(ledger.line(lease), ledger.line(what="key main"))
    make(kept, folder)
    ledger.book(ledger.line(lease))
    elsewhere.make()
    there = Ledger(ledger.folder, elsewhere.prepare(), link)
    before = there.row()
    count = there.booker().round(now=NOW)
    with elsewhere.prepare().read() as connection:
        running = connection.execute(select(lease_requests)).all()
        assert bookings.uses(connection) == {"main": (0, 1)}
        assert expiry.recipient_counts(connection) == []
    assert (before.requests, count, there.row()) == (1, 1, ledger.row())
    assert (running, there.recipient.taken) == ([], 1)
