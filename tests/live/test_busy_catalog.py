"""While somebody keeps the catalog, uploads are told to come again, and no more."""

from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    import requests

    from tests.live.stack import NativeStack


@contextmanager
def kept_catalog(stack: NativeStack) -> Iterator[None]:
    """Hold the lock that every writer needs."""
    file = stack.home / "data" / "catalog.sqlite3"
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


def put(stack: NativeStack, token: str) -> requests.Response:
    return stack.ask(
        f"{stack.url}/api/v1/files/a.bin",
        "PUT",
        data=b"content",
        headers={"Authorization": f"Bearer {token}"},
    )


def begin(stack: NativeStack, token: str) -> requests.Response:
    return stack.ask(
        f"{stack.url}/tus/",
        "POST",
        headers={
            "Authorization": f"Bearer {token}",
            "Tus-Resumable": "1.0.0",
            "Upload-Length": "7",
        },
    )


def test_uploads_are_told_to_come_again_and_then_work(
    native_stack: NativeStack,
) -> None:
    token = native_stack.new_token("upload")

    def upload() -> list[requests.Response]:
        with ThreadPoolExecutor(2) as pool:
            return list(pool.map(lambda way: way(native_stack, token), (put, begin)))

    # A token's first use would be written down, and waited for too.
    before = upload()
    stored = native_stack.stored()
    with kept_catalog(native_stack):
        busy = upload()
        left = native_stack.stored()
    after = upload()
    assert [answer.status_code for answer in before + after] == [201] * 4
    assert left == stored
    assert [
        (answer.status_code, answer.headers.get("Retry-After")) for answer in busy
    ] == [(503, "5")] * 2
    assert {answer.headers["Content-Type"] for answer in busy} == {
        "application/problem+json"
    }


def test_signed_urls_go_on_meanwhile(native_stack: NativeStack) -> None:
    native_stack.put("busy.txt", b"content")
    url = native_stack.sign("busy.txt")
    with kept_catalog(native_stack):
        answer = native_stack.ask(url)
    assert (answer.status_code, answer.content) == (200, b"content")
    assert answer.elapsed.total_seconds() < 4  # a busy catalog is waited for 5 s
