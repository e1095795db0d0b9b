from __future__ import annotations

import hashlib
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import func, insert, select, text

from gateway.catalog import (
    leases,
    login_sessions,
    one_time_codes,
    outbox,
    recipients,
    shares,
    upload_sessions,
    uploads,
    users,
)
from gateway.catalog.leases import NewLease
from gateway.catalog.login_attempts import MEMORY
from gateway.catalog.one_time_codes import LIFE
from gateway.catalog.recipients import NewRecipient
from gateway.catalog.schema import leases as leases_table
from gateway.catalog.schema import login_attempts, reservations, revocations
from gateway.catalog.schema import login_sessions as sessions_table
from gateway.catalog.schema import one_time_codes as codes_table
from gateway.catalog.upload_sessions import UploadSession
from gateway.errors import BucketBusyError, CatalogBusyError, HousekeepingError
from gateway.maintenance.housekeeping import maintenance_lock
from gateway.shares.policy import SharePolicy
from gateway.storage.blobs import BlobStore, new_id
from gateway.storage.disk_blobs import DiskBlobs
from gateway.storage.leftovers import SPOOL_SECONDS
from gateway.storage.locks import try_lock
from gateway.storage.session_files import SessionFiles
from tests.catalog.conftest import ON_SQLITE
from tests.live.stack import wait_until
from tests.maintenance.conftest import Kept, age

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from pathlib import Path

    from sqlalchemy import Table

    from gateway.storage.session_files import SessionFile

NOW = int(time.time())
HOUR = 3600
EXPLAIN = {"sqlite": "EXPLAIN QUERY PLAN", "postgresql": "EXPLAIN"}
PLANNING = {
    "sqlite": "SELECT 1",
    "postgresql": "SELECT set_config('enable_seqscan', 'off', false), "
    "set_config('enable_bitmapscan', 'off', false)",
}


def now() -> int:
    """Return the present, for what goes by the age of files."""
    return int(time.time())


def upload_session(kept: Kept, *, expires: int, **columns: Any) -> UploadSession:
    made = UploadSession(
        **{
            "id": new_id(),
            "owner_id": kept.ann.id,
            "drop_id": None,
            "name": "a.bin",
            "size": 10,
            "metadata": "",
            "concat": "",
            "created": NOW,
            "expires": expires,
            **columns,
        }
    )
    (kept.store.sessions / made.id).write_bytes(b"half")
    with kept.database.write() as connection:
        upload_sessions.add(connection, made)
        uploads.reserve(
            connection,
            kept.ann,
            reservation=made.id,
            size=10,
            expires=expires + HOUR,
        )
    return made


def count(kept: Kept, table: Table) -> int:
    with kept.database.read() as connection:
        return connection.execute(select(func.count()).select_from(table)).scalar_one()


def stored_bytes(kept: Kept) -> int:
    with kept.database.read() as connection:
        return users.by_name(connection, "ann").stored_bytes


def test_an_upload_goes_when_its_time_is_over(kept: Kept) -> None:
    over = kept.put(b"over", delete_after=NOW)
    later = kept.put(b"later", delete_after=NOW + 1)
    never = kept.put(b"never")
    report = kept.keeper().round(now=NOW)
    assert report.done["expired uploads deleted"] == 1
    assert report.faults == []
    assert kept.get(over) is None
    assert kept.get(later)
    assert kept.get(never)
    assert kept.files() == {f"blobs/{u.blob}" for u in (later, never)}
    assert stored_bytes(kept) == len(b"later" + b"never")


def test_many_uploads_go_in_one_round(kept: Kept) -> None:
    for _ in range(45):
        kept.put(delete_after=NOW)
    kept.keeper().round(now=NOW)
    assert kept.files() == set()
    assert stored_bytes(kept) == 0


def test_an_unfinished_upload_goes_with_its_reservation_and_file(kept: Kept) -> None:
    upload_session(kept, expires=NOW)
    running = upload_session(kept, expires=NOW + 1)
    report = kept.keeper().round(now=NOW)
    assert report.done["expired upload sessions deleted"] == 1
    assert kept.files() == {f"upload-sessions/{running.id}"}
    assert count(kept, reservations) == 1


