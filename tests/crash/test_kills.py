"""Processes are killed at random moments: nothing that was acknowledged is lost.

``make torture`` runs many rounds; one line of its output repeats a run.
"""

from __future__ import annotations

import hashlib
import os
import random
import threading
from base64 import b64encode
from collections import defaultdict
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest
import requests
from sqlalchemy import select

from gateway.catalog.database import Database
from gateway.catalog.schema import upload_sessions
from tests.live.stack import NativeStack, wait_until
from tests.live.test_bucket_uploads import Uploads
from tests.live.tus import Tus

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.live.seaweedfs import SeaweedFS

ROUNDS: Final = int(os.environ.get("TORTURE_ROUNDS", "1"))
SEED: Final = int(os.environ.get("TORTURE_SEED", str(random.randrange(1 << 32))))  # noqa: S311
PAGE: Final = 100
PIECE_BYTES: Final = 200_000


class Uploader(threading.Thread):
    """Uploads files that are named by their digests, until it is told to stop."""

    def __init__(self, stack: NativeStack, token: str, seed: int) -> None:
        super().__init__(daemon=True)
        self.stack = stack
        self.tus = Tus(stack, token)
        self.random = random.Random(seed)  # noqa: S311
        self.acknowledged: list[str] = []
        self.is_over = threading.Event()

    def run(self) -> None:
        while not self.is_over.is_set():
            content = self.random.randbytes(self.random.randrange(1, 2_000_000))
            name = hashlib.sha256(content).hexdigest()
            with suppress(requests.RequestException):
                if self.send(name, content):
                    self.acknowledged.append(name)

    def send(self, name: str, content: bytes) -> bool:
        """Upload one; tell whether it was acknowledged."""
        put = self.tus.ask("PUT", f"/api/v1/files/{name}", content)
        return put.ok


class TusUploader(Uploader):
    """By tus, in one chunk."""

    def send(self, name: str, content: bytes) -> bool:
        made = self.tus.ask(
            "POST",
            Upload_Length=str(len(content)),
            Upload_Metadata=f"filename {b64encode(name.encode()).decode()}",
        )
        return made.ok and self.send_to(made.headers["Location"], content)

    def send_to(self, path: str, content: bytes) -> bool:
        return self.tus.patch(path, 0, content).ok


class PiecewiseUploader(TusUploader):
    """By tus, in chunks, which goes on after the kill where it is told to."""

    def __init__(self, stack: NativeStack, token: str, seed: int) -> None:
        super().__init__(stack, token, seed)
        self.unfinished: list[tuple[str, bytes, int]] = []

    def send_to(self, path: str, content: bytes) -> bool:
        offset = 0
        while offset < len(content):
            # Noted before it is sent: the answer may be lost.
            self.unfinished = [(path, content, offset)]
            chunk = content[offset : offset + PIECE_BYTES]
            if not self.tus.patch(path, offset, chunk).ok:
                return False
            offset += len(chunk)
        self.unfinished = []
        return True

    def go_on(self) -> list[str]:
        """Finish what the kill has broken off, and return it.

        What was acknowledged is there.
        """
        for path, content, acknowledged in self.unfinished:
            offset = self.tus.offset(path)
            assert acknowledged <= offset <= len(content)
            if offset < len(content):
                assert self.tus.patch(path, offset, content[offset:]).ok
        return [
            hashlib.sha256(content).hexdigest() for _, content, _ in self.unfinished
        ]


def uploads(stack: NativeStack, token: str) -> Iterator[dict[str, str]]:
    bearer = {"Authorization": f"Bearer {token}"}
    page = stack.ask(f"{stack.url}/api/v1/files", headers=bearer).json()
    yield from page["files"]
    while page["next"]:
        page = stack.ask(stack.url + page["next"], headers=bearer).json()
        yield from page["files"]


def ids(found: list[dict[str, str]]) -> set[str]:
    return {upload["id"] for upload in found}


def unfinished(stack: NativeStack) -> set[str]:
    """Return the ids of uploads that can be gone on with, by whoever has their URLs."""
    database = Database.open(f"sqlite:///{stack.home}/data/catalog.sqlite3")
    with database.read() as connection:
        found = connection.execute(
            select(upload_sessions.c.id).where(upload_sessions.c.upload_id.is_(None))
        ).scalars()
        names = set(found)
    database.engine.dispose()
    return names


def bucket_of(request: pytest.FixtureRequest) -> NativeStack:
    server: SeaweedFS = request.getfixturevalue("seaweedfs")
    return Uploads(server, GATEWAY_CLIENT_CONNECTIONS="100")


def store_of(_: object) -> NativeStack:
    return NativeStack(GATEWAY_FREE_SPACE="0", GATEWAY_CLIENT_CONNECTIONS="100")


