"""Revocations: what comes under one, how they add up, and that they are indexed."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text

from gateway.catalog import revocations, uploads, users
from gateway.catalog.database import Database
from gateway.catalog.linked_uploads import LinkedUpload, LinkedUploads
from gateway.catalog.revocations import Revocation, RevocationQuery
from gateway.catalog.verdict_queries import Reader
from gateway.errors import CatalogBusyError, RevocationError
from gateway.storage.blobs import new_id
from tests.catalog.test_uploads import an_upload

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from gateway.catalog.users import User
    from tests.catalog.postgres import Server

SUBJECT = "path:reports"
REVOKED = Revocation(subject=SUBJECT, issued_until=100, created=50, keep_until=200)


def revoke(database: Database, **changes: object) -> Revocation:
    with database.write() as connection:
        return revocations.revoke(connection, replace(REVOKED, **changes))  # type: ignore[arg-type]


@pytest.fixture
def reader(database: Database) -> Iterator[Reader]:
    opened = Reader(database)
    yield opened
    opened.close()


@pytest.fixture
def check(reader: Reader) -> RevocationQuery:
    return RevocationQuery(reader)


@pytest.mark.parametrize(
    ("issued", "is_covered"),
    [
        pytest.param(99, True, id="before"),
        pytest.param(100, True, id="the last second"),
        pytest.param(101, False, id="after"),
    ],
)
def test_what_was_issued_until_then_is_covered(
    database: Database, check: RevocationQuery, *, issued: int, is_covered: bool
) -> None:
    revoke(database)
    assert check.covers(["url:x", SUBJECT], issued=issued) is is_covered


@pytest.mark.parametrize(
    ("count", "place"),
    [
        pytest.param(1, 0, id="of one"),
        pytest.param(3, 0, id="the first of three"),
        pytest.param(9, -1, id="the last of nine"),
    ],
)
def test_one_of_any_number_of_subjects_is_enough(
    database: Database, check: RevocationQuery, count: int, place: int
) -> None:
    subjects = [f"path:{n}" for n in range(count)]
    assert not check.covers(subjects, issued=1)
    revoke(database, subject=subjects[place])
    assert check.covers(subjects, issued=1)


def test_a_path_of_two_thousand_segments_can_be_looked_up(
    database: Database, check: RevocationQuery
) -> None:
    subjects = [f"path:{'a/' * n}a" for n in range(2047)]
    revoke(database, subject=subjects[500])
    assert check.covers(subjects, issued=1)


def test_subjects_are_compared_letter_by_letter(
    database: Database, check: RevocationQuery
) -> None:
    revoke(database)
    others = ["path:Reports", "path:report_", "path:%", "path:reports ", "path:report"]
    assert not check.covers(others, issued=1)


def test_a_revocation_is_seen_on_a_connection_that_was_there_before(
    database: Database, check: RevocationQuery
) -> None:
    before = check.covers([SUBJECT], issued=1)
    revoke(database)
    revoked = check.covers([SUBJECT], issued=1)
    with database.write() as connection:
        revocations.undo(connection, SUBJECT)
    assert (before, revoked, check.covers([SUBJECT], issued=1)) == (False, True, False)


@pytest.mark.parametrize(
    ("changes", "issued_until", "keep_until"),
    [
        pytest.param({"issued_until": 99, "keep_until": 199}, 100, 200, id="narrower"),
        pytest.param({"issued_until": 101, "keep_until": 201}, 101, 201, id="wider"),
        pytest.param({"keep_until": None}, 100, None, id="for ever"),
    ],
)
def test_a_second_revocation_widens_the_first(
    database: Database,
    changes: dict[str, object],
    issued_until: int,
    keep_until: int | None,
) -> None:
    revoke(database)
    made = revoke(database, created=60, **changes)
    assert (made.issued_until, made.keep_until) == (issued_until, keep_until)
    with database.read() as connection:
        assert revocations.listing(connection) == [made]


def test_what_is_kept_for_ever_stays_so(database: Database) -> None:
    revoke(database, keep_until=None)
    assert revoke(database).keep_until is None


def test_what_is_not_revoked_can_not_be_undone(database: Database) -> None:
    revoke(database)
    with database.write() as connection:
        revocations.undo(connection, SUBJECT)
    with database.write() as connection, pytest.raises(RevocationError):
        revocations.undo(connection, SUBJECT)


def test_a_listing_goes_on_behind_a_subject(database: Database) -> None:
    for letter in "cab":
        revoke(database, subject=f"path:{letter}")
    with database.read() as connection:
        first = revocations.listing(connection, limit=2)
        rest = revocations.listing(connection, limit=2, after=first[-1].subject)
    assert [one.subject for one in first + rest] == ["path:a", "path:b", "path:c"]


def test_the_longest_subject_fits_the_index_and_longer_ones_are_refused(
    database: Database,
) -> None:
    # Random, as PostgreSQL compresses what repeats.
    path = "/".join(new_id() for _ in range(100))
    fits = f"path:{path}"[: revocations.MAXIMUM_TARGET_BYTES]
    revoke(database, subject=fits)
    with pytest.raises(RevocationError):
        revoke(database, subject=fits + "a")


def test_a_deleted_upload_takes_its_revocation_along(
    database: Database, ann: User
) -> None:
    upload = an_upload(ann)
    with database.write() as connection:
        uploads.add(connection, upload)
    revoke(database, subject=revocations.of_upload(upload.id))
    revoke(database)
    with database.write() as connection:
        uploads.remove(connection, upload)
    with database.read() as connection:
        assert [one.subject for one in revocations.listing(connection)] == [SUBJECT]


def test_the_look_up_uses_the_index(database: Database) -> None:
    before, explain = {
        "sqlite": ("SELECT 1", "EXPLAIN QUERY PLAN"),
        # It would rather read the whole of a table with few rows.
        "postgresql": ("SET enable_seqscan = off", "EXPLAIN"),
    }[database.engine.dialect.name]
    query = "SELECT subject FROM revocations WHERE subject IN ('a', 'b')"
    with database.read() as connection:
        connection.execute(text(before))
        rows = connection.execute(text(f"{explain} {query} AND issued_until >= 1"))
        plan = str(rows.all())
    assert re.search(r"USING INDEX|Index Cond", plan), plan


def test_an_upload_is_found_with_its_owner_s_state(
    database: Database, ann: User, reader: Reader
) -> None:
    linked = LinkedUploads(reader)
    upload = an_upload(ann)
    with database.write() as connection:
        uploads.add(connection, upload)
    enabled = linked.by_id(upload.id)
    with database.write() as connection:
        users.set_disabled(connection, ann, is_disabled=True)
    expected = LinkedUpload(
        blob=upload.blob,
        size=upload.size,
        media_type="text/plain",
        is_owner_disabled=False,
    )
    assert enabled == expected
    assert linked.by_id(upload.id) == replace(expected, is_owner_disabled=True)
    assert linked.by_id(new_id()) is None


def test_a_catalog_that_is_not_there_is_busy_and_nothing_else(tmp_path: Path) -> None:
    database = Database.open(f"sqlite:///{tmp_path}/missing/catalog.sqlite3")
    check = RevocationQuery(Reader(database))
    with pytest.raises(CatalogBusyError):
        check.covers([SUBJECT], issued=1)


def test_a_server_that_was_started_again_is_connected_to_anew(
    restartable: Server,
) -> None:
    with restartable.new_database(is_migrated=True) as url:
        database = Database.open(url)
        reader = Reader(database)
        check = RevocationQuery(reader)
        revoke(database)
        before = check.covers([SUBJECT], issued=1)
        with restartable.away(), pytest.raises(CatalogBusyError):
            check.covers([SUBJECT], issued=1)
        after = check.covers([SUBJECT], issued=1)
        with restartable.away():
            pass
        at_once = check.covers([SUBJECT], issued=1)
        reader.close()
        database.engine.dispose()
    assert (before, after, at_once) == (True, True, True)
