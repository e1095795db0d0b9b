"""Blobs of no upload: moved to the trash, put back when there is one, deleted late."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pytest

from gateway.catalog import expiry, uploads
from gateway.catalog.database import Database
from gateway.catalog.upgrade import upgrade
from gateway.errors import BackupError, BucketBusyError
from gateway.maintenance.backup import Backup
from gateway.maintenance.fsck import Check
from gateway.maintenance.manifest import Folder
from gateway.maintenance.orphans import GRACE, Orphans, Sweep, retire
from gateway.maintenance.restore import Restore
from gateway.storage.disk_blobs import DiskBlobs
from gateway.storage.names import DisplayName
from gateway.storage.trash import Trash
from gateway.uploads.finalise import ReceivedFile
from tests.catalog.conftest import ON_SQLITE
from tests.uploads import new_finaliser

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from gateway.catalog.uploads import Upload
    from gateway.maintenance.fsck import Finding
    from gateway.maintenance.housekeeping import Report
    from tests.maintenance.conftest import Kept

HOUR = 3600
WEEK = 7 * 24 * HOUR
PUT_BACK = "blobs restored from the trash"
MOVED = "orphaned blobs moved to the trash"
DELETED = "blobs deleted from the trash"


def later(seconds: int = 0) -> int:
    """Return a time when every blob is past its grace, and *seconds* more."""
    return int(time.time()) + 2 * HOUR + seconds


def sweep(kept: Kept, seconds: int = 0) -> Report:
    return kept.keeper().round(now=later(seconds))


def forget(kept: Kept, upload: Upload) -> None:
    """Take an upload's row away, as an older catalog in this one's place would."""
    with kept.database.write() as connection:
        uploads.remove(connection, upload)


def remember(kept: Kept, upload: Upload) -> None:
    with kept.database.write() as connection:
        uploads.add(connection, upload)


def fsck(kept: Kept, **options: Any) -> list[Finding]:
    checked = Check(
        database=kept.database, store=kept.store, blobs=DiskBlobs(kept.store), **options
    )
    return list(checked.run(now=later()))


def content_of(kept: Kept, upload: Upload) -> bytes:
    return kept.store.path(upload.blob).read_bytes()


def test_a_blob_without_a_row_is_moved_after_the_grace(kept: Kept) -> None:
    upload, blob = kept.put(), kept.orphan(b"orphan")
    changed = kept.store.path(blob).stat().st_mtime_ns
    kept.keeper().round(now=int(time.time()))
    assert kept.files() == {f"blobs/{upload.blob}", f"blobs/{blob}"}
    moment = later()
    report = kept.keeper().round(now=moment)
    assert (report.done[MOVED], report.faults) == (1, [])
    assert kept.files() == {f"blobs/{upload.blob}"}
    (entry,) = Trash(kept.store).entries()
    assert (entry.blob, entry.moved) == (blob, moment)
    assert entry.path.name == f"{moment}-{blob[3:]}"
    assert entry.path.read_bytes() == b"orphan"
    assert entry.path.stat().st_mtime_ns == changed


@pytest.mark.parametrize(
    ("seconds", "is_left"),
    [pytest.param(WEEK - 1, True, id="young"), pytest.param(WEEK, False, id="old")],
)
def test_it_is_deleted_after_a_week(
    kept: Kept,
    seconds: int,
    is_left: bool,  # noqa: FBT001 -- the table's column
) -> None:
    blob, moment = kept.orphan(), later()
    kept.keeper().round(now=moment)
    report = kept.keeper().round(now=moment + seconds)
    assert kept.trashed() == [blob] * is_left
    assert report.done.get(DELETED, 0) == (not is_left)


def test_what_an_upload_names_again_is_put_back(kept: Kept) -> None:
    upload = kept.put(b"yesterday the catalog did not know it")
    forget(kept, upload)
    sweep(kept)
    assert kept.files() == set()
    remember(kept, upload)
    assert sweep(kept).done[PUT_BACK] == 1
    assert content_of(kept, upload) == b"yesterday the catalog did not know it"
    assert kept.trashed() == []


def test_what_an_upload_names_again_is_never_deleted(kept: Kept) -> None:
    upload = kept.put(b"long forgotten")
    forget(kept, upload)
    sweep(kept)
    remember(kept, upload)
    report = sweep(kept, 2 * WEEK)
    assert DELETED not in report.done
    assert content_of(kept, upload) == b"long forgotten"


def test_what_an_upload_names_since_the_sweep_began_is_not_deleted(kept: Kept) -> None:
    upload = kept.put()
    forget(kept, upload)
    sweep(kept)
    late = Sweep(
        kept.database, kept.store, DiskBlobs(kept.store), later(2 * WEEK), GRACE, bool
    )
    assert list(late.put_back()) == list(late.move()) == []
    remember(kept, upload)
    assert list(late.empty()) == []
    assert kept.trashed() == [upload.blob]


@pytest.mark.parametrize(
    ("orphans", "known", "are_few", "are_credible"),
    [
        pytest.param(16, 0, True, True, id="sixteen of none"),
        pytest.param(17, 0, False, False, id="seventeen of none"),
        pytest.param(17, 17, False, True, id="half"),
        pytest.param(17, 1682, False, True, id="just over a hundredth"),
        pytest.param(17, 1683, True, True, id="a hundredth"),
        pytest.param(0, 0, True, True, id="none"),
    ],
)
def test_how_many_a_crash_explains(
    orphans: int,
    known: int,
    are_few: bool,  # noqa: FBT001 -- the table's column
    are_credible: bool,  # noqa: FBT001 -- the table's column
) -> None:
    found = Orphans(("x",) * orphans, known)
    assert (found.are_few, found.are_credible) == (are_few, are_credible)


@dataclass(frozen=True)
class WithoutTrash(DiskBlobs):
    """Blobs as in a bucket that was claimed when the file ``store-id`` was written."""

    @property
    def has_trash(self) -> bool:
        return False

    def retire(self, blob: str, *, now: int) -> None:
        del now
        self.discard(blob)


def claim(kept: Kept, *, before_the_blobs: bool) -> WithoutTrash:
    """Record that the blobs' place was claimed an hour before or after they came."""
    file = kept.store.root / "store-id"
    file.write_text("id")
    moment = time.time() + (-HOUR if before_the_blobs else HOUR)
    os.utime(file, (moment, moment))
    return WithoutTrash(kept.store)


