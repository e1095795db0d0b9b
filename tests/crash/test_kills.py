"""Processes are killed at random moments: nothing that was acknowledged is lost.

``make torture`` runs many rounds; one line of its output repeats a run.
"""

from __future__ import annotations

import hashlib
import os
import random
import threading
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

import requests

from tests.live.stack import NativeStack, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

ROUNDS: Final = int(os.environ.get("TORTURE_ROUNDS", "4"))
SEED: Final = int(os.environ.get("TORTURE_SEED", str(random.randrange(1 << 32))))  # noqa: S311
UPLOADERS: Final = 3
PAGE: Final = 100


class Uploader(threading.Thread):
    """Uploads files that are named by their digests, until it is told to stop."""

    def __init__(self, stack: NativeStack, token: str, seed: int) -> None:
        super().__init__(daemon=True)
        self.stack = stack
        self.bearer = {"Authorization": f"Bearer {token}"}
        self.random = random.Random(seed)  # noqa: S311
        self.acknowledged: list[str] = []
        self.is_over = threading.Event()

    def run(self) -> None:
        while not self.is_over.is_set():
            content = self.random.randbytes(self.random.randrange(1, 2_000_000))
            name = hashlib.sha256(content).hexdigest()
            with suppress(requests.RequestException):
                answer = self.stack.ask(
                    f"{self.stack.url}/api/v1/files/{name}",
                    "PUT",
                    data=content,
                    headers=self.bearer,
                )
                if answer.status_code == requests.codes.created:
                    self.acknowledged.append(name)


def uploads(stack: NativeStack, token: str) -> Iterator[dict[str, str]]:
    bearer = {"Authorization": f"Bearer {token}"}
    page = stack.ask(f"{stack.url}/api/v1/files", headers=bearer).json()
    yield from page["files"]
    while page["next"]:
        page = stack.ask(stack.url + page["next"], headers=bearer).json()
        yield from page["files"]


def ids(found: list[dict[str, str]]) -> set[str]:
    return {upload["id"] for upload in found}


def test_kills_lose_and_leave_nothing() -> None:
    print(f"TORTURE_ROUNDS={ROUNDS} TORTURE_SEED={SEED}")  # noqa: T201
    rng = random.Random(SEED)  # noqa: S311
    stack = NativeStack(GATEWAY_FREE_SPACE="0", GATEWAY_CLIENT_CONNECTIONS="100")
    stack.start()
    try:
        token = stack.new_token("upload", "read")
        acknowledged: list[str] = []
        for _ in range(ROUNDS):
            acknowledged += one_round(stack, token, rng)
        bearer = {"Authorization": f"Bearer {token}"}
        found = list(uploads(stack, token))
        contents = {
            upload["name"]: stack.ask(stack.url + upload["url"], headers=bearer).content
            for upload in found
        }
        stack.gateway("housekeep", "--grace", "0")
        assert acknowledged
        assert set(acknowledged) <= set(contents)
        assert all(
            hashlib.sha256(content).hexdigest() == name
            for name, content in contents.items()
        )
        left = {path for path in stack.store() if Path(path).stem not in ids(found)}
        assert left == set()
        stack.gateway("fsck", "--digest")
    finally:
        stack.stop()


def one_round(stack: NativeStack, token: str, rng: random.Random) -> list[str]:
    """Kill gunicorn, nginx or both under uploads; return what was acknowledged."""
    uploaders = [
        Uploader(stack, token, rng.randrange(1 << 32)) for _ in range(UPLOADERS)
    ]
    for uploader in uploaders:
        uploader.start()
    pause = threading.Event()
    pause.wait(rng.uniform(0.1, 0.6))
    for name in rng.choice([["gunicorn"], ["nginx"], ["gunicorn", "nginx"]]):
        stack.kill_processes(name)
    for uploader in uploaders:
        uploader.is_over.set()
    # One that dies is the end of the other; the service manager starts anew.
    wait_until(lambda: stack.process.poll() is not None, what="the gateway ends")
    for uploader in uploaders:
        uploader.join()
    stack.start()
    return [name for uploader in uploaders for name in uploader.acknowledged]
