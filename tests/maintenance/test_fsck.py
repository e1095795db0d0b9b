from __future__ import annotations

import hashlib
import time
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import update

from gateway.catalog import drops, users
from gateway.catalog.schema import drops as drops_table
from gateway.catalog.schema import recipients, totals
from gateway.catalog.schema import users as users_table
from gateway.maintenance.fsck import Check
from gateway.storage.blobs import new_id
from gateway.storage.disk_blobs import DiskBlobs
from tests.catalog.conftest import ON_SQLITE
from tests.catalog.test_leases import a_link
from tests.maintenance.conftest import Kept, age

if TYPE_CHECKING:
    from collections.abc import Callable


def later() -> int:
    """Return a time when what is left is past its grace."""
    return int(time.time()) + 2 * 3600


def check(kept: Kept, **options: Any) -> list[tuple[str, str]]:
    found = Check(
        database=kept.database, store=kept.store, blobs=DiskBlobs(kept.store), **options
    ).run(now=later())
    return [(finding.kind, finding.subject) for finding in found]


def miscount(kept: Kept) -> str:
    with kept.database.write() as connection:
        connection.execute(update(users_table).values(stored_bytes=99))
    return "ann"


def miscount_total(kept: Kept) -> str:
    with kept.database.write() as connection:
        connection.execute(update(totals).values(stored_bytes=99))
    return "all users"


def miscount_drop(kept: Kept) -> str:
    with kept.database.write() as connection:
        drop = drops.new(
            connection,
            users.by_name(connection, "ann"),
            title="",
            max_uploads=None,
            max_size=None,
            types=(),
            expires=None,
            now=1,
        )
        connection.execute(update(drops_table).values(stored_bytes=99))
    return f"drop link {drop.id}"


def miscount_downloads(kept: Kept) -> str:
    return miscount_recipient(kept, taken=5)


def miscount_sent(kept: Kept) -> str:
    return miscount_recipient(kept, sent=5)


def miscount_recipient(kept: Kept, **columns: int) -> str:
    link = a_link(kept.database, kept.ann, None)
    link.spend(link.take())
    with kept.database.write() as connection:
        connection.execute(update(recipients).values(**columns))
    return link.recipient.id


def leave_partial(kept: Kept) -> str:
    name = new_id()
    (kept.store.sessions / name).write_bytes(b"left")
    return name


def leave_spool(kept: Kept) -> str:
    path = kept.spool("0000000001")
    age(path, 10)
    return path.name


def lose_blob(kept: Kept) -> str:
    upload = kept.put()
    kept.store.discard(upload.blob)
    return upload.id


def cut_blob(kept: Kept) -> str:
    upload = kept.put()
    kept.store.path(upload.blob).write_bytes(b"cut")
    return upload.id


def damage_blob(kept: Kept) -> str:
    upload = kept.put(b"content", sha256=hashlib.sha256(b"content").digest())
    kept.store.path(upload.blob).write_bytes(b"CONTENT")
    return upload.id


def damage_slightly(kept: Kept) -> str:
    """Store an upload whose digest differs from its content's in one bit."""
    wrong = bytearray(hashlib.sha256(b"content").digest())
    wrong[-1] ^= 1
    return kept.put(b"content", sha256=bytes(wrong)).id


@pytest.mark.parametrize("is_repairing", [False, True], ids=["look", "repair"])
@ON_SQLITE
def test_nothing_is_wrong_with_what_is_in_order(
    kept: Kept, *, is_repairing: bool
) -> None:
    kept.put(b"content", sha256=hashlib.sha256(b"content").digest())
    kept.put(b"other")
    assert check(kept, with_digests=True, is_repairing=is_repairing) == []


@pytest.mark.parametrize(
    ("kind", "spoil"),
    [
        pytest.param("blob-orphan", Kept.orphan, id="orphan"),
        pytest.param("partial-orphan", leave_partial, id="partial"),
        pytest.param("spool-leftover", leave_spool, id="spool"),
        pytest.param("stored-bytes", miscount, id="counter"),
        pytest.param("stored-bytes", miscount_total, id="total"),
        pytest.param("stored-bytes", miscount_drop, id="drop link"),
        pytest.param("recipient-counts", miscount_downloads, id="downloads"),
        pytest.param("recipient-counts", miscount_sent, id="sent bytes"),
    ],
)
def test_what_is_safe_is_repaired_when_asked_for(
    kept: Kept, kind: str, spoil: Callable[[Kept], str]
) -> None:
    upload = kept.put()
    subject = spoil(kept)
    assert check(kept) == [(kind, subject)]
    assert check(kept, is_repairing=True) == [(kind, subject)]
    assert check(kept) == []
    assert kept.files() == {f"blobs/{upload.blob}"}


@pytest.mark.parametrize(
    ("kind", "spoil"),
    [
        pytest.param("blob-missing", lose_blob, id="missing"),
        pytest.param("blob-size", cut_blob, id="cut"),
        pytest.param("blob-digest", damage_blob, id="damaged"),
        pytest.param("blob-digest", damage_slightly, id="one bit of the digest"),
    ],
)
@ON_SQLITE
def test_lost_content_is_told_and_left_alone(
    kept: Kept, kind: str, spoil: Callable[[Kept], str]
) -> None:
    subject = spoil(kept)
    before = kept.files()
    found = Check(
        database=kept.database,
        store=kept.store,
        blobs=DiskBlobs(kept.store),
        with_digests=True,
        is_repairing=True,
    ).run(now=later())
    assert [(f.kind, f.subject, f.is_repaired) for f in found] == [
        (kind, subject, False)
    ]
    assert kept.files() == before


@ON_SQLITE
def test_damage_shows_only_when_every_byte_is_read(kept: Kept) -> None:
    damage_blob(kept)
    assert check(kept) == []


@ON_SQLITE
def test_a_blob_that_is_being_stored_is_no_orphan(kept: Kept) -> None:
    kept.orphan()
    found = Check(
        database=kept.database, store=kept.store, blobs=DiskBlobs(kept.store)
    ).run(now=int(time.time()))
    assert list(found) == []


@ON_SQLITE
def test_a_catalog_of_another_store_is_told_and_costs_no_blob(kept: Kept) -> None:
    blobs = {kept.orphan() for _ in range(17)}
    found = check(kept, is_repairing=True)
    assert {subject for _, subject in found} == blobs
    assert kept.files() == {f"blobs/{blob}" for blob in blobs}
