"""Resumable uploads through Flask's test client: expiry, reservations, crashes."""

from __future__ import annotations

import errno
import itertools
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select

from gateway.app import create_app
from gateway.catalog import tokens, uploads, users
from gateway.catalog.database import Database
from gateway.catalog.expiry import clear_active_requests
from gateway.catalog.schema import reservations
from gateway.catalog.tokens import Scope
from gateway.catalog.upload_sessions import change
from gateway.config import settings
from gateway.errors import CatalogBusyError, NoSpaceError
from gateway.links import Key
from gateway.links.server_secret import ServerSecret
from gateway.runtime.prepare import make_first_admin, prepare
from gateway.storage.blobs import BlobStore
from gateway.storage.session_files import SessionFile, SessionFiles
from gateway.uploads.finalise import Finaliser
from gateway.uploads.resumable import sessions
from gateway.uploads.resumable.sessions import UploadSessions
from gateway.uploads.upload_request import RESERVED_SECONDS
from tests.live.stack import wait_until
from tests.web.conftest import NOON
from tests.web.nginx import behind_nginx

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from flask import Flask
    from sqlalchemy import Connection
    from werkzeug.test import TestResponse

    from gateway.catalog.uploads import Upload, Usage

CHUNK_TYPE = "application/offset+octet-stream"
EXPIRY = 1000


@dataclass
class Uploads:
    """An application, with the requests that nginx makes for an upload."""

    app: Flask
    database: Database
    store: BlobStore
    token: str
    now: float = NOON
    numbers: Iterator[int] = field(default_factory=itertools.count)

    def ask(self, method: str, path: str = "/tus/", **headers: str) -> TestResponse:
        sent = {"Authorization": f"Bearer {self.token}", "Tus-Resumable": "1.0.0"}
        sent |= {name.replace("_", "-"): text for name, text in headers.items()}
        return self.app.test_client().open(path, method=method, headers=sent)

    def create(self, size: int, **headers: str) -> str:
        made = self.ask("POST", Upload_Length=str(size), **headers)
        assert made.status_code == 201, made.text
        return made.headers["Location"]

    def spool(self, data: bytes) -> Path:
        path = self.store.spool / f"{next(self.numbers):010}"
        path.write_bytes(data)
        return path

    def admit(self, path: str, **headers: str) -> int:
        """Return the status that nginx would answer; 204 means that it goes on."""
        answer = self.ask(
            "GET",
            "/_admit",
            X_Original_URI=path,
            **{"X_Original_Method": "PATCH", "Content_Type": CHUNK_TYPE, **headers},
        )
        return int(answer.headers.get("X-Refusal-Status", answer.status_code))

    def patch(self, path: str, offset: int, data: bytes) -> TestResponse:
        """Admit and send a chunk as nginx does, each with its own request id."""
        headers = {
            "Upload_Offset": str(offset),
            "X_Original_Length": str(len(data)),
            "X_Request_ID": f"request{next(self.numbers)}",
        }
        assert self.admit(path, **headers) == 204
        return self.finish(path, data, **headers)

    def finish(self, path: str, data: bytes, **headers: str) -> TestResponse:
        spooled = self.spool(data)
        try:
            return self.ask(
                "PATCH",
                path,
                X_Spool_File=str(spooled),
                Content_Type=CHUNK_TYPE,
                **headers,
            )
        finally:
            spooled.unlink()

    def cut(self, path: str, data: bytes | Path, **headers: str) -> None:
        """Report an interrupted request as nginx does."""
        spooled = self.spool(data) if isinstance(data, bytes) else data
        answer = self.ask(
            "PATCH",
            "/_cut",
            X_Original_URI=path,
            X_Original_Method="PATCH",
            X_Spool_File=str(spooled),
            Content_Type=CHUNK_TYPE,
            **headers,
        )
        spooled.unlink()
        assert answer.status_code == 204

    def leave(self, path: str, data: bytes, *, synced: int) -> None:
        """Leave an upload in the state that a crash would leave."""
        session_id = path.removeprefix("/tus/")
        (self.store.sessions / session_id).write_bytes(data)
        with self.database.write() as connection:
            change(connection, session_id, synced=synced)

    def usage(self) -> Usage:
        with self.database.read() as connection:
            return uploads.usage(
                connection, users.by_name(connection, "admin"), now=int(self.now)
            )

    def blob(self, last: TestResponse) -> str:
        """Return the blob of the upload that an answer names."""
        upload_id = last.headers["Content-Location"].split("/")[2]
        with self.database.read() as connection:
            upload = uploads.by_id(connection, upload_id)
        assert upload is not None
        return upload.blob

    def files(self) -> list[str]:
        root = self.store.root
        return sorted(
            path.relative_to(root).parts[0]
            for path in root.rglob("*")
            if path.is_file() and path.name != "store-id"
        )


