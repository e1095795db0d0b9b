"""Writers go one at a time, so that no two of them ever lock each other out."""

from __future__ import annotations

import itertools
import threading
from concurrent.futures import ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, Final

import pytest
from sqlalchemy import make_url, text, update

from gateway.catalog import (
    drops,
    expiry,
    login_attempts,
    revocations,
    tokens,
    uploads,
    users,
)
from gateway.catalog.database import Database
from gateway.catalog.login_attempts import Counter, Pace
from gateway.catalog.revocations import Revocation
from gateway.catalog.schema import uploads as uploads_table
from gateway.catalog.tokens import Scope
from gateway.errors import CatalogBusyError, DropOverError, UploadSessionOverError
from gateway.maintenance.housekeeping import Housekeeper
from gateway.storage.blobs import BlobStore, new_id
from gateway.storage.disk_blobs import DiskBlobs
from gateway.storage.names import DisplayName
from gateway.storage.session_files import SessionFiles
from gateway.uploads import drop_budgets
from gateway.uploads.admission import UploadLimits
from gateway.uploads.deletion import delete
from gateway.uploads.finalise import Finaliser, ReceivedFile
from gateway.uploads.resumable.chunks import Chunks
from gateway.uploads.resumable.concatenation import Concatenation
from gateway.uploads.resumable.protocol import Chunk, Creation
from gateway.uploads.resumable.sender import Sender
from gateway.uploads.resumable.sessions import UploadSessions
from gateway.uploads.upload_request import UploadRequest
from tests.uploads import new_finaliser
from tests.users import a_user

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from sqlalchemy import Connection

    from gateway.catalog.drops import Drop
    from gateway.catalog.users import User

    Way = Callable[[UploadSessions, Sender], None]
    Actor = Callable[[UploadSessions, User], None]