@dataclass(frozen=True)
class Failing(WithoutTrash):
    """A bucket that deletes two objects, then none; or that does not answer at all."""

    answers: bool = True
    asked: list[str] = field(default_factory=list)

    def is_writable(self) -> bool:
        if not self.answers:
            raise BucketBusyError("the bucket does not answer")
        return True

    def discard(self, blob: str) -> bool:
        self.asked.append(blob)
        return len(self.asked) <= 2 and super().discard(blob)


@ON_SQLITE
@pytest.mark.parametrize(
    ("answers", "deleted", "orphans"),
    [
        pytest.param(False, 0, 0, id="away"),
        pytest.param(True, 3, 1, id="fails meanwhile"),
    ],
)
def test_a_bucket_s_outage_leaves_at_most_one_orphan(
    kept: Kept,
    answers: bool,  # noqa: FBT001 -- the table's column
    deleted: int,
    orphans: int,
) -> None:
    """Of more than crashes leave none would be deleted afterwards."""
    expired = [kept.put(delete_after=1) for _ in range(25)]
    blobs = Failing(kept.store, answers=answers)
    report = kept.keeper(blobs=blobs).round(now=later(), with_sweep=False)
    assert report.done.get("expired uploads deleted", 0) == deleted
    assert [f for f in report.faults if f.startswith("expired uploads deleted: ")]
    left = {upload.blob for upload in expired if kept.get(upload)}
    assert len(left) == len(expired) - deleted
    assert len(blobs.asked) == deleted
    there = {f"blobs/{blob}" for blob in left}
    assert len(kept.files() - there) == orphans


def test_a_bucket_s_orphans_are_deleted(kept: Kept) -> None:
    upload, _ = kept.put(), kept.orphan()
    blobs = claim(kept, before_the_blobs=True)
    report = kept.keeper(blobs=blobs).round(now=later())
    assert (report.done["orphaned blobs deleted"], report.faults) == (1, [])
    assert kept.files() == {f"blobs/{upload.blob}", "store-id"}
    assert kept.trashed() == []


def test_of_an_earlier_catalog_s_objects_none_is_deleted(kept: Kept) -> None:
    upload, earlier = kept.put(), kept.orphan()
    blobs = claim(kept, before_the_blobs=False)
    new = kept.orphan()
    moment = time.time() + 2 * HOUR
    os.utime(kept.store.path(new), (moment, moment))
    report = kept.keeper(blobs=blobs).round(now=later(4 * HOUR))
    (fault,) = report.faults
    assert "1 blobs without an upload are older than this catalog's claim" in fault
    assert report.done["orphaned blobs deleted"] == 1
    assert kept.files() == {f"blobs/{upload.blob}", f"blobs/{earlier}", "store-id"}