@ON_SQLITE
def test_an_unfinished_upload_that_is_worked_on_is_left_alone(kept: Kept) -> None:
    busy = upload_session(kept, expires=NOW)
    with SessionFiles(kept.store).lock(busy.id):
        kept.keeper().round(now=NOW)
    assert kept.files() == {f"upload-sessions/{busy.id}"}
    kept.keeper().round(now=NOW)
    assert kept.files() == set()


def test_an_unfinished_upload_that_is_heard_of_meanwhile_is_left_alone(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    unfinished = upload_session(kept, expires=NOW)
    lock = SessionFiles.lock

    def heard_of_then(
        self: SessionFiles, session_id: str
    ) -> AbstractContextManager[SessionFile]:
        with kept.database.write() as connection:
            upload_sessions.change(connection, session_id, expires=NOW + 1)
        return lock(self, session_id)

    monkeypatch.setattr(SessionFiles, "lock", heard_of_then)
    kept.keeper().round(now=NOW)
    assert kept.files() == {f"upload-sessions/{unfinished.id}"}
    assert count(kept, reservations) == 1


def test_the_file_of_a_finished_upload_goes(kept: Kept) -> None:
    upload = kept.put()
    upload_session(kept, expires=NOW + 9 * HOUR, upload_id=upload.id)
    kept.keeper().round(now=now() + HOUR + 60)
    assert kept.files() == {f"blobs/{upload.blob}"}


def test_a_reservation_goes_when_it_has_expired(kept: Kept) -> None:
    with kept.database.write() as connection:
        for name, expires in (("old", NOW), ("new", NOW + 1)):
            uploads.reserve(
                connection, kept.ann, reservation=name, size=1, expires=expires
            )
    kept.keeper().round(now=NOW)
    with kept.database.read() as connection:
        assert list(connection.execute(select(reservations.c.id)).scalars()) == ["new"]


def test_sessions_that_are_over_are_forgotten(kept: Kept) -> None:
    with kept.database.write() as connection:
        for life in (99, 100, 101):
            login_sessions.begin(
                connection, kept.ann, agent="", network="", now=NOW - 100, life=life
            )
    report = kept.keeper().round(now=NOW)
    assert report.faults == []
    with kept.database.read() as connection:
        rows = connection.execute(select(sessions_table.c.expires)).scalars()
        assert list(rows) == [NOW + 1]


def test_leases_that_are_over_are_forgotten(kept: Kept) -> None:
    with kept.database.write() as connection:
        share = shares.new(connection, kept.ann, [], now=1, **vars(SharePolicy()))
        (link,) = recipients.add(connection, share, [NewRecipient()], now=1)
        for expires in (NOW - 1, NOW, NOW + 1):
            new = NewLease(expires=expires, agent="")
            leases.take(connection, link, new, now=1)
    assert kept.keeper().round(now=NOW).faults == []
    with kept.database.read() as connection:
        left = connection.execute(select(leases_table.c.expires)).scalars()
        assert list(left) == [NOW, NOW + 1]


def test_codes_that_are_over_are_forgotten(kept: Kept) -> None:
    with kept.database.write() as connection:
        share = shares.new(connection, kept.ann, [], now=1, **vars(SharePolicy()))
        new = [NewRecipient("a@b.c"), NewRecipient("d@e.f")]
        links = recipients.add(connection, share, new, now=1)
        for link, at in zip(links, (NOW - LIFE - 1, NOW - LIFE), strict=True):
            one_time_codes.mail(connection, link, None, code="1", mac="m", now=at)
    assert kept.keeper().round(now=NOW).faults == []
    with kept.database.read() as connection:
        left = connection.execute(select(codes_table.c.recipient_id)).scalars()
        assert list(left) == [links[1].id]


def test_a_share_that_was_mailed_is_forgotten_long_after_its_end(kept: Kept) -> None:
    policy = SharePolicy(expires=NOW - 90 * 24 * HOUR - 1)
    with kept.database.write() as connection:
        share = shares.new(connection, kept.ann, [], now=1, **vars(policy))
        links = recipients.add(connection, share, [NewRecipient("a@b.c")], now=1)
        outbox.add(connection, links, kept.ann, now=1)
        one_time_codes.mail(connection, links[0], None, code="1", mac="m", now=NOW)
    assert kept.keeper().round(now=NOW).faults == []
    with kept.database.read() as connection:
        assert shares.by_id(connection, share.id) is None


def test_old_tries_are_forgotten(kept: Kept) -> None:
    with kept.database.write() as connection:
        for subject, since in (("old", NOW - MEMORY), ("new", NOW - MEMORY + 1)):
            connection.execute(
                insert(login_attempts).values(subject=subject, count=1, since=since)
            )
    kept.keeper().round(now=NOW)
    with kept.database.read() as connection:
        assert list(connection.execute(select(login_attempts.c.subject)).scalars()) == [
            "new"
        ]


def test_a_revocation_is_kept_as_long_as_its_links_live(kept: Kept) -> None:
    kept_until = {"url:a": NOW, "url:b": NOW + 1, "key:c": None}
    with kept.database.write() as connection:
        for subject, until in kept_until.items():
            connection.execute(
                insert(revocations).values(
                    subject=subject, issued_until=NOW, created=NOW, keep_until=until
                )
            )
    kept.keeper().round(now=NOW)
    with kept.database.read() as connection:
        left = connection.execute(select(revocations.c.subject)).scalars()
        assert set(left) == {"url:b", "key:c"}


@ON_SQLITE
def test_a_blob_that_was_just_linked_is_young_however_old_its_content(
    kept: Kept,
) -> None:
    source = kept.spool("old content")
    age(source, 10 * HOUR)
    blob = kept.store.adopt(source, new_id(), "bin")
    source.unlink()
    kept.keeper().round(now=now())
    assert kept.files() == {f"blobs/{blob}"}


@ON_SQLITE
def test_what_a_kill_left_goes_in_one_round(kept: Kept) -> None:
    source = kept.spool("1", b"killed between link and commit")
    blob = kept.store.adopt(source, new_id(), "bin")
    linked = kept.store.path(blob).stat().st_ctime
    wait_until(lambda: time.time() > linked + 0.1, what="the clock has ticked")
    # Just old enough, unless deleting the spool file makes it young again.
    moment: Any = linked + 60.05
    kept.keeper(grace=60).round(now=moment)
    assert kept.files() == set()
    assert kept.trashed() == [blob]


@ON_SQLITE
def test_so_does_what_a_kill_left_of_a_finished_upload(kept: Kept) -> None:
    left = kept.store.sessions / new_id()
    left.hardlink_to(kept.spool("1", b"killed between commit and removal"))
    linked = left.stat().st_ctime
    wait_until(lambda: time.time() > linked + 0.1, what="the clock has ticked")
    moment: Any = linked + 60.05
    kept.keeper(grace=60).round(now=moment)
    assert kept.files() == set()


@ON_SQLITE
def test_blobs_are_looked_at_in_a_sweep_only(kept: Kept) -> None:
    blob = kept.orphan()
    kept.keeper().round(now=now() + 2 * HOUR, with_sweep=False)
    assert kept.files() == {f"blobs/{blob}"}


def test_the_file_of_no_unfinished_upload_goes_after_the_grace(kept: Kept) -> None:
    known = upload_session(kept, expires=now() + 9 * HOUR)
    (kept.store.sessions / new_id()).write_bytes(b"left")
    kept.keeper().round(now=now())
    assert len(kept.files()) == 2
    kept.keeper().round(now=now() + HOUR + 60)
    assert kept.files() == {f"upload-sessions/{known.id}"}


@ON_SQLITE
def test_a_spool_file_goes_when_nobody_has_it_open_any_more(kept: Kept) -> None:
    path = kept.spool("0000000001")
    age(path, 2 * HOUR)
    with path.open("ab"):
        kept.keeper().round(now=now())
        assert path.exists()
    kept.keeper().round(now=now())
    assert not path.exists()


@pytest.mark.parametrize(
    ("seconds", "is_left"),
    [
        pytest.param(0, True, id="just written"),
        pytest.param(HOUR - 60, True, id="young"),
        pytest.param(HOUR + 60, False, id="old"),
    ],
)
@ON_SQLITE
def test_a_spool_file_has_a_grace(kept: Kept, seconds: int, *, is_left: bool) -> None:
    path = kept.spool("empty-x")
    age(path, seconds)
    kept.keeper().round(now=now())
    assert path.exists() is is_left


@ON_SQLITE
def test_a_spool_file_goes_after_a_day_even_if_it_is_open(kept: Kept) -> None:
    path = kept.spool("0000000002")
    age(path, SPOOL_SECONDS + 60)
    with path.open("ab"):
        kept.keeper().round(now=now())
        assert not path.exists()


@pytest.mark.parametrize(
    ("seconds", "is_left"),
    [
        pytest.param(2 * HOUR, True, id="old"),
        pytest.param(SPOOL_SECONDS + 60, False, id="a day old"),
    ],
)
@ON_SQLITE
def test_another_gateway_s_spool_file_goes_after_a_day(
    kept: Kept, seconds: int, *, is_left: bool
) -> None:
    """Its own machine alone knows whether it is open."""
    other, own = (BlobStore(kept.store.root, name) for name in ("r2", "r1"))
    other.prepare()
    own.prepare()
    paths = [kept.spool("0000000001"), other.spool / "1"]
    own_file = own.spool / "1"
    for path in (*paths, own_file):
        path.write_bytes(b"spooled")
        age(path, seconds)
    kept.keeper(store=own).round(now=now())
    assert [path.exists() for path in paths] == [is_left, is_left]
    assert not own_file.exists()


@ON_SQLITE
def test_local_work_is_on_no_file_that_other_gateways_need(kept: Kept) -> None:
    due, session = kept.put(delete_after=1), upload_session(kept, expires=1)
    orphan, spooled = kept.orphan(), kept.spool("0000000001")
    (kept.store.sessions / new_id()).write_bytes(b"left")
    age(spooled, 2 * HOUR)
    done = kept.keeper().round(now=now() + HOUR + 60, is_local=True).done
    assert done == {"orphaned session files deleted": 1, "spool leftovers deleted": 1}
    assert kept.files() == {
        f"blobs/{due.blob}",
        f"blobs/{orphan}",
        f"upload-sessions/{session.id}",
    }


def test_digests_are_written_down(kept: Kept) -> None:
    upload = kept.put(b"some content")
    report = kept.keeper().round(now=NOW)
    found = kept.get(upload)
    assert found is not None
    assert found.sha256 == hashlib.sha256(b"some content").digest()
    assert report.done["digests recorded"] == 1
    assert "digests recorded" not in kept.keeper().round(now=NOW).done


def test_what_can_not_be_read_keeps_no_other_digest_waiting(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.maintenance.digests._PAGE", 2)
    missing = [kept.put(created=1) for _ in range(3)]
    unreadable = kept.put(created=2)
    readable = kept.put(b"some content", created=3)
    for upload in (*missing, unreadable):
        kept.store.path(upload.blob).unlink()
    # Opened, and then an error: what a bad sector does.
    kept.store.path(unreadable.blob).symlink_to("/proc/self/mem")
    report = kept.keeper().round(now=NOW)
    found = kept.get(readable)
    assert found is not None
    assert found.sha256 == hashlib.sha256(b"some content").digest()
    assert report.done["digests recorded"] == 1
    assert len(report.faults) == 1
    assert report.faults[0].startswith("digests recorded: HousekeepingError: 4 ")
    assert min(upload.id for upload in missing) in report.faults[0]


@ON_SQLITE
@pytest.mark.parametrize(
    ("status", "asked"),
    [
        pytest.param(None, 1, id="silent"),
        pytest.param(503, 1, id="busy"),
        pytest.param(403, 3, id="one object is refused"),
    ],
)
def test_digests_wait_for_a_bucket_that_fails(
    kept: Kept, monkeypatch: pytest.MonkeyPatch, status: int | None, asked: int
) -> None:
    """A silent server holds each request for a minute."""
    for _ in range(3):
        kept.put()
    tried: list[str] = []

    def failing(_: DiskBlobs, blob: str, **__: object) -> bytes:
        tried.append(blob)
        raise BucketBusyError("bucket s3://media fails", status=status)

    monkeypatch.setattr(DiskBlobs, "sha256", failing)
    (fault,) = kept.keeper().round(now=NOW).faults
    assert "bucket s3://media fails" in fault
    assert len(tried) == asked


@ON_SQLITE
def test_an_upload_that_is_deleted_meanwhile_is_no_fault(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload = kept.put()

    def delete_first(path: Path, **_: object) -> bytes:
        with kept.database.write() as connection:
            uploads.remove(connection, upload)
        path.unlink()
        return path.read_bytes()

    monkeypatch.setattr("gateway.storage.leftovers.sha256", delete_first)
    assert kept.keeper().round(now=NOW).faults == []


def test_digests_are_looked_for_in_an_index(kept: Kept) -> None:
    statement = "SELECT id FROM uploads WHERE sha256 IS NULL ORDER BY created, id"
    with kept.database.read() as connection:
        # With next to no rows PostgreSQL would read them all, and sort them.
        connection.execute(text(PLANNING[connection.dialect.name]))
        explain = EXPLAIN[connection.dialect.name]
        plan = str(connection.execute(text(f"{explain} {statement}")).all())
    assert "ix_uploads_without_digest" in plan
    assert "Sort" not in plan
    assert "TEMP B-TREE" not in plan


@ON_SQLITE
def test_a_known_digest_is_left_as_it_is(kept: Kept) -> None:
    upload = kept.put(b"some content", sha256=bytes(32))
    kept.keeper().round(now=NOW)
    assert kept.get(upload) == upload


def test_what_fails_does_not_keep_the_rest_from_being_done(kept: Kept) -> None:
    upload_session(kept, expires=NOW)
    upload = kept.put(delete_after=NOW)
    blob = kept.store.path(upload.blob)
    blob.unlink()
    blob.mkdir()
    report = kept.keeper().round(now=NOW)
    assert len(report.faults) == 1
    assert "expired uploads deleted" in report.faults[0]
    assert report.done["expired upload sessions deleted"] == 1
    assert any("failed, to be tried again" in line for line in kept.said)


@ON_SQLITE
def test_a_round_ends_when_it_is_told_to(kept: Kept) -> None:
    upload = kept.put(delete_after=NOW)
    assert kept.keeper(is_stopped=lambda: True).round(now=NOW).done == {}
    assert kept.get(upload) == upload


@ON_SQLITE
def test_a_digest_in_the_making_is_broken_off(kept: Kept) -> None:
    upload = kept.put(bytes(5 << 20))
    answers = iter([False] * 3)
    kept.keeper(is_stopped=lambda: next(answers, True)).round(now=NOW)
    found = kept.get(upload)
    assert found is not None
    assert found.sha256 is None


@ON_SQLITE
def test_two_do_not_tidy_one_store_at_once(kept: Kept) -> None:
    with (
        maintenance_lock(kept.store, None, patience=0),
        pytest.raises(HousekeepingError, match="another housekeeper"),
        maintenance_lock(kept.store, None, patience=0.2),
    ):
        pass


@ON_SQLITE
def test_one_waits_for_the_other(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    holds, refused = threading.Event(), threading.Event()
    done: list[str] = []

    def observed(descriptor: int) -> bool:
        is_locked = try_lock(descriptor)
        if not is_locked:
            refused.set()
        return is_locked

    def first() -> None:
        with maintenance_lock(kept.store, None, patience=0):
            holds.set()
            done.append("first" if refused.wait(5) else "nobody waited")

    monkeypatch.setattr("gateway.maintenance.housekeeping.try_lock", observed)
    thread = threading.Thread(target=first)
    thread.start()
    assert holds.wait(5)
    with maintenance_lock(kept.store, None, patience=10):
        done.append("second")
    thread.join()
    assert done == ["first", "second"]


@ON_SQLITE
def test_a_busy_catalog_is_a_fault_of_the_round(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy(*_: object, **__: object) -> None:
        raise CatalogBusyError("locked")

    monkeypatch.setattr("gateway.catalog.expiry.remove_due", busy)
    report = kept.keeper().round(now=NOW)
    assert report.faults == ["expired uploads deleted: CatalogBusyError: locked"]