NOW: Final = 100
BODY: Final = b"content"
#: More than the tests store; with a quota, admission adds up what is stored.
LIMITS: Final = UploadLimits(
    size=0, quota=10**9, user_quota=10**9, free_space=0, running=0
)
ON_POSTGRESQL: Final = pytest.mark.parametrize("url", ["postgresql"], indirect=True)


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have writers wait for long on a slow machine; a deadlock is told after a second.

    This is used before ``database``.
    """
    monkeypatch.setattr("gateway.catalog.database._BUSY_TIMEOUT", 60_000)


@pytest.fixture
def finaliser(database: Database, tmp_path: Path) -> Finaliser:
    store = BlobStore(tmp_path / "store")
    store.prepare()
    return new_finaliser(database, store, limits=LIMITS)


@pytest.fixture
def sessions(finaliser: Finaliser) -> UploadSessions:
    files = SessionFiles(finaliser.store)
    return UploadSessions(
        finaliser.database, files, finaliser, finaliser.types, lifetime=100
    )


@pytest.fixture
def drop(database: Database, ann: User) -> Drop:
    with database.write() as connection:
        return a_drop(connection, ann)


def a_drop(connection: Connection, owner: User) -> Drop:
    return drops.new(
        connection,
        owner,
        title="Photos",
        max_uploads=None,
        max_size=None,
        types=(),
        expires=None,
        now=NOW,
    )


def put(sessions: UploadSessions, sender: Sender) -> None:
    """Upload by one PUT, as the views do."""
    finaliser = sessions.finaliser
    request = new_id()
    coming = UploadRequest(
        reservation=request,
        size=len(BODY),
        media_type=None,
        expires=NOW + 100,
        drop=sender.drop,
    )
    with finaliser.database.write() as connection:
        finaliser.admission.admit(connection, sender.user, coming, now=NOW)
    with finaliser.store.empty_file() as source:
        source.write_bytes(BODY)
        received = ReceivedFile(
            source=source,
            name=DisplayName("a.bin"),
            reservation=request,
            drop=sender.drop,
        )
        finaliser.finalise(sender.user, received, now=NOW)


def tus(sessions: UploadSessions, sender: Sender) -> None:
    """Upload by a POST and one PATCH, as the views do."""
    chunks = Chunks(sessions)
    creation = Creation.parse({"Upload-Length": str(len(BODY))}.get)
    chunk = Chunk(offset=0, size=None, checksum=None)
    request_id = new_id()
    with sessions.finaliser.store.empty_file() as source:
        begun = chunks.create(sender, creation, source, None, request_id="", now=NOW)
        session_id = begun.session.id
        chunks.admit(
            sender, session_id, chunk, length=len(BODY), request_id=request_id, now=NOW
        )
        source.write_bytes(BODY)
        chunks.append(sender, session_id, chunk, source, request_id=request_id, now=NOW)


WAYS: Final = (put, tus)


@ON_POSTGRESQL
@pytest.mark.parametrize(
    "senders",
    [
        2,
        pytest.param(4, marks=pytest.mark.extra),
        pytest.param(8, marks=pytest.mark.extra),
        16,
    ],
)
def test_a_drop_link_is_revoked_while_senders_use_it(
    sessions: UploadSessions,
    ann: User,
    drop: Drop,
    monkeypatch: pytest.MonkeyPatch,
    senders: int,
) -> None:
    """Each sender gets to its end, the revocation goes through, the rest is refused."""
    monkeypatch.setattr(drop_budgets, "MAXIMUM_RUNNING", senders)
    database = sessions.database
    sender = Sender(ann, drop)
    stored, is_over = threading.Semaphore(0), threading.Event()

    def send(way: Way) -> str:
        while not is_over.is_set():
            try:
                way(sessions, sender)
            except (DropOverError, UploadSessionOverError):
                return "refused"
            stored.release()
        return "let in until the end"

    ways = itertools.islice(itertools.cycle(WAYS), senders)
    with ThreadPoolExecutor(senders) as pool:
        running = [pool.submit(send, way) for way in ways]
        try:
            for _ in range(2 * senders):
                assert stored.acquire(timeout=60)
            with database.write() as connection:
                drops.revoke(connection, drop, now=NOW)
            wait(running, timeout=60)
        finally:
            is_over.set()
        ended = [future.result() for future in running]

    assert ended == ["refused"] * senders
    with database.read() as connection:
        found = drops.by_id(connection, drop.id)
        sent = uploads.newest(connection, ann, limit=10_000)
        counts = expiry.counts(connection)
    assert found is not None
    assert (found.revoked, found.taken) == (NOW, len(sent))
    assert [count.recorded == count.actual for count in counts] == [True]


def test_a_writer_waits_for_the_one_before(database: Database, ann: User) -> None:
    """What it reads is what that one has committed."""
    begun = threading.Event()

    def read_in_turn() -> int:
        begun.set()
        with database.write() as connection:
            return users.by_name(connection, "ann").session_epoch

    with ThreadPoolExecutor(1) as pool:
        with database.write() as connection:
            second = pool.submit(read_in_turn)
            assert begun.wait(5)
            with pytest.raises(TimeoutError):
                second.result(timeout=0.3)
            users.set_disabled(connection, ann, is_disabled=True)
        assert second.result(timeout=10) == ann.session_epoch + 1


@ON_POSTGRESQL
def test_a_writer_reads_what_is_committed_whatever_the_server_s_default(
    url: str, database: Database, ann: User
) -> None:
    name = make_url(url).database
    with database.write() as connection:
        connection.execute(
            text(
                f"ALTER DATABASE {name} "
                "SET default_transaction_isolation = 'repeatable read'"
            )
        )
    database.engine.dispose()
    test_a_writer_waits_for_the_one_before(database, ann)


@ON_POSTGRESQL
def test_a_gateway_that_vanishes_while_it_writes_holds_up_no_other(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server hears nothing of a machine that is gone, for hours."""
    with monkeypatch.context() as patch:
        patch.setattr("gateway.catalog.postgresql._IDLE", 500)
        gone = Database.open(url)
    monkeypatch.setattr("gateway.catalog.database._BUSY_TIMEOUT", 5_000)
    other = Database.open(url)
    with pytest.raises(CatalogBusyError, match="idle-in-transaction"):
        write_during(gone, other)
    for database in (gone, other):
        database.engine.dispose()


def write_during(gone: Database, other: Database) -> None:
    """Have *other* write while *gone* has begun to and says nothing."""
    with gone.write() as connection:
        with other.write() as writer:
            writer.execute(text("SELECT 1"))
        connection.execute(text("SELECT 1"))


@ON_POSTGRESQL
def test_a_change_of_one_row_waits_for_no_writer(database: Database, ann: User) -> None:
    with database.write() as connection:
        text_of_token = tokens.new(
            connection, ann, scopes={Scope.READ}, expires=None, now=NOW
        )
        _, token = tokens.authenticate(connection, text_of_token, now=NOW)
    with ThreadPoolExecutor(1) as pool, database.write():
        for change in (
            lambda connection: tokens.note_use(connection, token, now=NOW),
            lambda connection: revocations.revoke(connection, a_revocation("key:a")),
            lambda connection: revocations.undo(connection, "key:a"),
        ):
            pool.submit(in_one_row, database, change).result(timeout=10)


def in_one_row(database: Database, change: Callable[[Connection], object]) -> None:
    with database.write(alone=False) as connection:
        change(connection)