@pytest.mark.parametrize(
    ("uploads_there", "is_repaired"),
    [pytest.param(0, False, id="none"), pytest.param(1, True, id="half")],
)
def test_by_hand_they_are_deleted_if_most_blobs_have_an_upload(
    kept: Kept,
    uploads_there: int,
    is_repaired: bool,  # noqa: FBT001 -- the table's column
) -> None:
    for _ in range(uploads_there):
        kept.put()
    kept.orphan()
    check = Check(
        database=kept.database,
        store=kept.store,
        blobs=claim(kept, before_the_blobs=False),
        is_repairing=True,
    )
    (found,) = check.run(now=later())
    assert (found.kind, found.is_repaired) == ("blob-orphan", is_repaired)


def test_beside_a_bucket_the_store_s_trash_is_left(kept: Kept) -> None:
    """It is from the time before the bucket, and no object comes from it."""
    upload, other = kept.put(), kept.orphan()
    for blob in (upload.blob, other):
        Trash(kept.store).move(blob, now=later())
    blobs = claim(kept, before_the_blobs=True)
    report = kept.keeper(blobs=blobs).round(now=later(2 * WEEK))
    assert {PUT_BACK, DELETED}.isdisjoint(report.done)
    assert {*kept.trashed()} == {upload.blob, other}


def test_beside_a_bucket_an_upload_in_the_store_s_trash_is_missing(kept: Kept) -> None:
    upload = kept.put()
    Trash(kept.store).move(upload.blob, now=later())
    check = Check(
        database=kept.database,
        store=kept.store,
        blobs=claim(kept, before_the_blobs=True),
        is_repairing=True,
    )
    (found,) = check.run(now=later())
    assert (found.kind, found.is_repaired) == ("blob-missing", False)
    assert kept.trashed() == [upload.blob]


def test_a_blob_that_was_named_since_the_search_stays(kept: Kept) -> None:
    upload = kept.put()
    blobs = DiskBlobs(kept.store)
    assert not retire(kept.database, blobs, upload.blob, now=later())
    assert kept.files() == {f"blobs/{upload.blob}"}


class SweptMeanwhile(WithoutTrash):
    """Housekeeping takes each object for an orphan before its upload is recorded."""

    def adopt(self, source: Path, upload_id: str, suffix: str) -> str:
        blob = super().adopt(source, upload_id, suffix)
        self.discard(blob)
        return blob


def test_an_upload_whose_object_was_deleted_meanwhile_is_refused(kept: Kept) -> None:
    source = kept.spool("body")
    received = ReceivedFile(
        source=source, name=DisplayName("a.bin"), reservation="request"
    )
    finaliser = new_finaliser(
        kept.database,
        kept.store,
        blobs=SweptMeanwhile(kept.store),
        clock=lambda: time.time() + GRACE,
    )
    with pytest.raises(BucketBusyError, match="was deleted while it was stored"):
        finaliser.finalise(kept.ann, received, now=1)
    with kept.database.read() as connection:
        assert expiry.page(connection, after="", limit=1) == []


def test_of_more_than_crashes_leave_none_is_moved_and_none_deleted(kept: Kept) -> None:
    in_trash = kept.orphan()
    sweep(kept)
    blobs = {f"blobs/{kept.orphan()}" for _ in range(17)}
    report = sweep(kept, 2 * WEEK)
    (fault,) = report.faults
    assert fault == (
        f"{MOVED}: HousekeepingError: 17 blobs have no upload and 0 have one; is this "
        "the newest catalog of this store? They are left"
    )
    assert kept.files() == blobs
    assert kept.trashed() == [in_trash]


def test_by_hand_more_of_them_are_moved_as_long_as_most_blobs_have_an_upload(
    kept: Kept,
) -> None:
    for _ in range(17):
        kept.put()
    blobs = {kept.orphan() for _ in range(17)}
    assert sweep(kept).faults
    assert {finding.is_repaired for finding in fsck(kept, is_repairing=True)} == {True}
    assert set(kept.trashed()) == blobs


def test_fsck_finds_what_an_upload_names_and_puts_it_back_when_asked_to(
    kept: Kept,
) -> None:
    upload = kept.put(b"found again")
    Trash(kept.store).move(upload.blob, now=later())
    (seen,) = fsck(kept)
    assert (seen.kind, seen.subject, seen.is_repaired) == (
        "blob-in-trash", upload.id, False,
    )  # fmt: skip
    assert kept.trashed() == [upload.blob]
    (repaired,) = fsck(kept, is_repairing=True)
    assert (repaired.kind, repaired.is_repaired) == ("blob-in-trash", True)
    assert content_of(kept, upload) == b"found again"
    assert fsck(kept) == []


def test_another_size_in_the_trash_is_no_find(kept: Kept) -> None:
    upload = kept.put(b"content")
    Trash(kept.store).move(upload.blob, now=later())
    (entry,) = Trash(kept.store).entries()
    entry.path.write_bytes(b"cut")
    (finding,) = fsck(kept, is_repairing=True)
    assert (finding.kind, finding.is_repaired) == ("blob-missing", False)


