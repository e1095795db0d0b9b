"""Uploads, and the reservations that keep parallel ones within the quota."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from gateway.catalog import expiry, upload_sessions, uploads, users
from gateway.catalog.upload_sessions import UploadSession
from gateway.catalog.uploads import Upload
from gateway.errors import (
    LengthRequiredError,
    NameTakenError,
    NoSpaceError,
    OverQuotaError,
    RepeatedUploadError,
    TooLargeError,
    TooManyUploadsError,
    UploadError,
)
from gateway.storage.blobs import BlobStore, new_id
from gateway.uploads.admission import Admission, UploadLimits
from gateway.uploads.upload_request import UploadRequest, reserved_until
from tests.catalog.test_drops import a_drop
from tests.uploads import NO_LIMITS
from tests.users import a_user

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import Connection

    from gateway.catalog.database import Database
    from gateway.catalog.users import User


def an_upload(owner: User, *, size: int = 10, key: str | None = None) -> Upload:
    upload_id = new_id()
    return Upload(
        id=upload_id,
        owner_id=owner.id,
        name="a.txt",
        size=size,
        media_type="text/plain",
        blob=f"{upload_id[:2]}/{upload_id}.txt",
        sha256=b"\0" * 32,
        created=100,
        idempotency_key=key,
    )


def test_an_upload_is_found_again(database: Database, ann: User) -> None:
    upload = an_upload(ann, key="k")
    with database.write() as connection:
        uploads.add(connection, upload)
    with database.read() as connection:
        assert uploads.by_id(connection, upload.id) == upload
        assert uploads.by_idempotency_key(connection, ann, "k") == upload
        assert uploads.by_id(connection, new_id()) is None


def test_a_name_is_new_until_there_is_an_upload_of_it(
    database: Database, ann: User
) -> None:
    upload = an_upload(ann)
    with database.write() as connection:
        uploads.require_new_name(connection, ann, upload.name)
        uploads.add(connection, upload)
        with pytest.raises(NameTakenError):
            uploads.require_new_name(connection, ann, upload.name)
        uploads.require_new_name(connection, ann, "b.txt")


def test_what_is_stored_is_counted_and_given_back(
    database: Database, ann: User
) -> None:
    upload = an_upload(ann, size=1 << 40)
    with database.write() as connection:
        uploads.add(connection, upload)
        stored = users.by_name(connection, "ann").stored_bytes
        in_all = expiry.total(connection)
        uploads.remove(connection, upload)
        uploads.remove(connection, upload)
        left = users.by_name(connection, "ann").stored_bytes
        left_in_all = expiry.total(connection)
    assert (stored, left) == (in_all, left_in_all) == (1 << 40, 0)


def test_all_users_uploads_are_counted_for_all_and_each_s_own_for_each(
    database: Database, ann: User
) -> None:
    with database.write() as connection:
        bob = a_user(connection, "bob")
        uploads.add(connection, an_upload(ann, size=5))
        uploads.add(connection, an_upload(bob, size=7))
        uploads.reserve(connection, ann, reservation="a", size=11, expires=200)
        uploads.reserve(connection, bob, reservation="b", size=13, expires=200)
        found = [uploads.usage(connection, user, now=100) for user in (ann, bob)]
    assert [(usage.by_user, usage.by_all, usage.running) for usage in found] == [
        (16, 36, 1),
        (20, 36, 1),
    ]


def test_an_idempotency_key_is_used_once(database: Database, ann: User) -> None:
    with database.write() as connection:
        uploads.add(connection, an_upload(ann, key="k"))
    with pytest.raises(RepeatedUploadError), database.write() as connection:
        uploads.add(connection, an_upload(ann, key="k"))
    with database.read() as connection:
        assert users.by_name(connection, "ann").stored_bytes == 10


def test_reservations_count_until_they_end(database: Database, ann: User) -> None:
    with database.write() as connection:
        uploads.add(connection, an_upload(ann, size=5))
        uploads.reserve(connection, ann, reservation="r", size=7, expires=200)
        during = uploads.usage(connection, ann, now=199)
        after = uploads.usage(connection, ann, now=200)
        uploads.release(connection, "r")
        released = uploads.usage(connection, ann, now=199)
    assert (during.by_user, during.by_all, during.reserved, during.running) == (
        12, 12, 7, 1,
    )  # fmt: skip
    assert (after.by_user, after.running) == (5, 0)
    assert (released.by_user, released.running) == (5, 0)


def test_a_second_reservation_of_an_id_takes_the_place_of_the_first(
    database: Database, ann: User
) -> None:
    with database.write() as connection:
        uploads.reserve(connection, ann, reservation="r", size=7, expires=200)
        uploads.reserve(connection, ann, reservation="r", size=9, expires=200)
        assert uploads.usage(connection, ann, now=100).by_user == 9


@pytest.mark.parametrize(
    ("quota", "user_quota"),
    [pytest.param(0, 55, id="of the user"), pytest.param(55, 0, id="of all")],
)
def test_parallel_uploads_can_not_pass_the_quota_together(
    database: Database, ann: User, tmp_path: Path, quota: int, user_quota: int
) -> None:
    limits = UploadLimits(
        size=0, quota=quota, user_quota=user_quota, free_space=0, running=0
    )
    store = BlobStore(tmp_path)
    store.prepare()
    admission = Admission(store, limits)

    def admit(number: int) -> bool:
        coming = UploadRequest(
            reservation=f"r{number}", size=10, media_type="text/plain", expires=200
        )
        try:
            with database.write() as connection:
                admission.admit(connection, ann, coming, now=100)
        except OverQuotaError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        admitted = list(pool.map(admit, range(24)))
    assert admitted.count(True) == 5


class Disk(BlobStore):
    """A store whose disk has as much free as the test says."""

    free = 0

    def free_bytes(self) -> int:
        return self.free


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Disk:
    disk = Disk(tmp_path / "store")
    disk.prepare()
    monkeypatch.setattr(Disk, "free", 100)
    return disk


ROOMY = replace(NO_LIMITS, free_space=10)


@pytest.mark.parametrize(
    ("limits", "fits", "error"),
    [
        pytest.param(replace(NO_LIMITS, size=30), 30, TooLargeError, id="size"),
        pytest.param(replace(NO_LIMITS, user_quota=50), 20, OverQuotaError, id="user"),
        pytest.param(replace(NO_LIMITS, quota=75), 10, OverQuotaError, id="all users"),
        pytest.param(replace(NO_LIMITS, free_space=60), 15, NoSpaceError, id="disk"),
    ],
)
def test_an_upload_may_fill_a_limit_to_the_last_byte_and_no_more(
    database: Database,
    ann: User,
    disk: Disk,
    *,
    limits: UploadLimits,
    fits: int,
    error: type[UploadError],
) -> None:
    """Of 100 bytes that are free 25 are promised; ann has 30 bytes, all have 65."""
    admission = Admission(disk, limits)
    with database.write() as connection:
        ben = a_user(connection, "ben")
        for owner, stored, reserved in ((ann, 10, 20), (ben, 30, 5)):
            uploads.add(connection, an_upload(owner, size=stored))
            uploads.reserve(
                connection, owner, reservation=owner.name, size=reserved, expires=200
            )
        admission.check_limits(connection, ann, size=fits, drop=None, now=100)
        with pytest.raises(error):
            admission.check_limits(connection, ann, size=fits + 1, drop=None, now=100)


SMALL = replace(NO_LIMITS, size=40)


def test_a_body_without_a_length_takes_the_room_of_the_largest_upload(
    database: Database, ann: User, disk: Disk
) -> None:
    admission = Admission(disk, replace(SMALL, user_quota=80))
    coming = UploadRequest(reservation="r", size=None, media_type=None)
    with database.write() as connection:
        admission.admit(connection, ann, coming, now=100)
        admission.admit(connection, ann, replace(coming, reservation="s"), now=100)
        taken = uploads.usage(connection, ann, now=100)
    assert (taken.by_user, taken.outstanding, taken.running) == (80, 80, 2)


@pytest.mark.parametrize(
    ("limits", "terms"),
    [
        pytest.param(NO_LIMITS, {}, id="no largest upload"),
        pytest.param(replace(SMALL, user_quota=39), {}, id="quota of the user"),
        pytest.param(replace(SMALL, quota=39), {}, id="quota of all"),
        pytest.param(replace(SMALL, free_space=61), {}, id="floor of the disk"),
        pytest.param(SMALL, {"max_size": 39}, id="size of the drop link"),
        pytest.param(SMALL, {"max_total": 39}, id="bytes of the drop link"),
        pytest.param(replace(SMALL, quota=79), {"max_size": 40}, id="half the quota"),
    ],
)
def test_a_body_says_its_length_where_the_largest_upload_finds_no_room(
    database: Database,
    ann: User,
    disk: Disk,
    limits: UploadLimits,
    terms: dict[str, int],
) -> None:
    """Of the disk 100 bytes are free."""
    admission = Admission(disk, limits)
    drop = a_drop(database, ann, **terms) if terms else None
    told = UploadRequest(reservation="r", size=1, media_type=None, drop=drop)
    with database.write() as connection:
        with pytest.raises(LengthRequiredError):
            admission.admit(connection, ann, replace(told, size=None), now=100)
        admission.admit(connection, ann, told, now=100)


@pytest.mark.parametrize(
    "limits",
    [
        pytest.param(NO_LIMITS, id="no largest upload"),
        pytest.param(replace(SMALL, free_space=61), id="floor of the disk"),
    ],
)
def test_what_is_sent_again_says_its_length_where_the_largest_finds_no_room(
    database: Database, ann: User, disk: Disk, limits: UploadLimits
) -> None:
    admission = Admission(disk, limits)
    coming = UploadRequest(reservation="r", size=None, media_type=None)
    with database.write() as connection, pytest.raises(LengthRequiredError):
        admission.admit_repeated(connection, ann, coming, now=100)


def test_a_reservation_lapses_to_what_has_come(database: Database, ann: User) -> None:
    with database.write() as connection:
        idle = an_unfinished(connection, ann, size=90, active_request="", synced=30)
        uploads.reserve(
            connection, ann, reservation=idle, size=90, expires=300, lapses=200
        )
        found = [uploads.usage(connection, ann, now=now) for now in (199, 200, 300)]
    assert [(one.by_user, one.by_all) for one in found] == [(90, 90), (30, 30), (0, 0)]


@pytest.mark.parametrize(
    ("size", "seconds"),
    [
        pytest.param(1, 600, id="some minutes at least"),
        pytest.param(1 << 30, 65_536, id="16 KiB a second"),
    ],
)
def test_room_is_kept_as_long_as_a_slow_line_takes(size: int, seconds: int) -> None:
    assert reserved_until(size, now=100) == 100 + seconds


def test_a_piece_after_its_reservation_has_lapsed_is_admitted_anew(
    database: Database, ann: User, disk: Disk
) -> None:
    admission = Admission(disk, replace(NO_LIMITS, user_quota=100))
    with database.write() as connection:
        late = an_unfinished(connection, ann, size=60, active_request="", synced=10)
        chunk = UploadRequest(reservation=late, size=60, media_type=None, expires=9000)
        uploads.reserve(
            connection, ann, reservation=late, size=60, expires=9000, lapses=200
        )
        admission.admit_chunk(connection, ann, chunk, size=1, now=199)
        uploads.reserve(connection, ann, reservation="r", size=41, expires=9000)
        with pytest.raises(OverQuotaError):
            admission.admit_chunk(connection, ann, chunk, size=1, now=200)
        uploads.release(connection, "r")
        admission.admit_chunk(connection, ann, chunk, size=1, now=200)
        kept = uploads.usage(connection, ann, now=799)
        lapsed = uploads.usage(connection, ann, now=800)
    assert (kept.by_user, lapsed.by_user) == (60, 10)


def test_as_many_uploads_run_at_once_as_the_limit_says(
    database: Database, ann: User, disk: Disk
) -> None:
    admission = Admission(disk, replace(NO_LIMITS, running=2))
    first, second, third = (
        UploadRequest(reservation=name, size=1, media_type=None, expires=200)
        for name in ("1", "2", "3")
    )
    with database.write() as connection:
        idle = an_unfinished(connection, ann, size=1, active_request="", synced=0)
        chunk = replace(first, reservation=idle)
        admission.admit(connection, ann, first, now=100)
        admission.admit_chunk(connection, ann, chunk, size=1, now=100)
        admission.admit(connection, ann, second, now=100)
        with pytest.raises(TooManyUploadsError):
            admission.admit(connection, ann, third, now=100)
        with pytest.raises(TooManyUploadsError):
            admission.admit_chunk(connection, ann, chunk, size=1, now=100)


def test_what_is_promised_to_others_is_no_room(
    database: Database, ann: User, disk: Disk
) -> None:
    admission = Admission(disk, ROOMY)
    with database.write() as connection:
        uploads.reserve(connection, ann, reservation="r", size=60, expires=200)
        admission.check_limits(connection, ann, size=30, drop=None, now=100)
        with pytest.raises(NoSpaceError):
            admission.check_limits(connection, ann, size=31, drop=None, now=100)


def test_what_is_promised_on_another_disk_counts_toward_the_quota_only(
    database: Database, ann: User, disk: Disk
) -> None:
    """The gateways have stores of their own."""
    limits = replace(ROOMY, quota=200)
    own = Admission(disk, limits, "r1", shares_store=False)
    with database.write() as connection:
        for gateway, size in (("r1", 60), ("r2", 110)):
            uploads.reserve(
                connection,
                ann,
                reservation=gateway,
                size=size,
                expires=200,
                gateway=gateway,
            )
        own.check_limits(connection, ann, size=30, drop=None, now=100)
        with pytest.raises(OverQuotaError):
            own.check_limits(connection, ann, size=31, drop=None, now=100)
        with pytest.raises(NoSpaceError):
            replace(own, limits=ROOMY).check_limits(
                connection, ann, size=31, drop=None, now=100
            )


def test_what_has_come_of_others_is_not_counted_twice(
    database: Database, ann: User, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    (disk.spool / "1").write_bytes(bytes(40))
    (disk.spool / "empty-2").write_bytes(bytes(1000))
    monkeypatch.setattr(Disk, "free", 50)
    admission = Admission(disk, ROOMY)
    with database.write() as connection:
        an_unfinished(connection, ann, size=60, active_request="request", synced=10)
        admission.check_limits(connection, ann, size=30, drop=None, now=100)
        with pytest.raises(NoSpaceError):
            admission.check_limits(connection, ann, size=31, drop=None, now=100)


def test_an_upload_that_nobody_goes_on_with_keeps_the_disk_from_nobody(
    database: Database, ann: User, disk: Disk
) -> None:
    admission = Admission(disk, ROOMY)
    with database.write() as connection:
        an_unfinished(connection, ann, size=1 << 40, active_request="", synced=10)
        admission.check_limits(connection, ann, size=90, drop=None, now=100)
        with pytest.raises(NoSpaceError):
            admission.check_limits(connection, ann, size=91, drop=None, now=100)
        assert uploads.usage(connection, ann, now=100).by_user == 1 << 40


def test_each_of_its_pieces_has_to_find_room(
    database: Database, ann: User, disk: Disk
) -> None:
    admission = Admission(disk, ROOMY)
    with database.write() as connection:
        idle = an_unfinished(
            connection, ann, size=1 << 40, active_request="", synced=10
        )
        uploads.reserve(connection, ann, reservation="r", size=60, expires=200)
        coming = UploadRequest(
            reservation=idle, size=1 << 40, media_type=None, expires=200
        )
        admission.admit_chunk(connection, ann, coming, size=30, now=100)
        with pytest.raises(NoSpaceError):
            admission.admit_chunk(connection, ann, coming, size=31, now=100)


def an_unfinished(
    connection: Connection, owner: User, *, size: int, active_request: str, synced: int
) -> str:
    """Write down a resumable upload with its room; return its id."""
    session_id = new_id()
    upload_sessions.add(
        connection,
        UploadSession(
            id=session_id,
            owner_id=owner.id,
            drop_id=None,
            name="a.bin",
            size=size,
            metadata="",
            concat="",
            created=1,
            expires=200,
            active_request=active_request,
            active_request_expires=200,
            synced=synced,
        ),
    )
    uploads.reserve(connection, owner, reservation=session_id, size=size, expires=200)
    return session_id


def test_what_is_on_the_disk_already_needs_no_room(
    database: Database, ann: User, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Disk, "free", 10)
    admission = Admission(disk, ROOMY)
    with database.write() as connection:
        admission.check_limits(
            connection, ann, size=1 << 40, drop=None, now=100, is_on_disk=True
        )
        monkeypatch.setattr(Disk, "free", 9)
        with pytest.raises(NoSpaceError):
            admission.check_limits(
                connection, ann, size=1, drop=None, now=100, is_on_disk=True
            )


def test_uploads_are_listed_newest_first(database: Database, ann: User) -> None:
    with database.write() as connection:
        for created in (1, 3, 2):
            uploads.add(connection, replace(an_upload(ann), created=created))
        found = uploads.newest(connection, ann, limit=2)
    assert [upload.created for upload in found] == [3, 2]