@pytest.fixture(
    params=[
        pytest.param(bucket_of, id="bucket", marks=pytest.mark.extra),
        pytest.param(store_of, id="store"),
    ]
)
def blobs_in(request: pytest.FixtureRequest) -> Iterator[NativeStack]:
    """Run a gateway whose blobs are in a bucket, or in its store."""
    running: NativeStack = request.param(request)
    running.start()
    try:
        yield running
    finally:
        running.stop()


def stored(stack: NativeStack) -> set[Path]:
    """Return the paths of what is stored, also in the bucket."""
    objects = stack.objects() if isinstance(stack, Uploads) else {}
    return {Path(path) for path in chain(stack.store(), objects)}


def test_kills_lose_and_leave_nothing(blobs_in: NativeStack) -> None:
    print(f"TORTURE_ROUNDS={ROUNDS} TORTURE_SEED={SEED}")  # noqa: T201
    rng = random.Random(SEED)  # noqa: S311
    stack = blobs_in
    token = stack.new_token("upload", "read")
    acknowledged: defaultdict[str, list[str]] = defaultdict(list)
    number = 0
    # Some kill is to leave an upload in chunks to go on with.
    while number < ROUNDS or not acknowledged["after the kill"]:
        came = one_round(stack, token, rng)
        assert any(came.values()), f"round {number}"
        for kind, names in came.items():
            acknowledged[kind] += names
        number += 1
    bearer = {"Authorization": f"Bearer {token}"}
    found = list(uploads(stack, token))
    contents = {
        upload["name"]: stack.ask(stack.url + upload["url"], headers=bearer).content
        for upload in found
    }
    assert [kind for kind, names in acknowledged.items() if not names] == []
    assert set(chain.from_iterable(acknowledged.values())) <= set(contents)
    assert all(
        hashlib.sha256(content).hexdigest() == name
        for name, content in contents.items()
    )
    known = ids(found) | unfinished(stack)
    left = {path for path in stored(stack) if path.stem not in known}
    # Blobs of no upload go to the trash first, if they are in the store.
    others = {"trash", "ledger", "store-id", "store-owner", "byte-cache"}
    assert {path.parts[0] for path in left} <= others
    stack.gateway("fsck", "--digest")


@pytest.mark.extra
def test_what_a_kill_leaves_on_its_way_locks_nobody_out() -> None:
    stack = NativeStack(GATEWAY_FREE_SPACE="0", GATEWAY_UPLOADS_PER_USER="2")
    stack.start()
    try:
        tus = Tus(stack, stack.new_token("upload", "read"))
        content = bytes(1_000_000)
        path, other = tus.create(len(content)), tus.create(len(content))
        with (
            tus.cut(path, content, 500_000, Upload_Offset="0"),
            tus.cut(other, content, 500_000, Upload_Offset="0"),
        ):
            wait_until(lambda: len(stack.spooled()) == 2, what="both are on their way")
            assert tus.ask("PUT", "/api/v1/files/a", b"a").status_code == 429
            stack.kill()
        stack.start()
        assert tus.ask("PUT", "/api/v1/files/a", b"a").status_code == 201
        assert tus.patch(path, 0, content).status_code == 204
    finally:
        stack.stop()


def one_round(
    stack: NativeStack, token: str, rng: random.Random
) -> dict[str, list[str]]:
    """Kill gunicorn, nginx or both under uploads.

    Return what was acknowledged: by PUT, by tus, in chunks, and after the kill.
    """
    piecewise = PiecewiseUploader(stack, token, rng.randrange(1 << 32))
    put = Uploader(stack, token, rng.randrange(1 << 32))
    other = Uploader(stack, token, rng.randrange(1 << 32))
    tus = TusUploader(stack, token, rng.randrange(1 << 32))
    uploaders = [put, other, tus, piecewise]
    for uploader in uploaders:
        uploader.start()
    wait_until(
        lambda: all(uploader.acknowledged for uploader in uploaders),
        seconds=60,
        what="an upload of each is acknowledged",
    )
    wait_until(lambda: piecewise.unfinished, seconds=60, what="a chunk is on its way")
    pause = threading.Event()
    pause.wait(rng.uniform(0, 0.6))
    for name in rng.choice([["gunicorn"], ["nginx"], ["gunicorn", "nginx"]]):
        stack.kill_processes(name)
    for uploader in uploaders:
        uploader.is_over.set()
    # One that dies is the end of the other; the service manager starts anew.
    wait_until(
        lambda: stack.process.poll() is not None, seconds=30, what="the gateway ends"
    )
    for uploader in uploaders:
        uploader.join()
    assert "Traceback" not in stack.log()
    stack.start()
    after = piecewise.go_on()
    # Each time: if more orphans come together than of a few kills, they stay.
    stack.gateway("housekeep", "--grace", "0")
    return {
        "by PUT": put.acknowledged + other.acknowledged,
        "by tus": tus.acknowledged,
        "in chunks": piecewise.acknowledged,
        "after the kill": after,
    }