def test_what_is_in_both_places_is_kept_once(kept: Kept) -> None:
    """A power cut may leave both, on a file system without a journal."""
    upload = kept.put(b"both")
    trash = Trash(kept.store)
    trash.move(upload.blob, now=later())
    (entry,) = trash.entries()
    kept.store.path(upload.blob).hardlink_to(entry.path)
    assert sweep(kept).faults == []
    assert (content_of(kept, upload), kept.trashed()) == (b"both", [])


def test_a_store_of_an_earlier_release_gets_its_trash(kept: Kept) -> None:
    kept.store.trash.rmdir()
    blob = kept.orphan()
    assert sweep(kept).faults == []
    assert kept.trashed() == [blob]


def test_what_is_no_blob_of_ours_stays_in_the_trash(kept: Kept) -> None:
    (kept.store.trash / "notes.txt").write_text("somebody's own")
    assert sweep(kept, 2 * WEEK).faults == []
    assert (kept.store.trash / "notes.txt").exists()


def in_the_trash(kept: Kept, upload: Upload) -> None:
    Trash(kept.store).move(upload.blob, now=later())


@pytest.mark.parametrize(
    ("begin", "step"),
    [
        pytest.param(forget, 0, id="moved, 1"),
        pytest.param(forget, 1, id="moved, 2"),
        pytest.param(in_the_trash, 0, id="put back, 1"),
        pytest.param(in_the_trash, 1, id="put back, 2"),
        pytest.param(in_the_trash, 2, id="put back, 3"),
    ],
)
def test_a_crash_at_any_step_leaves_it_in_one_place(
    kept: Kept, begin: Callable[[Kept, Upload], None], step: int
) -> None:
    upload = kept.put(b"whole")
    begin(kept, upload)
    syncs = iter(range(100))

    def crash(descriptor: int) -> None:
        if next(syncs) == step:
            raise OSError("killed here")
        os.fsync(descriptor)

    broken = replace(kept.store, fsync=crash)
    assert (
        "killed here"
        in kept.keeper(store=broken, blobs=DiskBlobs(broken))
        .round(now=later())
        .faults[0]
    )
    places = [kept.store.path(upload.blob), *kept.store.trash.iterdir()]
    assert [path.read_bytes() for path in places if path.exists()] == [b"whole"]
    assert sweep(kept).faults == []
    assert len(kept.files()) + len(kept.trashed()) == 1


def test_a_backup_has_what_is_in_the_trash_and_named(
    kept: Kept, tmp_path: Path
) -> None:
    upload = kept.put(b"named")
    in_the_trash(kept, upload)
    folder = Folder(tmp_path / "backup")
    made = Backup(
        database=kept.database,
        store=kept.store,
        blobs=DiskBlobs(kept.store),
        folder=folder,
        keys=None,
        version="1",
    ).make(now=later())
    assert (made.uploads, made.lost) == (1, [])
    assert (folder.blobs / upload.blob).read_bytes() == b"named"


def backup_without(kept: Kept, upload: Upload, folder: Folder) -> None:
    """Back up, and leave the content of *upload* in the trash only."""
    Backup(
        database=kept.database,
        store=kept.store,
        blobs=DiskBlobs(kept.store),
        folder=folder,
        keys=None,
        version="1",
    ).make(now=later())
    (folder.blobs / upload.blob).unlink()
    in_the_trash(kept, upload)


def test_a_restore_takes_what_the_backup_lacks_from_the_trash(
    kept: Kept, tmp_path: Path
) -> None:
    upload, folder = kept.put(b"named"), Folder(tmp_path / "backup")
    backup_without(kept, upload, folder)
    database = Database.open(f"sqlite:///{tmp_path}/new.sqlite3")
    upgrade(database)
    Restore(
        prepare=lambda: database,
        store=kept.store,
        blobs=DiskBlobs(kept.store),
        folder=folder,
        keys=None,
    ).make()
    database.engine.dispose()
    assert content_of(kept, upload) == b"named"
    assert kept.trashed() == []


def test_a_restore_into_a_bucket_takes_nothing_from_the_trash(
    kept: Kept, tmp_path: Path
) -> None:
    """The upload's row would be restored, and its object would still be missing."""
    upload, folder = kept.put(b"named"), Folder(tmp_path / "backup")
    backup_without(kept, upload, folder)
    restore = Restore(
        prepare=lambda: kept.database,
        store=kept.store,
        blobs=WithoutTrash(kept.store),
        folder=folder,
        keys=None,
    )
    with pytest.raises(BackupError, match="1 uploads have no content"):
        restore.make()
    assert kept.trashed() == [upload.blob]
