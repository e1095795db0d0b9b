"""Drop links: what they take, and when that is over."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from gateway.catalog import budgets, drops, upload_sessions
from gateway.catalog.drops import State
from gateway.catalog.upload_sessions import UploadSession
from gateway.errors import DropOverError, TooLargeError, TypeRefusedError
from gateway.storage.blobs import BlobStore, new_id
from gateway.uploads.admission import Admission, UploadLimits
from gateway.uploads.upload_request import UploadRequest

if TYPE_CHECKING:
    from pathlib import Path

    from gateway.catalog.database import Database
    from gateway.catalog.drops import Drop
    from gateway.catalog.users import User

LIMITS = UploadLimits(size=100, quota=0, user_quota=0, free_space=0, running=0)


def a_drop(database: Database, owner: User, **limits: Any) -> Drop:
    unlimited: dict[str, Any] = {
        "max_uploads": None, "max_size": None, "types": (), "expires": None,
    }  # fmt: skip
    with database.write() as connection:
        return drops.new(
            connection, owner, title="Photos", now=100, **(unlimited | limits)
        )


def admit(  # noqa: PLR0917
    database: Database,
    store: Path,
    owner: User,
    drop: Drop,
    size: int = 10,
    media_type: str = "image/png",
    now: int = 150,
) -> None:
    coming = UploadRequest(
        reservation=f"r{size}{media_type}{now}",
        size=size,
        media_type=media_type,
        expires=1000,
        drop=drop,
    )
    with database.write() as connection:
        blobs = BlobStore(store)
        blobs.prepare()
        Admission(blobs, LIMITS).admit(connection, owner, coming, now=now)


def test_a_drop_is_found_again(database: Database, ann: User) -> None:
    made = a_drop(database, ann, types=("image/*", "text/csv"), max_size=5)
    with database.read() as connection:
        assert drops.by_id(connection, made.id) == made
        assert drops.newest(connection, ann, limit=9) == [made]
        assert drops.by_id(connection, "nothere") is None


def test_it_takes_as_many_as_it_says_those_on_their_way_included(
    database: Database, ann: User, tmp_path: Path
) -> None:
    drop = a_drop(database, ann, max_uploads=2)
    with database.write() as connection:
        drops.count_upload(connection, drop)
    admit(database, tmp_path, ann, drop)
    with pytest.raises(DropOverError):
        admit(database, tmp_path, ann, drop, size=11)


def test_it_takes_what_fits_and_no_more(
    database: Database, ann: User, tmp_path: Path
) -> None:
    drop = a_drop(database, ann, max_size=20)
    admit(database, tmp_path, ann, drop, size=20)
    with pytest.raises(TooLargeError) as over:
        admit(database, tmp_path, ann, drop, size=21)
    assert over.value.limit == 20


def test_it_takes_the_types_that_it_names(
    database: Database, ann: User, tmp_path: Path
) -> None:
    drop = a_drop(database, ann, types=("image/*",))
    admit(database, tmp_path, ann, drop, media_type="image/png")
    with pytest.raises(TypeRefusedError):
        admit(database, tmp_path, ann, drop, media_type="text/plain")


def test_it_ends_when_it_expires(database: Database, ann: User, tmp_path: Path) -> None:
    drop = a_drop(database, ann, expires=200)
    admit(database, tmp_path, ann, drop, now=199)
    with pytest.raises(DropOverError):
        admit(database, tmp_path, ann, drop, now=200)


def test_it_ends_when_it_is_revoked_with_what_is_on_its_way(
    database: Database, ann: User, tmp_path: Path
) -> None:
    drop = a_drop(database, ann)
    admit(database, tmp_path, ann, drop)
    with database.write() as connection:
        drops.revoke(connection, drop, now=150)
        left = budgets.taken(connection, drop, now=150)
    assert (left.running, left.files, left.bytes) == (0, 0, 0)
    with pytest.raises(DropOverError):
        admit(database, tmp_path, ann, drop)


def test_what_is_unfinished_by_it_ends_when_it_is_revoked(
    database: Database, ann: User
) -> None:
    drop, other = a_drop(database, ann), a_drop(database, ann)
    theirs, others = (
        UploadSession(
            id=new_id(),
            owner_id=ann.id,
            drop_id=made.id,
            name="a.bin",
            size=10,
            metadata="",
            concat="",
            created=100,
            expires=1000,
        )
        for made in (drop, other)
    )
    with database.write() as connection:
        upload_sessions.add(connection, theirs)
        upload_sessions.add(connection, others)
        drops.revoke(connection, drop, now=150)
        over = upload_sessions.expired(connection, now=150, limit=9)
    assert [session.id for session in over] == [theirs.id]


def test_revoking_once_more_changes_nothing(database: Database, ann: User) -> None:
    drop = a_drop(database, ann)
    with database.write() as connection:
        drops.revoke(connection, drop, now=150)
        drops.revoke(connection, drop, now=151)
        found = drops.by_id(connection, drop.id)
    assert found is not None
    assert found.revoked == 150


@pytest.mark.parametrize(
    ("limits", "taken", "state"),
    [
        pytest.param({"max_uploads": 2}, 1, State.OPEN, id="one left"),
        pytest.param({"max_uploads": 2}, 2, State.FULL, id="none left"),
        pytest.param({"expires": 200}, 0, State.EXPIRED, id="late"),
        pytest.param({"expires": 200, "max_uploads": 1}, 1, State.EXPIRED, id="both"),
    ],
)
def test_its_state_is_told(
    database: Database, ann: User, limits: dict[str, int], taken: int, state: State
) -> None:
    drop = a_drop(database, ann, **limits)
    with database.write() as connection:
        for _ in range(taken):
            drops.count_upload(connection, drop)
        found = drops.by_id(connection, drop.id)
    assert found is not None
    assert found.state(now=200) is state


def test_many_come_in_pages(database: Database, ann: User) -> None:
    made = {a_drop(database, ann).id for _ in range(5)}
    with database.read() as connection:
        first = drops.newest(connection, None, limit=3)
        last = (first[-1].created, first[-1].id)
        rest = drops.newest(connection, ann, limit=3, after=last)
    assert (len(first), len(rest)) == (3, 2)
    assert {drop.id for drop in first + rest} == made


def test_titles_are_found_by_their_ids(database: Database, ann: User) -> None:
    drop = a_drop(database, ann)
    with database.read() as connection:
        assert drops.titles(connection, {drop.id, "other"}) == {drop.id: "Photos"}