def a_revocation(subject: str) -> Revocation:
    return Revocation(subject=subject, issued_until=NOW, created=NOW, keep_until=NOW)


def concatenate(sessions: UploadSessions, user: User) -> None:
    chunks, sender = Chunks(sessions), Sender(user)
    told = {"Upload-Concat": "partial", "Upload-Length": str(len(BODY))}
    ids = []
    for _ in range(2):
        with sessions.finaliser.store.empty_file() as source:
            source.write_bytes(BODY)
            creation = Creation.parse(told.get)
            begun = chunks.create(
                sender, creation, source, None, request_id="", now=NOW
            )
        ids.append(begun.session.id)
    told = {"Upload-Concat": "final;" + " ".join(f"/tus/{part}" for part in ids)}
    Concatenation(sessions).concatenate(sender, Creation.parse(told.get), now=NOW)


def terminate(sessions: UploadSessions, user: User) -> None:
    sender = Sender(user)
    creation = Creation.parse({"Upload-Length": "1000"}.get)
    with sessions.finaliser.store.empty_file() as source:
        begun = Chunks(sessions).create(
            sender, creation, source, None, request_id="", now=NOW
        )
    sessions.terminate(sender, begun.session.id, now=NOW)


def delete_one(sessions: UploadSessions, user: User) -> None:
    put(sessions, Sender(user))
    with sessions.database.read() as connection:
        found = uploads.newest(connection, user, limit=1)
    # Housekeeping may have been first.
    for last in found:
        delete(sessions.database, sessions.finaliser.blobs, last.id)


def revoke_a_drop(sessions: UploadSessions, user: User) -> None:
    with sessions.database.write() as connection:
        drop = a_drop(connection, user)
    for way in WAYS:
        way(sessions, Sender(user, drop))
    with sessions.database.write() as connection:
        drops.revoke(connection, drop, now=NOW)


def keep_house(sessions: UploadSessions, user: User) -> None:
    """Have something of each kind whose time is over, and a round that removes it."""
    database = sessions.database
    for _ in range(5):
        put(sessions, Sender(user))
    with database.write() as connection:
        connection.execute(
            update(uploads_table)
            .where(uploads_table.c.owner_id == user.id)
            .values(delete_after=NOW)
        )
        uploads.reserve(connection, user, reservation=new_id(), size=1, expires=NOW)
        login_attempts.spend(connection, [login_attempts.by_address(new_id())], now=1)
        revocations.revoke(connection, a_revocation(f"key:{new_id()}"))
    keeper = Housekeeper(
        database=database,
        store=sessions.finaliser.store,
        blobs=DiskBlobs(sessions.finaliser.store),
        log=lambda _: None,
    )
    report = keeper.round(now=NOW + login_attempts.MEMORY, with_sweep=False)
    assert report.faults == []


def recount(sessions: UploadSessions, user: User) -> None:
    del user
    with sessions.database.write() as connection:
        expiry.recount(connection)


def log_in(sessions: UploadSessions, user: User) -> None:
    account = Counter(login_attempts.account(user.id, user.name), FAST)
    address = Counter("address:x", FAST)
    with sessions.database.write() as connection:
        login_attempts.spend(connection, (account, address), now=NOW)
    with sessions.database.write() as connection:
        assert users.is_unchanged(connection, user)
        login_attempts.clear(connection, account)
        login_attempts.give_back(connection, address)


FAST: Final = Pace(free=99, first=1, most=1)
ACTORS: Final = (
    lambda sessions, user: put(sessions, Sender(user)),
    lambda sessions, user: tus(sessions, Sender(user)),
    concatenate,
    terminate,
    delete_one,
    revoke_a_drop,
    keep_house,
    recount,
    log_in,
)


@ON_POSTGRESQL
def test_all_who_write_get_to_their_end_at_once(
    sessions: UploadSessions, database: Database, ann: User
) -> None:
    """Every kind of transaction that there is, each from a thread of its own."""
    with database.write() as connection:
        bob = a_user(connection, "bob")

    def act(actor: Actor) -> None:
        for user in (ann, bob) * 2:
            actor(sessions, user)

    with ThreadPoolExecutor(len(ACTORS)) as pool:
        running = [pool.submit(act, actor) for actor in ACTORS]
        faults = [future.exception() for future in running]

    assert faults == [None] * len(running)
    put(sessions, Sender(ann))
    with database.read() as connection:
        counts = expiry.counts(connection)
        total = expiry.total(connection)
    assert [count.recorded for count in counts] == [count.actual for count in counts]
    assert total == sum(count.actual for count in counts) > 0