@pytest.fixture
def site(
    request: pytest.FixtureRequest, tmp_path: Path, catalog: dict[str, str]
) -> Uploads:
    (tmp_path / "files").mkdir()
    reading = settings.read(
        {
            "GATEWAY_FILES": str(tmp_path / "files"),
            "GATEWAY_DATA": str(tmp_path / "data"),
            "GATEWAY_KEYS": str(Key.generate()),
            "GATEWAY_SECRET": str(ServerSecret.generate()),
            "GATEWAY_TUS_EXPIRY": str(EXPIRY),
            "GATEWAY_USER_QUOTA": "1000",
            "GATEWAY_FREE_SPACE": "0",
            "GATEWAY_DENIED_TYPES": "image/*",
            **catalog,
            **getattr(request, "param", {}),
        }
    )
    database = prepare(reading.settings)
    make_first_admin(database, tmp_path / "first-password", now=int(NOON))
    with database.write() as connection:
        token = tokens.new(
            connection,
            users.by_name(connection, "admin"),
            scopes=set(Scope),
            expires=None,
            now=int(NOON),
        )
    here = Uploads(
        None,  # type: ignore[arg-type]
        database,
        BlobStore(tmp_path / "data" / "store"),
        token,
    )
    here.app = behind_nginx(create_app(reading.settings, clock=lambda: here.now))
    return here


def test_an_unused_upload_session_expires(site: Uploads) -> None:
    path = site.create(10)
    site.now += EXPIRY - 1
    site.patch(path, 0, b"12345")
    site.now += EXPIRY - 1
    assert site.ask("HEAD", path).headers["Upload-Offset"] == "5"
    site.now += 1
    assert site.ask("HEAD", path).status_code == 410
    assert site.admit(path, Upload_Offset="5", X_Original_Length="5") == 410
    assert site.ask("DELETE", path).status_code == 410


def test_an_upload_reserves_space_until_it_is_terminated(site: Uploads) -> None:
    path = site.create(800)
    refused = site.ask("POST", Upload_Length="300")
    assert (refused.status_code, site.usage().reserved) == (507, 800)
    site.ask("DELETE", path)
    assert site.usage().reserved == 0
    assert site.ask("POST", Upload_Length="300").status_code == 201


def test_an_upload_reserves_space_until_it_expires(site: Uploads) -> None:
    site.create(800)
    site.now += EXPIRY
    assert site.usage().reserved == 0


def test_a_finished_upload_is_counted_once(site: Uploads) -> None:
    path = site.create(800)
    site.patch(path, 0, b"x" * 800)
    assert (site.usage().by_user, site.usage().reserved) == (800, 0)


def test_partial_uploads_and_their_final_upload_are_counted_once(site: Uploads) -> None:
    parts = [site.create(400, Upload_Concat="partial") for _ in range(2)]
    for part in parts:
        site.patch(part, 0, b"x" * 400)
    assert site.usage().by_user == 800
    final = site.ask("POST", Upload_Concat=f"final;{' '.join(parts)}")
    assert final.status_code == 201
    assert (site.usage().by_user, site.usage().reserved) == (800, 0)
    assert site.files() == ["blobs"]


def test_an_upload_of_deferred_length_is_held_to_the_quota(site: Uploads) -> None:
    path = site.ask("POST", Upload_Defer_Length="1").headers["Location"]
    headers = {"Upload_Offset": "0", "X_Request_ID": "r"}
    assert site.admit(path, X_Original_Length="1001", **headers) == 507
    assert (
        site.admit(path, X_Original_Length="1", Upload_Length="1001", **headers) == 507
    )
    assert site.admit(path, X_Original_Length="1000", **headers) == 204


def free(patch: pytest.MonkeyPatch, size: int) -> None:
    patch.setattr(BlobStore, "free_bytes", lambda _: size)


def test_the_body_of_a_creation_needs_disk_space_once(
    site: Uploads, monkeypatch: pytest.MonkeyPatch
) -> None:
    headers = {"X_Original_Length": "60", "X_Request_ID": "r", "Upload_Length": "60"}
    free(monkeypatch, 100)
    assert site.admit("/tus/", X_Original_Method="POST", **headers) == 204
    spooled = site.spool(bytes(60))
    free(monkeypatch, 40)
    sent = {**headers, "X_Spool_File": str(spooled), "Content_Type": CHUNK_TYPE}
    assert site.ask("POST", **sent).status_code == 201


