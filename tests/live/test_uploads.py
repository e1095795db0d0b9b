"""Raw uploads: what is taken comes back whole, what is refused costs nothing."""

from __future__ import annotations

import base64
import hashlib
import os
import socket
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from gateway.http import content_security
from tests.live.stack import wait_until

if TYPE_CHECKING:
    from tests.live.stack import Stack

pytestmark = pytest.mark.database

CONTENT = os.urandom(300_000)


@pytest.fixture
def token(stack: Stack) -> str:
    return stack.new_token("upload", "read")


def put(
    stack: Stack,
    token: str,
    name: str,
    content: object = CONTENT,
    headers: dict[str, str] | None = None,
) -> tuple[int, dict[str, Any]]:
    answer = stack.ask(
        f"{stack.url}/api/v1/files/{quote(name, safe='')}",
        "PUT",
        data=content,
        headers={"Authorization": f"Bearer {token}", **(headers or {})},
    )
    return answer.status_code, answer.json()


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(CONTENT, id="some"),
        pytest.param(b"", id="empty"),
        pytest.param(b"x", id="one byte"),
        pytest.param(CONTENT * 30, id="9 MB"),
    ],
)
def test_an_upload_comes_back_byte_for_byte(
    stack: Stack, token: str, content: bytes
) -> None:
    status, made = put(stack, token, "a b.bin", content)
    back = stack.ask(
        stack.url + made["url"], headers={"Authorization": f"Bearer {token}"}
    )
    assert (status, made["size"]) == (201, len(content))
    assert back.content == content
    assert back.headers["Content-Disposition"] == 'attachment; filename="a b.bin"'
    assert back.headers["Cache-Control"] == "private, max-age=0"


def test_an_encoded_body_is_refused(stack: Stack, token: str) -> None:
    status, problem = put(stack, token, "a.txt", headers={"Content-Encoding": "gzip"})
    assert (status, problem["title"]) == (415, "Content-Encoding not supported")


@pytest.mark.docker
def test_a_body_without_a_length_is_taken(stack: Stack, token: str) -> None:
    status, made = put(stack, token, "c.bin", iter([CONTENT, CONTENT]))
    assert (status, made["size"]) == (201, 2 * len(CONTENT))


