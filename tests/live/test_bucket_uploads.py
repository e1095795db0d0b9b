"""Uploads whose content is in a bucket (``GATEWAY_BLOBS``), through nginx."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import obstore
import pytest
import requests

from tests.live.stack import PRESIGNED, BucketStack, wait_until
from tests.live.test_delivery import bytes_read
from tests.live.tus import Tus

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.live.seaweedfs import SeaweedFS

CONTENT = os.urandom(300_000)
OTHER = os.urandom(300_000)
#: Bytes for all uploads of the tests.
QUOTA = 2**30


class Uploads(BucketStack):
    """A gateway with its files and its uploads in a bucket."""

    def __init__(self, server: SeaweedFS, **settings: str) -> None:
        super().__init__(server, **settings)
        self.settings["GATEWAY_BLOBS"] = f"s3://media/{self.prefix}-uploads"
        self.settings["GATEWAY_FREE_SPACE"] = "0"

    def objects(self, folder: str = "uploads") -> dict[str, int]:
        """Return the size of each blob in the bucket, by its name."""
        start = f"{self.prefix}-{folder}/"
        pages = list(obstore.list(self.server.store, start))
        found = {item["path"]: item["size"] for page in pages for item in page}
        return {path.removeprefix(start): size for path, size in found.items()}

    def listed(self) -> dict[str, int]:
        """Return the size of each upload in the catalog, by its id."""
        rows = json.loads(self.gateway("files", "list", "--json"))
        return {row["id"]: row["size"] for row in rows}


@pytest.fixture(scope="module")
def stack(seaweedfs: SeaweedFS) -> Iterator[Uploads]:
    """Run a gateway whose log has errors of its bucket."""
    running = Uploads(seaweedfs, GATEWAY_USER_QUOTA=str(QUOTA), GATEWAY_RETENTION="7d")
    running.start()
    try:
        yield running
        log = running.whole_log()
        assert PRESIGNED.search(log) is None
        assert "Traceback" not in log
    finally:
        running.stop()


@pytest.fixture(scope="module")
def token(stack: Uploads) -> str:
    return stack.new_token("upload", "read")


def put(
    stack: Uploads, token: str, name: str, content: bytes = CONTENT, **headers: str
) -> requests.Response:
    sent = {"Authorization": f"Bearer {token}"}
    sent |= {key.replace("_", "-"): text for key, text in headers.items()}
    url = f"{stack.url}/api/v1/files/{name}"
    return stack.send(url, "PUT", data=content, headers=sent)


def get(stack: Uploads, token: str, made: dict[str, Any]) -> bytes:
    bearer = {"Authorization": f"Bearer {token}"}
    return stack.send(stack.url + made["url"], headers=bearer).content


def digest_of(content: bytes) -> str:
    encoded = base64.b64encode(hashlib.sha256(content).digest()).decode()
    return f"sha-256=:{encoded}:"


def by_put(stack: Uploads, token: str, content: bytes) -> dict[str, Any]:
    return dict(put(stack, token, "a b.bin", content).json())


def by_put_with_digest(stack: Uploads, token: str, content: bytes) -> dict[str, Any]:
    digest = digest_of(content)
    return dict(put(stack, token, "a.bin", content, Content_Digest=digest).json())


def by_form(stack: Uploads, token: str, content: bytes) -> dict[str, Any]:
    made = stack.send(
        f"{stack.url}/api/v1/files",
        "POST",
        files={"file": ("a.bin", content)},
        headers={"Authorization": f"Bearer {token}"},
    )
    return dict(made.json())


def by_tus(stack: Uploads, token: str, content: bytes) -> dict[str, Any]:
    client = Tus(stack, token)
    path = client.create(len(content))
    half = len(content) // 2
    assert client.patch(path, 0, content[:half]).status_code == 204
    return {"url": client.patch(path, half, content[half:]).headers["Content-Location"]}


WAYS = [by_put, by_put_with_digest, by_form, by_tus]


@pytest.mark.parametrize("content", [CONTENT, b"", b"x"], ids=["some", "none", "byte"])
@pytest.mark.parametrize("way", WAYS)
def test_an_upload_comes_back_from_the_bucket(
    stack: Uploads, token: str, way: Any, content: bytes
) -> None:
    before = stack.objects()
    assert get(stack, token, way(stack, token, content)) == content
    [added] = {*stack.objects().items()} - {*before.items()}
    assert added[1] == len(content)
    assert not [path for path in stack.stored() if path.startswith("blobs/")]
    wait_until(lambda: not stack.spooled(), what="nginx empties the spool")


def test_the_answer_to_an_upload_is_the_same_as_from_a_folder(
    stack: Uploads, token: str
) -> None:
    answer = put(stack, token, "a.bin")
    assert answer.status_code == 201
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Cache-Control"] == "no-store"
    assert {"ETag", "Accept-Ranges", "Server-Timing"} & {*answer.headers} == set()


def test_the_bucket_verifies_the_clients_digest(stack: Uploads, token: str) -> None:
    before = stack.objects(), stack.listed()
    answer = put(stack, token, "a.bin", Content_Digest=digest_of(OTHER))
    assert answer.status_code == 400
    assert answer.json()["type"] == "/problems/digest-mismatch"
    assert (stack.objects(), stack.listed()) == before


@pytest.mark.parametrize("has_digest", [False, True], ids=["no digest", "digest"])
def test_python_reads_none_of_the_bytes_of_a_put(
    stack: Uploads,
    token: str,
    has_digest: bool,  # noqa: FBT001 -- the table's column
) -> None:
    content = bytes(64 << 20)
    headers = {"Content_Digest": digest_of(content)} if has_digest else {}
    before = bytes_read(stack, "gunicorn")
    made = put(stack, token, "big.bin", content, **headers)
    after = bytes_read(stack, "gunicorn")
    assert made.json()["size"] == len(content)
    # A worker that starts just now reads its modules, and no process reads half of it.
    assert max(after[pid] - before.get(pid, 0) for pid in after) < len(content) // 2
    stack.gateway("files", "delete", made.json()["id"])


def test_a_repeated_upload_is_stored_once(stack: Uploads, token: str) -> None:
    first = put(stack, token, "once.bin", Idempotency_Key="one")
    objects = stack.objects()
    again = put(stack, token, "once.bin", Idempotency_Key="one")
    assert first.json() == again.json()
    assert stack.objects() == objects


def test_a_deleted_upload_is_deleted_in_the_bucket(stack: Uploads, token: str) -> None:
    before = stack.objects()
    made = put(stack, token, "gone.bin").json()
    url = f"{stack.url}/api/v1/files/{made['id']}"
    bearer = {"Authorization": f"Bearer {token}"}
    assert stack.send(url, "DELETE", headers=bearer).status_code == 204
    assert stack.objects() == before
    assert stack.send(stack.url + made["url"], headers=bearer).status_code == 404


def test_ranges_of_an_upload_come_from_the_bucket(stack: Uploads, token: str) -> None:
    content = os.urandom(3_000_000)
    made = put(stack, token, "film.mp4", content).json()
    url = stack.gateway("sign", "--upload", made["id"], "--no-expiry").strip()
    stack.tokens.add(url.split("/")[4])
    part = stack.ask(url, headers={"Range": "bytes=1048570-1048580"})
    assert (part.status_code, part.content) == (206, content[1048570:1048581])
    assert part.headers["Content-Type"] == "video/mp4"


def test_the_check_reads_the_bucket(stack: Uploads, token: str) -> None:
    made = put(stack, token, "lost.bin", Content_Digest=digest_of(CONTENT)).json()
    good = stack.gateway("fsck", "--digest")
    assert good.endswith("0 findings\n")
    key = next(name for name in stack.objects() if made["id"] in name)
    full = f"{stack.prefix}-uploads/{key}"
    obstore.put(stack.server.store, full, OTHER)
    assert f"blob-digest {made['id']}: s3://" in failing(stack, "fsck", "--digest")
    obstore.delete(stack.server.store, full)
    assert f"blob-missing {made['id']}: s3://" in failing(stack, "fsck")
    stack.gateway("files", "delete", made["id"])


def failing(stack: Uploads, *arguments: str) -> str:
    """Run a command that exits with status 1; return its output."""
    completed = subprocess.run(
        [sys.executable, "-m", "gateway", *arguments],
        env=stack.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert completed.returncode == 1, completed
    return completed.stdout + completed.stderr


def test_a_backup_leaves_the_objects_in_the_bucket_unless_asked(
    stack: Uploads, token: str, tmp_path: Path
) -> None:
    made = put(stack, token, "kept.bin").json()
    stack.gateway("backup", str(tmp_path / "catalog"))
    assert not [*(tmp_path / "catalog" / "blobs").rglob("*.*")]
    stack.gateway("backup", "--with-objects", str(tmp_path / "all"))
    saved = {path.name: path.read_bytes() for path in (tmp_path / "all").rglob("*.*")}
    assert saved[f"{made['id']}.bin"] == CONTENT
    elsewhere = {
        **stack.environment,
        "GATEWAY_DATA": str(tmp_path / "data"),
        "GATEWAY_BLOBS": f"s3://media/{stack.prefix}-restored",
    }
    # The refused restore leaves no catalog, and the bucket belongs to none.
    for folder, status, catalogs in (("catalog", 1, 0), ("all", 0, 1)):
        command = [sys.executable, "-m", "gateway", "restore", f"{tmp_path}/{folder}"]
        completed = subprocess.run(
            command, env=elsewhere, capture_output=True, text=True, check=False
        )
        assert completed.returncode == status, completed.stderr
        assert len([*(tmp_path / "data").glob("*.sqlite3")]) == catalogs
        assert ("store-id" in stack.objects("restored")) == bool(catalogs)
    key = f"{stack.prefix}-restored/{made['id'][:2]}/{made['id']}.bin"
    assert bytes(obstore.get(stack.server.store, key).bytes()) == CONTENT


def test_objects_of_a_lost_catalog_outlive_an_empty_one(
    stack: Uploads, token: str
) -> None:
    """Its operator has deleted the ids, and has not restored the backup yet."""
    put(stack, token, "kept.bin")
    # An orphan of another test would become older than store-id, and never be deleted.
    stack.gateway("housekeep", "--grace", "0")
    stack.end()
    data = stack.home / "data"
    belonging = (*data.glob("catalog*"), data / "store" / "store-owner")
    aside = {file: file.rename(f"{file}.aside") for file in belonging}
    store_id = f"{stack.prefix}-uploads/store-id"
    recorded = obstore.get(stack.server.store, store_id).bytes()
    obstore.delete(stack.server.store, store_id)
    before = {*stack.objects()}
    try:
        stack.gateway("db", "upgrade")
        assert "older than this catalog" in failing(stack, "housekeep", "--grace", "0")
        assert {*stack.objects()} == {*before, "store-id"}
    finally:
        for file in {*data.glob("catalog*")} - {*aside.values()}:
            file.unlink()
        for file, kept in aside.items():
            kept.rename(file)
        obstore.put(stack.server.store, store_id, bytes(recorded))
        stack.start()


def execute(stack: Uploads, statement: str) -> int:
    """Change the catalog; return the number of changed rows."""
    catalog = stack.home / "data" / "catalog.sqlite3"
    with closing(sqlite3.connect(catalog)) as connection, connection:
        return connection.execute(statement).rowcount


def test_an_expired_upload_is_deleted_in_the_bucket(stack: Uploads, token: str) -> None:
    stack.gateway("housekeep")
    before = stack.listed(), stack.objects()
    made = put(stack, token, "expired.bin").json()
    week = "delete_after = created + 7 * 86400"
    expire = "UPDATE uploads SET delete_after = 1 WHERE"
    assert execute(stack, f"{expire} id = '{made['id']}' AND {week}") == 1
    stack.gateway("housekeep")
    assert (stack.listed(), stack.objects()) == before


def problem(answer: requests.Response) -> tuple[int, str, str | None]:
    kind = answer.json()["type"]
    return answer.status_code, kind, answer.headers.get("Retry-After")


BUSY = 503, "/problems/busy", "5"


@pytest.mark.extra
def test_an_upload_waits_for_a_bucket_that_is_away(
    stack: Uploads, token: str, seaweedfs: SeaweedFS
) -> None:
    before = stack.listed()
    client = Tus(stack, token)
    path = client.create(len(CONTENT))
    made = put(stack, token, "old.bin").json()
    with seaweedfs.away():
        assert problem(put(stack, token, "a.bin")) == BUSY
        assert client.patch(path, 0, CONTENT).status_code == 503
        assert client.ask("HEAD", path).status_code == 503
        ready = stack.send(f"{stack.url}/readyz")
        assert ready.json()["failing"] == ["files", "blobs"]
        bearer = {"Authorization": f"Bearer {token}"}
        url = f"{stack.url}/api/v1/files/{made['id']}"
        assert stack.send(url, "DELETE", headers=bearer).status_code == 204
    assert stack.listed() == before
    assert client.get(client.patch(path, len(CONTENT), b"")) == CONTENT
    assert put(stack, token, "a.bin").status_code == 201
    # The object that could not be deleted is an orphan.
    orphans = [name for name in stack.objects() if made["id"] in name]
    stack.gateway("housekeep", "--grace", "0")
    assert len(orphans) == 1
    assert made["id"] not in "".join(stack.objects())


class Sending(threading.Thread):
    """Sends a PUT; ``answer`` is None if the connection was cut."""

    def __init__(self, stack: Uploads, token: str) -> None:
        super().__init__(daemon=True)
        self.stack, self.token = stack, token
        self.answer: requests.Response | None = None

    def run(self) -> None:
        with suppress(requests.RequestException):
            self.answer = put(self.stack, self.token, "killed.bin")


@contextmanager
def suspended(pids: list[int]) -> Iterator[None]:
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


def unread(port: int) -> int:
    """Return the bytes that the server on *port* of this machine has not read yet."""
    rows = [row.split() for row in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    ends = [row[4] for row in rows if row[1] == f"0100007F:{port:04X}"]
    return sum(int(queues.partition(":")[2], 16) for queues in ends)


def await_body(server: SeaweedFS) -> None:
    wait_until(lambda: unread(server.port) > 10_000, what="nginx sends the body")


def is_refused(stack: Uploads) -> bool:
    try:
        with stack.connected(b""):
            return False
    except ConnectionRefusedError:
        return True


def test_an_upload_that_is_under_way_ends_while_the_gateway_stops(
    seaweedfs: SeaweedFS,
) -> None:
    """It no longer listens on the socket by which nginx sends to the bucket."""
    stack = Uploads(seaweedfs)
    stack.start()
    try:
        head = (
            "PUT /api/v1/files/a.bin HTTP/1.1\r\nHost: localhost\r\n"
            f"Authorization: Bearer {stack.new_token('upload')}\r\n"
            f"Content-Length: {len(CONTENT)}\r\nConnection: close\r\n\r\n"
        )
        with stack.connected(head.encode() + CONTENT[:100_000]) as connection:
            wait_until(stack.spooled, what="the upload is under way")
            stack.process.send_signal(signal.SIGTERM)
            wait_until(lambda: is_refused(stack), what="nginx is draining")
            connection.sendall(CONTENT[100_000:])
            assert connection.recv(12) == b"HTTP/1.1 201"
        assert stack.process.wait(20) == 0
        assert len(CONTENT) in stack.objects().values()
    finally:
        stack.stop()


@pytest.mark.extra
def test_a_bucket_that_is_silent_during_an_upload_is_a_503(
    stack: Uploads, token: str, seaweedfs: SeaweedFS
) -> None:
    with seaweedfs.frozen():
        answer = requests.put(
            f"{stack.url}/api/v1/files/silent.bin",
            data=CONTENT,
            headers={"Authorization": f"Bearer {token}"},
            timeout=110,
        )
    assert problem(answer) == BUSY
    stack.whole_log()
    logged = [line for line in stack.logged() if line["uri"].endswith("/silent.bin")]
    assert [line["reason"] for line in logged] == ["bucket-failed"]


def test_the_object_of_a_refused_upload_is_deleted_at_once(
    stack: Uploads, seaweedfs: SeaweedFS
) -> None:
    """Its token is revoked while nginx sends the body to the bucket."""
    before = stack.objects()
    sending = Sending(stack, stack.new_token("upload"))
    with seaweedfs.frozen():
        sending.start()
        await_body(seaweedfs)
        listed = json.loads(stack.gateway("tokens", "list", "--json"))
        [own] = [token["id"] for token in listed if token["scopes"] == ["upload"]]
        stack.gateway("tokens", "revoke", own)
    sending.join()
    assert sending.answer is not None
    assert sending.answer.status_code == 401
    assert stack.objects() == before


def test_the_object_of_an_upload_over_the_quota_is_deleted_at_once(
    stack: Uploads, token: str, seaweedfs: SeaweedFS
) -> None:
    """The quota is filled while nginx sends the body to the bucket."""
    before = stack.listed(), stack.objects()
    sending = Sending(stack, token)
    fill = "UPDATE users SET stored_bytes = stored_bytes"
    try:
        with seaweedfs.frozen():
            sending.start()
            await_body(seaweedfs)
            execute(stack, f"{fill} + {QUOTA}")
        sending.join()
        refused = put(stack, token, "later.bin")
    finally:
        execute(stack, f"{fill} - {QUOTA}")
    over = 507, "/problems/over-quota", None
    assert sending.answer is not None
    assert [problem(sending.answer), problem(refused)] == [over, over]
    assert (stack.listed(), stack.objects()) == before


@pytest.mark.extra
def test_a_kill_before_the_commit_leaves_an_object_for_an_hour(
    stack: Uploads, token: str, seaweedfs: SeaweedFS
) -> None:
    before = stack.listed(), stack.objects()
    sending = Sending(stack, token)
    with ExitStack() as frozen:
        frozen.enter_context(seaweedfs.frozen())
        sending.start()
        await_body(seaweedfs)
        with suspended(stack.processes("gunicorn")):
            frozen.close()
            wait_until(lambda: stack.objects() != before[1], what="it is stored")
            stack.kill()
    sending.join()
    assert sending.answer is None
    stack.start()
    stack.gateway("housekeep")
    assert len(stack.objects()) == len(before[1]) + 1
    assert_nothing_left(stack, *before)


def assert_nothing_left(
    stack: Uploads, listed: dict[str, int], objects: dict[str, int]
) -> None:
    assert stack.listed() == listed
    stack.gateway("housekeep", "--grace", "0")
    assert stack.objects() == objects