def test_stored_bytes_need_no_disk_space_again(
    site: Uploads, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = site.ask("POST", Upload_Defer_Length="1").headers["Location"]
    free(monkeypatch, 100)
    site.patch(path, 0, bytes(60))
    free(monkeypatch, 40)
    assert site.patch(path, 60, bytes(40)).status_code == 204
    headers = {"Upload_Offset": "100", "X_Original_Length": "41", "X_Request_ID": "r"}
    assert site.admit(path, **headers) == 507


@pytest.mark.parametrize(
    ("path", "method"),
    [
        pytest.param("/tus/", "POST", id="creation"),
        pytest.param("{}", "PATCH", id="chunk"),
    ],
)
def test_a_body_without_a_length_is_refused(
    site: Uploads, path: str, method: str
) -> None:
    headers = {"Upload_Length": "10", "Upload_Offset": "0", "X_Request_ID": "r"}
    asked = path.format(site.create(10))
    assert site.admit(asked, X_Original_Method=method, **headers) == 411
    assert (site.usage().running, site.usage().reserved) == (0, 10)


def test_an_idle_upload_counts_only_its_stored_bytes(site: Uploads) -> None:
    path = site.create(800)
    site.patch(path, 0, bytes(10))
    site.now += 599
    assert site.usage().reserved == 800
    site.now += 1
    assert site.usage().reserved == 10


def test_a_late_chunk_is_admitted_again(site: Uploads) -> None:
    path = site.create(800)
    site.patch(path, 0, bytes(10))
    site.now += 600
    other = site.create(900)
    headers = {"Upload_Offset": "10", "X_Original_Length": "790", "X_Request_ID": "r"}
    assert site.admit(path, **headers) == 507
    site.ask("DELETE", other)
    assert site.patch(path, 10, bytes(790)).status_code == 204
    assert (site.usage().by_user, site.usage().reserved) == (800, 0)


def test_abandoned_uploads_are_not_running(site: Uploads) -> None:
    paths = [site.create(1) for _ in range(20)]
    site.patch(paths[0], 0, b"x")
    assert site.usage().running == 0


def test_an_admitted_chunk_counts_as_running(site: Uploads) -> None:
    path = site.create(10)
    site.admit(path, Upload_Offset="0", X_Original_Length="10", X_Request_ID="r")
    assert site.usage().running == 1
    site.cut(path, b"12", Upload_Offset="0", X_Request_ID="r")
    assert site.usage().running == 0
    assert site.ask("HEAD", path).headers["Upload-Offset"] == "2"


def test_a_chunk_whose_end_is_not_reported_soon_stops_running(
    site: Uploads,
) -> None:
    path = site.ask("POST", Upload_Length="10").headers["Location"]
    site.admit(path, Upload_Offset="0", X_Original_Length="10", X_Request_ID="r")
    with site.database.write() as connection:
        # The state where unfinished uploads are kept for days.
        uploads.extend(connection, path.removeprefix("/tus/"), expires=2 * int(NOON))
    site.now += 599
    assert site.usage().running == 1
    site.now += 1
    assert site.usage().running == 0


def test_an_unfinished_upload_can_be_deleted_on_a_full_disk(
    site: Uploads, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, "full")

    path = site.create(10)
    site.leave(path, b"012345", synced=0)
    monkeypatch.setattr(SessionFile, "_link_spooled", fail)
    headers = {"Upload_Offset": "0", "X_Original_Length": "10", "X_Request_ID": "r"}
    assert site.ask("HEAD", path).headers["Upload-Offset"] == "0"
    assert site.admit(path, **headers) == 507
    assert site.ask("DELETE", path).status_code == 204
    assert site.files() == []


CHECKSUM = {"Upload_Checksum": f"sha1 {'A' * 27}="}


@pytest.mark.parametrize(
    ("changed", "data", "admitted", "status"),
    [
        pytest.param({"Upload_Offset": "4"}, b"45678", 409, 409, id="below"),
        pytest.param({"Upload_Offset": "6"}, b"6789", 409, 409, id="above"),
        pytest.param({}, b"567890", 413, 413, id="beyond the end"),
        pytest.param({"Upload_Length": "11"}, b"567890", 400, 400, id="other length"),
        pytest.param(CHECKSUM, b"56789", 204, 460, id="other checksum"),
    ],
)
def test_a_chunk_that_does_not_fit_changes_nothing(
    site: Uploads, changed: dict[str, str], data: bytes, admitted: int, status: int
) -> None:
    path = site.create(10)
    site.patch(path, 0, b"01234")
    length = {"X_Original_Length": str(len(data)), "X_Request_ID": "r"}
    headers = {"Upload_Offset": "5", **length, **changed}
    assert site.admit(path, **headers) == admitted
    assert site.finish(path, data, **headers).status_code == status
    assert site.ask("HEAD", path).headers["Upload-Offset"] == "5"
    last = site.patch(path, 5, b"56789")
    assert site.store.path(site.blob(last)).read_bytes() == b"0123456789"


def test_a_body_longer_than_its_upload_creates_none(site: Uploads) -> None:
    spooled = site.spool(bytes(11))
    headers = {"Upload_Length": "10", "X_Spool_File": str(spooled), "X_Request_ID": "r"}
    assert site.ask("POST", Content_Type=CHUNK_TYPE, **headers).status_code == 413
    spooled.unlink()
    assert (site.files(), site.usage().reserved) == ([], 0)


def test_nothing_is_kept_of_an_interrupted_chunk_with_a_checksum(site: Uploads) -> None:
    path = site.create(10)
    headers = {"Upload_Offset": "0", "X_Original_Length": "10", "X_Request_ID": "r"}
    assert site.admit(path, **headers, **CHECKSUM) == 204
    site.cut(path, b"01234", **headers, **CHECKSUM)
    assert site.ask("HEAD", path).headers["Upload-Offset"] == "0"
    assert site.usage().running == 0


def test_partial_uploads_are_concatenated_complete_and_once(site: Uploads) -> None:
    parts = [site.create(3, Upload_Concat="partial") for _ in range(2)]
    first, second = parts
    site.patch(first, 0, b"abc")
    site.patch(second, 0, b"de")
    final = {"Upload_Concat": f"final;{first} {second}"}
    assert site.ask("POST", **final).status_code == 409
    site.patch(second, 2, b"f")
    made = site.ask("POST", **final)
    assert site.store.path(site.blob(made)).read_bytes() == b"abcdef"
    other = {"Upload_Concat": f"final;{second} {first}"}
    assert site.ask("POST", **other).status_code == 409
    # A client that lost the answer must not send them again.
    assert site.ask("HEAD", first).headers["Upload-Offset"] == "3"
    assert site.usage().by_user == 6


def test_a_final_upload_uses_a_partial_upload_once(site: Uploads) -> None:
    part = site.create(3, Upload_Concat="partial")
    site.patch(part, 0, b"abc")
    refused = site.ask("POST", Upload_Concat=f"final;{part} {part}")
    assert refused.status_code == 400
    assert (site.files(), site.usage().by_user) == (["upload-sessions"], 3)
    assert site.ask("POST", Upload_Concat=f"final;{part}").status_code == 201


@pytest.mark.parametrize(
    "site", [{"GATEWAY_UPLOAD_TYPES": "text/plain"}], ids=["texts"], indirect=True
)
def test_partial_uploads_of_a_refused_type_are_copied_once(site: Uploads) -> None:
    """Otherwise each small request would copy the same bytes again."""
    part = site.create(4, Upload_Concat="partial")
    site.patch(part, 0, b"\x7fELF")
    name = {"Upload_Metadata": "filename YS50eHQ="}  # a.txt
    concat = {"Upload_Concat": f"final;{part}", **name}
    refused = [site.ask("POST", **concat).status_code for _ in range(2)]
    assert refused == [415, 404]
    assert (site.files(), site.usage().reserved) == ([], 0)


def test_only_the_newest_request_is_active(site: Uploads) -> None:
    path = site.create(10)
    older = {"Upload_Offset": "0", "X_Original_Length": "10", "X_Request_ID": "a"}
    newer = older | {"X_Request_ID": "b"}
    site.admit(path, **older)
    site.admit(path, **newer)
    assert site.finish(path, b"0123456789", **older).status_code == 423
    site.cut(path, b"01234", **older)
    assert site.finish(path, b"0123456789", **newer).status_code == 204


@pytest.fixture
def locked(site: Uploads) -> Iterator[str]:
    """Return the path of a locked upload with 5 of its 10 bytes."""
    path = site.create(10)
    site.patch(path, 0, b"01234")
    with SessionFiles(site.store).lock(path.removeprefix("/tus/")):
        yield path


def test_the_offset_can_be_read_while_another_request_appends(
    site: Uploads, locked: str
) -> None:
    assert site.ask("HEAD", locked).headers["Upload-Offset"] == "5"


def test_a_change_is_refused_while_another_request_holds_the_lock(
    site: Uploads, locked: str
) -> None:
    headers = {"Upload_Offset": "5", "X_Original_Length": "5", "X_Request_ID": "b"}
    statuses = [
        site.admit(locked, **headers),
        site.finish(locked, b"56789", **headers).status_code,
        site.ask("DELETE", locked).status_code,
    ]
    assert statuses == [423, 423, 423]


def test_an_upload_that_is_being_finished_is_locked(site: Uploads) -> None:
    path = site.create(10)
    site.leave(path, b"0123456789", synced=10)
    with SessionFiles(site.store).lock(path.removeprefix("/tus/")):
        assert site.ask("HEAD", path).status_code == 423
    assert "Content-Location" in site.ask("HEAD", path).headers


def test_a_chunk_sent_across_a_restart_of_gunicorn_is_accepted(
    site: Uploads,
) -> None:
    path = site.create(10)
    headers = {"Upload_Offset": "0", "X_Original_Length": "10", "X_Request_ID": "a"}
    site.admit(path, **headers)
    with site.database.write() as connection:
        clear_active_requests(connection)
    assert site.finish(path, b"0123456789", **headers).status_code == 204


def test_a_head_finishes_an_upload_that_died_before_its_answer(site: Uploads) -> None:
    path = site.create(10)
    # The state after a worker was killed after the last byte.
    site.leave(path, b"0123456789", synced=10)
    answer = site.ask("HEAD", path)
    assert answer.headers["Upload-Offset"] == "10"
    assert site.ask("GET", answer.headers["Content-Location"]).status_code == 200
    assert site.files() == ["blobs"]


def test_an_active_request_left_by_a_crash_blocks_nobody(site: Uploads) -> None:
    path = site.create(10)
    with site.database.write() as connection:
        change(connection, path.removeprefix("/tus/"), active_request="crashed")
    assert site.ask("HEAD", path).headers["Upload-Offset"] == "0"
    assert site.patch(path, 0, b"0123456789").status_code == 204


def test_bytes_lost_in_a_crash_must_be_sent_again(site: Uploads) -> None:
    path = site.create(10)
    site.patch(path, 0, b"01234")
    (site.store.sessions / path.removeprefix("/tus/")).unlink()
    assert site.ask("HEAD", path).headers["Upload-Offset"] == "0"
    assert site.patch(path, 0, b"0123456789").status_code == 204


@pytest.mark.parametrize("synced", [0, 4])
def test_unsynced_bytes_must_be_sent_again(site: Uploads, synced: int) -> None:
    path = site.create(10)
    # The state after a power cut: the size is right, the content perhaps not.
    site.leave(path, b"0123" + bytes(6), synced=synced)
    assert site.ask("HEAD", path).headers["Upload-Offset"] == str(synced)
    last = site.patch(path, synced, b"0123456789"[synced:])
    stored = site.store.path(site.blob(last))
    assert stored.read_bytes() == b"0123456789"


def test_bytes_lost_by_the_disk_are_not_taken_for_synced_later(site: Uploads) -> None:
    path = site.create(10)
    site.leave(path, b"01", synced=6)
    headers = {"Upload_Offset": "2", "X_Original_Length": "8", "X_Request_ID": "r"}
    assert site.admit(path, **headers) == 204
    # The state after a power cut in the middle of that chunk.
    (site.store.sessions / path.removeprefix("/tus/")).write_bytes(b"01" + bytes(8))
    assert site.ask("HEAD", path).headers["Upload-Offset"] == "2"


@pytest.mark.parametrize("before", [b"", b"01"], ids=["first", "later"])
def test_a_retry_does_not_acknowledge_bytes_lost_by_the_disk(
    site: Uploads, monkeypatch: pytest.MonkeyPatch, before: bytes
) -> None:
    def lose(_: object) -> int:
        raise OSError(errno.EIO, "lost")

    path = site.create(10)
    site.leave(path, before, synced=len(before))
    offset = str(len(before))
    headers = {"Upload_Offset": offset, "X_Original_Length": "3", "X_Request_ID": "r"}
    assert site.admit(path, **headers) == 204
    spooled = site.spool(b"abc")
    sent = {**headers, "X_Spool_File": str(spooled), "Content_Type": CHUNK_TYPE}
    with monkeypatch.context() as disk:
        disk.setattr(SessionFile, "sync", lose)
        assert site.ask("PATCH", path, **sent).status_code == 500
    # The kernel now counts the bytes as clean, also in the spool if it is that file.
    session = site.store.sessions / path.removeprefix("/tus/")
    assert session.read_bytes() == before
    assert site.usage().running == 0
    assert site.ask("HEAD", path).headers["Upload-Offset"] == offset


def test_a_chunk_linked_by_a_killed_worker_is_kept(site: Uploads) -> None:
    path = site.create(10)
    headers = {"Upload_Offset": "0", "X_Original_Length": "10", "X_Request_ID": "r"}
    assert site.admit(path, **headers) == 204
    spooled = site.spool(b"012345")
    # The spooled file is linked as the session's file, and nginx still has it.
    session = site.store.sessions / path.removeprefix("/tus/")
    session.unlink()
    session.hardlink_to(spooled)
    site.cut(path, spooled, **headers)
    assert site.ask("HEAD", path).headers["Upload-Offset"] == "6"


def test_fifty_requests_that_finish_an_upload_at_once_store_one_file(
    site: Uploads,
) -> None:
    path = site.create(10)
    site.leave(path, b"0123456789", synced=10)
    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(lambda _: site.ask("HEAD", path), range(50)))
    assert {answer.status_code for answer in answers} <= {200, 423}
    stored = {answer.headers.get("Content-Location") for answer in answers} - {None}
    assert len(stored) == 1
    assert site.files() == ["blobs"]
    assert site.usage().by_user == 10


