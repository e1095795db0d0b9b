"""While somebody keeps the catalog, uploads are told to come again, and no more."""

from __future__ import annotations

import sqlite3
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.live.stack import NativeStack

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import requests

    Upload = Callable[[NativeStack, str], requests.Response]


@pytest.fixture(scope="module")
def busy_stack() -> Iterator[NativeStack]:
    with NativeStack().running() as stack:
        yield stack


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


@pytest.mark.parametrize(
    "upload", [pytest.param(put, id="PUT"), pytest.param(begin, id="tus")]
)
def test_an_upload_is_told_to_come_again_and_then_works(
    busy_stack: NativeStack, upload: Upload
) -> None:
    token = busy_stack.new_token("upload")
    # A token's first use would be written down, and waited for too.
    assert upload(busy_stack, token).status_code == 201
    before = busy_stack.stored()
    with kept_catalog(busy_stack):
        busy = upload(busy_stack, token)
        left = busy_stack.stored()
    assert (busy.status_code, busy.headers.get("Retry-After")) == (503, "5")
    assert busy.headers["Content-Type"] == "application/problem+json"
    assert left == before
    assert upload(busy_stack, token).status_code == 201


def test_signed_urls_go_on_meanwhile(busy_stack: NativeStack) -> None:
    busy_stack.put("busy.txt", b"content")
    url = busy_stack.sign("busy.txt")
    with kept_catalog(busy_stack):
        answer = busy_stack.ask(url)
    assert (answer.status_code, answer.content) == (200, b"content")
    assert answer.elapsed.total_seconds() < 4  # a busy catalog is waited for 5 s
