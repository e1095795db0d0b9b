"""A backup of a busy gateway, restored elsewhere, is the same gateway."""

from __future__ import annotations

import os
import random
import threading
from typing import TYPE_CHECKING, Any, Self

import pytest

from tests.live.stack import NativeStack

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.catalog.postgres import Server
    from tests.live.seaweedfs import SeaweedFS


@pytest.fixture
def busy() -> Iterator[NativeStack]:
    stack = NativeStack()
    del stack.settings["GATEWAY_KEYS"]
    with stack.running():
        yield stack


class Traffic:
    """Uploads and deletes until it is stopped; ``kept`` is never deleted."""

    def __init__(self, stack: NativeStack) -> None:
        self._stack = stack
        self._bearer = {
            "Authorization": f"Bearer {stack.new_token('upload', 'read')}",
        }
        self._is_over = threading.Event()
        self.statuses: set[int] = set()
        self.threads = [threading.Thread(target=self._run) for _ in range(2)]

    def __enter__(self) -> Self:
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        for thread in self.threads:
            thread.join()

    def put(self, content: bytes) -> dict[str, Any]:
        url = f"{self._stack.url}/api/v1/files/a.bin"
        answer = self._stack.ask(url, "PUT", data=content, headers=self._bearer)
        self.statuses.add(answer.status_code)
        made: dict[str, Any] = answer.json()
        return made

    def get(self, stack: NativeStack, path: str) -> bytes:
        return stack.ask(stack.url + path, headers=self._bearer).content

    def _run(self) -> None:
        chance = random.Random()  # noqa: S311 -- no secret
        while not self._is_over.is_set():
            made = self.put(os.urandom(chance.randrange(100_000)))
            url = f"{self._stack.url}/api/v1/files/{made['id']}"
            self.statuses.add(
                self._stack.ask(url, "DELETE", headers=self._bearer).status_code
            )


def test_a_backup_of_a_busy_gateway_restores_to_the_same(busy: NativeStack) -> None:
    folder = str(busy.home / "backup")
    busy.put("a.txt", b"from the tree\n")
    link = busy.gateway("sign", "a.txt", "--expires", "1h").strip()
    contents = [os.urandom(50_000) for _ in range(20)]
    with Traffic(busy) as traffic:
        made = [traffic.put(content)["url"] for content in contents]
        busy.gateway("backup", folder)
        busy.gateway("backup", folder, "--copy")
    assert traffic.statuses == {201, 204}

    there = NativeStack()
    del there.settings["GATEWAY_KEYS"]
    there.prepare()
    there.gateway("restore", folder)
    assert there.gateway("fsck", "--digest", "--grace", "0").endswith("0 findings\n")
    there.put("a.txt", b"from the tree\n")
    with there.running():
        assert [traffic.get(there, path) for path in made] == contents
        moved = link.replace(busy.url, there.url)
        assert there.ask(moved).content == b"from the tree\n"


def test_a_gateway_moves_to_postgresql_and_a_bucket(
    busy: NativeStack, postgresql: Server, seaweedfs: SeaweedFS
) -> None:
    folder = str(busy.home / "backup")
    content = os.urandom(50_000)
    with Traffic(busy) as traffic:
        path = traffic.put(content)["url"]
    busy.put("a.txt")
    share = busy.gateway("shares", "new", "a.txt").strip()
    busy.gateway("backup", folder)
    settings = seaweedfs.settings("moved")
    settings |= {"GATEWAY_BLOBS": "s3://media/moved-uploads"}
    del settings["GATEWAY_FILES"]
    with postgresql.new_database() as url:
        there = NativeStack(**settings, GATEWAY_DATABASE=url)
        del there.settings["GATEWAY_KEYS"]
        there.prepare()
        there.gateway("restore", folder)
        fsck = there.gateway("fsck", "--digest", "--grace", "0")
        assert fsck.endswith("0 findings\n")
        there.put("a.txt")
        with there.running():
            assert traffic.get(there, path) == content
            assert there.ask(share.replace(busy.url, there.url)).status_code == 200