def test_an_upload_of_a_refused_type_is_not_created(site: Uploads) -> None:
    name = {"Upload_Metadata": "filename YS5wbmc="}  # a.png
    refused = site.ask("POST", Upload_Length="1", **name)
    assert refused.status_code == 415
    assert site.files() == []


def test_a_final_upload_of_a_refused_type_keeps_its_partial_uploads(
    site: Uploads,
) -> None:
    part = site.create(3, Upload_Concat="partial")
    site.patch(part, 0, b"abc")
    concat = {"Upload_Concat": f"final;{part}"}
    refused = site.ask("POST", Upload_Metadata="filename YS5wbmc=", **concat)
    assert (refused.status_code, site.usage().reserved) == (415, 3)
    assert site.ask("POST", **concat).status_code == 201


def test_a_creation_with_a_body_is_admitted_first(site: Uploads) -> None:
    headers = {
        "X_Original_Method": "POST",
        "X_Original_Length": "5",
        "X_Request_ID": "r",
        "Upload_Length": "800",
    }
    assert site.admit("/tus/", **headers) == 204
    assert site.usage().reserved == 800
    assert site.admit("/tus/", **headers | {"Upload_Length": "4"}) == 413
    assert site.admit("/tus/", **headers | {"Upload_Length": "1001"}) == 507
    assert site.admit("/tus/", **headers | {"Content_Type": "text/plain"}) == 415
    assert site.admit("/tus/x", **headers) == 404


