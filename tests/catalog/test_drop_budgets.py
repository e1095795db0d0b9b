"""What drop links may take: of their own, and of what their maker has."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import update

from gateway.catalog import drops, expiry, schema, upload_sessions, uploads
from gateway.catalog.drops import UPLOADS, State
from gateway.catalog.upload_sessions import UploadSession
from gateway.catalog.uploads import Upload
from gateway.errors import DropOverError, OverQuotaError, TooManyUploadsError
from gateway.storage.blobs import BlobStore, new_id
from gateway.uploads.admission import Admission, UploadLimits
from gateway.uploads.drop_budgets import MAXIMUM_RUNNING, MAXIMUM_SESSIONS
from gateway.uploads.upload_request import UploadRequest
from tests.catalog.test_drops import a_drop
from tests.uploads import NO_LIMITS

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import Connection

    from gateway.catalog.database import Database
    from gateway.catalog.drops import Drop
    from gateway.catalog.users import User

NOW = 150


@pytest.fixture
def store(tmp_path: Path) -> BlobStore:
    store = BlobStore(tmp_path / "store")
    store.prepare()
    return store


def coming(drop: Drop | None, *, size: int = 0, **more: Any) -> UploadRequest:
    return UploadRequest(
        reservation=new_id(), size=size, media_type=None, drop=drop, **more
    )


def a_session(
    connection: Connection, drop: Drop, *, size: int = 0, active_request: str = ""
) -> str:
    """Write down an unfinished upload by *drop*, with its room; return its id."""
    session = UploadSession(
        id=new_id(),
        owner_id=drop.owner_id,
        drop_id=drop.id,
        name="a.bin",
        size=size,
        metadata="",
        concat="",
        created=NOW,
        expires=NOW + 1000,
        active_request=active_request,
        active_request_expires=NOW + 1000,
    )
    upload_sessions.add(connection, session)
    return session.id


def an_upload(drop: Drop, size: int) -> Upload:
    upload_id = new_id()
    return Upload(
        id=upload_id,
        owner_id=drop.owner_id,
        name="a.txt",
        size=size,
        media_type="text/plain",
        blob=f"{upload_id[:2]}/{upload_id}.txt",
        sha256=None,
        created=NOW,
        drop_id=drop.id,
    )


def test_a_link_without_a_number_takes_as_many_files_as_any(
    database: Database, ann: User, store: BlobStore
) -> None:
    drop = a_drop(database, ann)
    admission = Admission(store, NO_LIMITS)
    with database.write() as connection:
        for _ in range(UPLOADS - 1):
            drops.count_upload(connection, drop)
        admission.admit(connection, ann, coming(drop), now=NOW)
        with pytest.raises(DropOverError):
            admission.admit(connection, ann, coming(drop), now=NOW)
        drops.count_upload(connection, drop)
        full = drops.by_id(connection, drop.id)
    assert full is not None
    assert full.state(now=NOW) is State.FULL


def test_what_is_stored_and_what_comes_by_a_link_fill_it_to_the_last_byte(
    database: Database, ann: User, store: BlobStore
) -> None:
    drop = a_drop(database, ann, max_total=100)
    other = a_drop(database, ann, max_total=100)
    admission = Admission(store, NO_LIMITS)
    with database.write() as connection:
        uploads.add(connection, an_upload(drop, 50))
        admission.admit(connection, ann, coming(drop, size=40), now=NOW)
        admission.admit(connection, ann, coming(other, size=100), now=NOW)
        with pytest.raises(OverQuotaError):
            admission.admit(connection, ann, coming(drop, size=11), now=NOW)
        admission.admit(connection, ann, coming(drop, size=10), now=NOW)


@pytest.mark.parametrize(
    "limits",
    [
        pytest.param(replace(NO_LIMITS, user_quota=100), id="of each user"),
        pytest.param(replace(NO_LIMITS, quota=100), id="of all users"),
        pytest.param(replace(NO_LIMITS, quota=1000, user_quota=100), id="the less"),
    ],
)
def test_all_links_of_a_maker_together_take_half_of_the_quota(
    database: Database, ann: User, store: BlobStore, limits: UploadLimits
) -> None:
    admission = Admission(store, limits)
    first, second = a_drop(database, ann), a_drop(database, ann)
    with database.write() as connection:
        uploads.add(connection, an_upload(first, 20))
        admission.admit(connection, ann, coming(first, size=20), now=NOW)
        with pytest.raises(OverQuotaError):
            admission.admit(connection, ann, coming(second, size=11), now=NOW)
        admission.admit(connection, ann, coming(second, size=10), now=NOW)
        admission.admit(connection, ann, coming(None, size=50), now=NOW)


def test_one_link_has_its_own_places_and_leaves_another_its_own(
    database: Database, ann: User, store: BlobStore
) -> None:
    admission = Admission(store, NO_LIMITS)
    drop, other = a_drop(database, ann), a_drop(database, ann)
    with database.write() as connection:
        for _ in range(MAXIMUM_RUNNING):
            admission.admit(connection, ann, coming(drop), now=NOW)
        with pytest.raises(TooManyUploadsError):
            admission.admit(connection, ann, coming(drop), now=NOW)
        admission.admit(connection, ann, coming(other), now=NOW)


@pytest.mark.parametrize(
    ("running", "theirs"),
    [
        pytest.param(6, 3, id="half"),
        pytest.param(7, 3, id="half, rounded down"),
        pytest.param(2, 1, id="one"),
    ],
)
def test_all_links_of_a_maker_together_leave_half_of_the_places(
    database: Database, ann: User, store: BlobStore, running: int, theirs: int
) -> None:
    admission = Admission(store, replace(NO_LIMITS, running=running))
    links = [a_drop(database, ann) for _ in range(theirs + 1)]
    with database.write() as connection:
        for drop in links[:-1]:
            admission.admit(connection, ann, coming(drop), now=NOW)
        with pytest.raises(TooManyUploadsError):
            admission.admit(connection, ann, coming(links[-1]), now=NOW)
        for _ in range(running - theirs):
            admission.admit(connection, ann, coming(None), now=NOW)


def test_the_only_place_of_a_maker_is_for_links_too(
    database: Database, ann: User, store: BlobStore
) -> None:
    admission = Admission(store, replace(NO_LIMITS, running=1))
    drop = a_drop(database, ann)
    with database.write() as connection:
        admission.admit(connection, ann, coming(drop), now=NOW)


def test_pieces_and_repeated_uploads_take_places_of_their_link(
    database: Database, ann: User, store: BlobStore
) -> None:
    admission = Admission(store, NO_LIMITS)
    drop = a_drop(database, ann)
    with database.write() as connection:
        idle = a_session(connection, drop)
        chunk = replace(coming(drop), reservation=idle, expires=NOW + 1000)
        admission.admit(connection, ann, chunk, now=NOW)
        for _ in range(MAXIMUM_RUNNING):
            admission.admit_repeated(connection, ann, coming(drop), now=NOW)
        with pytest.raises(TooManyUploadsError):
            admission.admit_repeated(connection, ann, coming(drop), now=NOW)
        with pytest.raises(TooManyUploadsError):
            admission.admit_chunk(connection, ann, chunk, size=1, now=NOW)


def test_a_repeated_upload_is_no_file_and_no_byte_of_its_link(
    database: Database, ann: User, store: BlobStore
) -> None:
    admission = Admission(store, NO_LIMITS)
    drop = a_drop(database, ann, max_uploads=1, max_total=10)
    with database.write() as connection:
        admission.admit_repeated(connection, ann, coming(drop, size=10), now=NOW)
        admission.admit(connection, ann, coming(drop, size=10), now=NOW)


def test_only_so_many_uploads_of_a_link_are_begun_and_not_finished(
    database: Database, ann: User, store: BlobStore
) -> None:
    admission = Admission(store, NO_LIMITS)
    drop = a_drop(database, ann)
    with database.write() as connection:
        for _ in range(MAXIMUM_SESSIONS):
            begun = replace(
                coming(drop),
                reservation=a_session(connection, drop),
                expires=NOW + 1000,
            )
            admission.admit(connection, ann, begun, now=NOW)
        with pytest.raises(TooManyUploadsError):
            admission.admit(
                connection, ann, replace(begun, reservation=new_id()), now=NOW
            )
        admission.admit_chunk(connection, ann, begun, size=1, now=NOW)
        admission.admit(connection, ann, coming(drop), now=NOW)


def test_what_is_stored_by_a_link_is_counted_and_given_back(
    database: Database, ann: User
) -> None:
    drop = a_drop(database, ann)
    upload = an_upload(drop, 1 << 40)
    with database.write() as connection:
        uploads.add(connection, upload)
        stored = drops.by_id(connection, drop.id)
        uploads.remove(connection, upload)
        uploads.remove(connection, upload)
        left = drops.by_id(connection, drop.id)
    assert stored is not None
    assert left is not None
    assert (stored.stored_bytes, left.stored_bytes) == (1 << 40, 0)


def test_wrong_bytes_of_a_link_are_found_and_counted_anew(
    database: Database, ann: User
) -> None:
    drop, right = a_drop(database, ann), a_drop(database, ann)
    with database.write() as connection:
        uploads.add(connection, an_upload(drop, 7))
        uploads.add(connection, an_upload(right, 5))
        # As a gateway of an older release does.
        connection.execute(
            update(schema.drops)
            .where(schema.drops.c.id == drop.id)
            .values(stored_bytes=0)
        )
        wrong = expiry.drop_counts(connection)
        expiry.recount(connection)
        left = expiry.drop_counts(connection)
    assert (wrong, left) == ([(drop.id, (0, 7))], [])