@pytest.mark.parametrize(
    ("scopes", "status"),
    [
        pytest.param((), 401, id="no token"),
        pytest.param(("read",), 403, id="no scope"),
    ],
)
def test_a_refused_upload_is_not_read(
    stack: Stack, scopes: tuple[str, ...], status: int
) -> None:
    before = stack.stored()
    sent = stack.new_token(*scopes) if scopes else "none"
    head = (
        f"PUT /api/v1/files/huge.iso HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        f"Authorization: Bearer {sent}\r\nContent-Length: 9000000000\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", stack.port), 20) as peer:
        peer.sendall(head.encode())
        answer = peer.recv(65_536).decode()
    assert answer.startswith(f"HTTP/1.1 {status} ")
    assert '"request_id"' in answer
    assert stack.stored() == before


def test_a_refused_upload_has_the_headers_of_a_refusal(stack: Stack) -> None:
    url = stack.url + "/api/v1/files/a.txt"
    unknown = stack.ask(url, "PUT", data=b"x")
    version = stack.ask(stack.url + "/tus/", "POST", data=b"x")
    assert unknown.status_code == 401
    assert unknown.headers["WWW-Authenticate"] == 'Bearer realm="gateway"'
    assert version.status_code == 412
    assert version.headers["Tus-Version"] == version.headers["Tus-Resumable"] == "1.0.0"
    for answer in (unknown, version):
        assert answer.headers["Content-Security-Policy"] == content_security.REFUSAL
        assert answer.headers["Cache-Control"] == "no-store"
        assert "Accept" in answer.headers["Vary"]


@pytest.mark.docker
def test_nothing_is_left_of_an_upload_that_was_cut(stack: Stack, token: str) -> None:
    before = stack.stored()
    wait_until(lambda: not stack.spooled(), what="nginx empties the spool")
    head = (
        f"PUT /api/v1/files/cut.iso HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        f"Authorization: Bearer {token}\r\nContent-Length: 9000000\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", stack.port), 20) as peer:
        peer.sendall(head.encode() + CONTENT)
        wait_until(stack.spooled, what="nginx spools the body")
    wait_until(lambda: not stack.spooled(), what="nginx drops the cut body")
    assert stack.stored() == before


def test_a_digest_that_fits_is_stored(stack: Stack, token: str) -> None:
    digest = base64.b64encode(hashlib.sha256(CONTENT).digest()).decode()
    status, _ = put(
        stack, token, "d.bin", headers={"Content-Digest": f"sha-256=:{digest}:"}
    )
    assert status == 201


def test_a_digest_that_does_not_fit_leaves_nothing(stack: Stack, token: str) -> None:
    before = stack.stored()
    digest = base64.b64encode(hashlib.sha256(b"other").digest()).decode()
    status, problem = put(
        stack, token, "d.bin", headers={"Repr-Digest": f"sha-256=:{digest}:"}
    )
    assert (status, problem["title"]) == (400, "The content was damaged")
    assert stack.stored() == before


def test_a_repeated_key_stores_once(stack: Stack, token: str) -> None:
    key = {"Idempotency-Key": os.urandom(8).hex()}
    first = put(stack, token, "k.bin", headers=key)
    before = stack.stored()
    second = put(stack, token, "k.bin", headers=key)
    assert second == first
    assert stack.stored() == before


def test_a_name_can_be_claimed_once(stack: Stack, token: str) -> None:
    name = os.urandom(8).hex()
    only_new = {"If-None-Match": "*"}
    assert put(stack, token, name, headers=only_new)[0] == 201
    assert put(stack, token, name, headers=only_new)[0] == 412


@pytest.mark.docker
def test_a_deleted_upload_is_gone(stack: Stack, token: str) -> None:
    before = stack.stored()
    _, made = put(stack, token, "gone.bin")
    bearer = {"Authorization": f"Bearer {token}"}
    deleted = stack.ask(
        f"{stack.url}/api/v1/files/{made['id']}", "DELETE", headers=bearer
    )
    assert deleted.status_code == 204
    assert stack.ask(stack.url + made["url"], headers=bearer).status_code == 404
    assert stack.stored() == before


def test_somebody_else_s_upload_is_not_there(stack: Stack, token: str) -> None:
    _, made = put(stack, token, "mine.bin")
    name = f"u{os.urandom(4).hex()}"
    stack.gateway("users", "add", name, "--password", "a long password")
    other = {"Authorization": f"Bearer {stack.new_token('read', user=name)}"}
    assert stack.ask(stack.url + made["url"], headers=other).status_code == 404


def test_markup_under_a_picture_s_name_is_never_shown(stack: Stack, token: str) -> None:
    _, made = put(stack, token, "cat.png", b"<!DOCTYPE html><script>alert(1)</script>")
    back = stack.ask(
        stack.url + made["url"], headers={"Authorization": f"Bearer {token}"}
    )
    assert back.headers["Content-Type"] == "application/octet-stream"
    assert back.headers["Content-Disposition"].startswith("attachment")


def test_a_form_with_a_token_answers_the_url_of_its_file(
    stack: Stack, token: str
) -> None:
    """As ShareX and its like send it."""
    bearer = {"Authorization": f"Bearer {token}"}
    url = f"{stack.url}/api/v1/files"
    form = {"file": ("a b.bin", CONTENT), "title": (None, "x")}
    answer = stack.ask(url, "POST", files=form, headers=bearer)
    made = answer.json()
    back = stack.ask(stack.url + made["url"], headers=bearer)
    assert (answer.status_code, answer.headers["Location"]) == (201, made["url"])
    assert (made["name"], made["size"]) == ("a b.bin", len(CONTENT))
    assert back.content == CONTENT


@pytest.mark.parametrize(
    ("form", "status"),
    [
        pytest.param({"files": {"a": ("a", b"x"), "b": ("b", b"x")}}, 413, id="two"),
        pytest.param({"files": {"a": (None, b"x")}}, 400, id="no file"),
        pytest.param({"data": {"a": "x"}}, 400, id="another form"),
        pytest.param({"json": {}}, 400, id="JSON"),
        pytest.param({"headers": {"Authorization": "Bearer no"}}, 401, id="no token"),
    ],
)
def test_a_form_that_is_not_one_file_is_refused(
    stack: Stack, token: str, form: dict[str, Any], status: int
) -> None:
    before = stack.stored()
    sent = {"headers": {"Authorization": f"Bearer {token}"}, **form}
    answer = stack.ask(f"{stack.url}/api/v1/files", "POST", **sent)
    assert (answer.status_code, answer.json()["status"]) == (status, status)
    assert stack.stored() == before