def test_a_failed_creation_releases_its_reservation(site: Uploads) -> None:
    headers = {
        "X_Original_Length": "5",
        "X_Request_ID": "r",
        "Upload_Length": "800",
        "Upload_Checksum": f"sha1 {'A' * 27}=",
        "Content_Type": CHUNK_TYPE,
    }
    site.admit("/tus/", X_Original_Method="POST", **headers)
    spooled = site.spool(b"12345")
    refused = site.ask("POST", X_Spool_File=str(spooled), **headers)
    spooled.unlink()
    assert (refused.status_code, site.usage().reserved) == (460, 0)
    assert site.files() == []


@dataclass(frozen=True)
class Fault:
    """A fault that every finalising hits until it is mended."""

    status: int
    patch: pytest.MonkeyPatch

    def mend(self) -> None:
        self.patch.undo()


@pytest.fixture(
    params=[
        pytest.param((CatalogBusyError("locked"), 503), id="busy catalog"),
        pytest.param((RuntimeError("a fault"), 500), id="fault"),
    ]
)
def fault(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Fault:
    error, status = request.param

    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(Finaliser, "finalise", fail)
    return Fault(status, monkeypatch)


def test_a_creation_that_fails_by_a_fault_leaves_nothing(
    site: Uploads, fault: Fault
) -> None:
    headers = {"X_Original_Length": "5", "X_Request_ID": "r", "Upload_Length": "5"}
    site.admit("/tus/", X_Original_Method="POST", **headers)
    spooled = site.spool(b"12345")
    refused = site.ask(
        "POST", X_Spool_File=str(spooled), Content_Type=CHUNK_TYPE, **headers
    )
    spooled.unlink()
    assert (refused.status_code, site.usage().reserved) == (fault.status, 0)
    assert site.files() == []


def test_a_final_upload_that_fails_by_a_fault_keeps_its_partial_uploads(
    site: Uploads, fault: Fault
) -> None:
    part = site.create(3, Upload_Concat="partial")
    site.patch(part, 0, b"abc")
    concat = {"Upload_Concat": f"final;{part}"}
    refused = site.ask("POST", **concat)
    assert (refused.status_code, site.usage().reserved) == (fault.status, 3)
    assert site.files() == ["upload-sessions"]
    fault.mend()
    assert site.ask("POST", **concat).status_code == 201
    assert site.files() == ["blobs"]


def test_partial_uploads_are_counted_as_long_as_they_are_kept(
    site: Uploads, fault: Fault
) -> None:
    """Also after their final upload has failed."""
    part = site.create(3, Upload_Concat="partial")
    site.patch(part, 0, b"abc")
    broken = site.ask("POST", Upload_Concat=f"final;{part}")
    counted = []
    for site.now in (NOON, NOON + RESERVED_SECONDS, NOON + EXPIRY - 1, NOON + EXPIRY):
        usage = site.usage()
        counted.append((usage.by_user, usage.outstanding, usage.running))
    assert broken.status_code == fault.status
    assert counted == [(3, 0, 0)] * 3 + [(0, 0, 0)]


def test_partial_uploads_are_counted_again_when_the_catalog_answers(
    site: Uploads, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.catalog.deferred._INTERVAL", 0.01)
    part = site.create(3, Upload_Concat="partial")
    site.patch(part, 0, b"abc")

    def fail(*_: object, **__: object) -> None:
        outage.setattr(Database, "write", fail)
        raise CatalogBusyError("away")

    with monkeypatch.context() as outage:
        outage.setattr(Finaliser, "finalise", fail)
        refused = site.ask("POST", Upload_Concat=f"final;{part}")

    def reserved() -> list[str]:
        with site.database.read() as connection:
            return list(connection.execute(select(reservations.c.id)).scalars())

    assert refused.status_code == 503
    wait_until(
        lambda: reserved() == [part.removeprefix("/tus/")],
        what="only the partial upload is counted",
    )


@dataclass
class Left:
    """A complete partial upload, and the changes that an outage has deferred."""

    site: Uploads
    part: str
    changes: list[Callable[[Connection], object]]

    def concatenate(self) -> TestResponse:
        return self.site.ask("POST", Upload_Concat=f"final;{self.part}")

    def do(self) -> None:
        for change_of_later in self.changes:
            with self.site.database.write() as connection:
                change_of_later(connection)

    def counted(self) -> tuple[int, int, int]:
        usage = self.site.usage()
        return usage.by_user, usage.reserved, usage.running


@pytest.fixture
def left(site: Uploads, monkeypatch: pytest.MonkeyPatch) -> Left:
    part = site.create(3, Upload_Concat="partial")
    site.patch(part, 0, b"abc")
    found = Left(site, part, [])

    def fail(*_: object, **__: object) -> None:
        raise CatalogBusyError("away")

    def add(_: Database, later: Callable[[Connection], object]) -> None:
        found.changes.append(later)

    with monkeypatch.context() as outage:
        outage.setattr(Finaliser, "finalise", fail)
        outage.setattr(Database, "write_or_defer", add)
        assert found.concatenate().status_code == 503
    return found


def test_a_partial_upload_used_up_meanwhile_is_not_counted_again(left: Left) -> None:
    assert left.concatenate().status_code == 201
    left.do()
    assert left.counted() == (3, 0, 0)


def test_a_partial_upload_deleted_meanwhile_is_not_counted_again(left: Left) -> None:
    assert left.site.ask("DELETE", left.part).status_code == 204
    left.do()
    assert left.counted() == (0, 0, 0)


def test_a_partial_upload_counted_again_while_used_up_is_counted_once(
    left: Left, monkeypatch: pytest.MonkeyPatch
) -> None:
    finalise = Finaliser.finalise

    def do_first(finaliser: Finaliser, *args: Any, **more: Any) -> Upload:
        left.do()
        return finalise(finaliser, *args, **more)

    monkeypatch.setattr(Finaliser, "finalise", do_first)
    assert left.concatenate().status_code == 201
    assert left.counted() == (3, 0, 0)


def test_a_chunk_that_fails_by_a_fault_is_not_running(
    site: Uploads, fault: Fault
) -> None:
    path = site.create(5)
    assert site.patch(path, 0, b"12345").status_code == fault.status
    assert site.usage().running == 0
    fault.mend()
    assert "Content-Location" in site.ask("HEAD", path).headers


def test_a_chunk_that_can_not_be_appended_is_not_running(
    site: Uploads, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = site.create(5)

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(SessionFile, "append", fail)
    assert site.patch(path, 0, b"12345").status_code == 500
    assert site.usage().running == 0


def test_an_upload_is_stored_though_its_session_file_can_t_be_deleted(
    site: Uploads, monkeypatch: pytest.MonkeyPatch
) -> None:
    part = site.create(3, Upload_Concat="partial")
    site.patch(part, 0, b"abc")

    def fail(_: SessionFile) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(SessionFile, "remove", fail)
    last = site.patch(site.create(3), 0, b"abc")
    final = site.ask("POST", Upload_Concat=f"final;{part}")
    assert [answer.status_code for answer in (last, final)] == [204, 201]
    assert "Content-Location" in last.headers
    assert (site.usage().by_user, site.usage().reserved) == (6, 0)


@pytest.fixture
def no_file(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Make the disk full whenever a session's file is created."""

    def fail(*_: object, **__: object) -> None:
        raise NoSpaceError

    monkeypatch.setattr(SessionFiles, "lock", fail)
    return monkeypatch


@pytest.mark.usefixtures("no_file")
def test_a_creation_without_space_for_its_file_leaves_nothing(site: Uploads) -> None:
    spooled = site.spool(b"12345")
    headers = {"X_Original_Length": "5", "X_Request_ID": "r", "Upload_Length": "5"}
    refused = site.ask(
        "POST", X_Spool_File=str(spooled), Content_Type=CHUNK_TYPE, **headers
    )
    assert (refused.status_code, site.usage().reserved) == (507, 0)


def test_an_upload_whose_url_nobody_knows_expires_soon(
    site: Uploads, no_file: pytest.MonkeyPatch
) -> None:
    no_file.setattr(sessions, "RESERVED_SECONDS", 10)
    # The state after a kill.
    no_file.setattr(UploadSessions, "discard", lambda *_: None)
    spooled = site.spool(b"12345")
    headers = {"X_Original_Length": "5", "X_Request_ID": "r", "Upload_Length": "5"}
    site.ask("POST", X_Spool_File=str(spooled), Content_Type=CHUNK_TYPE, **headers)
    assert site.usage().reserved == 5
    site.now += 10
    assert site.usage().reserved == 0


@pytest.mark.parametrize(
    ("length", "status"),
    [
        pytest.param({"X_Original_Length": "3"}, 400, id="a body"),
        pytest.param({}, 411, id="a body without a length"),
    ],
)
def test_a_final_upload_with_a_body_is_refused(
    site: Uploads, length: dict[str, str], status: int
) -> None:
    part = site.create(3, Upload_Concat="partial")
    site.patch(part, 0, b"abc")
    headers = {
        "X_Original_Method": "POST",
        "X_Request_ID": "r",
        "Upload_Concat": f"final;{part}",
    }
    assert site.admit("/tus/", **headers, **length) == status
    assert site.usage().running == 0


@pytest.mark.parametrize(
    ("length", "status"),
    [
        pytest.param({"X_Original_Length": "0"}, 204, id="nothing"),
        pytest.param({"X_Original_Length": "1"}, 413, id="a byte"),
        pytest.param({}, 411, id="no length"),
    ],
)
def test_a_finished_upload_accepts_no_more_bytes(
    site: Uploads, length: dict[str, str], status: int
) -> None:
    path = site.create(5)
    site.patch(path, 0, b"12345")
    assert site.admit(path, Upload_Offset="5", X_Request_ID="r", **length) == status


@pytest.mark.parametrize(
    "name", ["/etc/passwd", "../catalog.sqlite3", "", "0000000009"]
)
def test_only_files_in_nginx_s_spool_are_accepted(site: Uploads, name: str) -> None:
    path = site.create(10)
    headers = {"Upload_Offset": "0", "X_Original_Length": "10", "X_Request_ID": "r"}
    site.admit(path, **headers)
    answer = site.ask(
        "PATCH", path, X_Spool_File=name, Content_Type=CHUNK_TYPE, **headers
    )
    assert answer.status_code == 400
    assert site.ask("HEAD", path).headers["Upload-Offset"] == "0"


@pytest.mark.parametrize("site", [{"GATEWAY_UPLOADS_PER_USER": "2"}], indirect=True)
def test_too_many_uploads_get_a_status_that_tus_clients_retry(site: Uploads) -> None:
    """Of the 4xx, tus clients retry only 409 and 423."""
    headers = {"Upload_Offset": "0", "X_Original_Length": "5"}
    paths = [site.create(5) for _ in range(3)]
    admitted = [
        site.admit(path, **headers, X_Request_ID=f"r{number}")
        for number, path in enumerate(paths)
    ]
    creation = {"X_Original_Method": "POST", "Upload_Length": "5"}
    begun = site.admit("/tus/", **headers, **creation, X_Request_ID="r")
    raw = site.ask(
        "GET",
        "/_admit",
        X_Original_URI="/api/v1/files/a.txt",
        X_Original_Method="PUT",
        X_Original_Length="5",
    )
    assert (admitted, begun) == ([204, 204, 423], 423)
    assert raw.headers["X-Refusal-Status"] == "429"


@pytest.mark.parametrize("path", ["/tus", "/tus/"], ids=["without", "with"])
def test_an_upload_is_created_with_and_without_a_slash(
    site: Uploads, path: str
) -> None:
    creation = {"X_Original_Method": "POST", "Upload_Length": "5"}
    made = site.ask("POST", path, Upload_Length="5")
    assert site.admit(path, **creation, X_Original_Length="5") == 204
    assert made.headers["Location"].startswith("/tus/")
    assert site.ask("OPTIONS", path).headers["Tus-Version"] == "1.0.0"


HOSTILE = ("GET", "HEAD", "OPTIONS", "CONNECT", "PUT", "patch", "PATCH, PATCH", "", "x")


@pytest.mark.parametrize("named", HOSTILE, ids=str)
@pytest.mark.parametrize("path", ["/tus", "/tus/", "/tus/abc"], ids=str)
def test_a_method_override_that_nginx_left_is_refused(
    site: Uploads, path: str, named: str
) -> None:
    """PATCH and DELETE are applied by nginx; Flask refuses any other override."""
    answer = site.ask("POST", path, X_HTTP_Method_Override=named, Upload_Length="1")
    about = {"X_Original_Method": "POST", "X_HTTP_Method_Override": named}
    assert answer.status_code == 400
    assert answer.headers["X-Gateway-Reason"] == "bad-upload"
    assert site.admit("/tus/", **about, Upload_Length="1") == 400
