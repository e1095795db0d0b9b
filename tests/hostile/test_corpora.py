"""Hundreds of hostile requests of each kind: nothing leaks, breaks or is left behind.

What a single case must answer is told by tests of its own kind; these hold for all.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from tests.hostile import corpora
from tests.live.stack import fresh_client
from tests.live.test_drops import Box
from tests.live.test_hostile_names import uploads
from tests.live.tus import Tus

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.live.stack import Stack

pytestmark = pytest.mark.extra

SECRET = b"never-to-be-seen"
CONTENT = b"content"
#: A line of nginx's or of Python's that an operator would be called for.
LOUD = re.compile(
    r"^.*(?:\[(?:warn|error|crit|alert|emerg)\]"
    r"| (?:WARNING|ERROR|CRITICAL) |Traceback).*$",
    re.MULTILINE,
)
STATUS = re.compile(rb"(?:^|\n)HTTP/1\.1 (\d{3}) ")


def named(cases: list[str] | list[bytes]) -> list[object]:
    """Give each case its number and its beginning for an id."""
    return [pytest.param(c, id=f"{n}-{ascii(c)[1:40]}") for n, c in enumerate(cases)]


@pytest.fixture(scope="module", autouse=True)
def quiet(native_stack: Stack) -> Iterator[None]:
    """Lay the secrets out; at the end, nothing was logged at warning or above."""
    (native_stack.home / "outside.txt").write_bytes(SECRET)
    native_stack.put("open/file.txt", b"open")
    native_stack.put("outside.txt", SECRET)
    before = len(native_stack.whole_log())
    yield
    said = native_stack.whole_log()[before:]
    assert LOUD.findall(said) == []
    assert "/smuggled" not in said


@pytest.fixture(scope="module")
def sender(native_stack: Stack) -> Tus:
    """Return somebody with a token, whose uploads each test counts."""
    name = f"u{os.urandom(4).hex()}"
    native_stack.gateway("users", "add", name, "--password", "a long password")
    return Tus(native_stack, native_stack.new_token("upload", "read", user=name))


@pytest.fixture(scope="module")
def box(native_stack: Stack) -> Box:
    return Box(native_stack)


@pytest.fixture(scope="module")
def folder(native_stack: Stack) -> str:
    """Return a genuine link to a folder, as a target."""
    return native_stack.sign("open", folder=True).removeprefix(native_stack.url)


def statuses(stack: Stack, request: bytes) -> list[int]:
    """Send bytes as a client of its own; return the status of every answer."""
    first, rest = request.split(b"\r\n", 1)
    client = b"X-Forwarded-For: " + fresh_client().encode()
    answer = stack.raw(b"\r\n".join([first, client, rest]))
    assert SECRET not in answer
    return [int(status) for status in STATUS.findall(answer) if status != b"100"]


@pytest.mark.parametrize("method", ["GET", "PUT", "POST", "PATCH"])
@pytest.mark.parametrize("target", named(corpora.traversals()))
def test_no_way_up_leads_anywhere(
    native_stack: Stack, folder: str, target: str, method: str
) -> None:
    before = native_stack.stored()
    asked = target.replace("FOLDER", folder).encode("latin-1", "replace")
    body = b"Content-Length: 7\r\n\r\ncontent" if method != "GET" else b"\r\n"
    request = method.encode() + b" " + asked + b" HTTP/1.1\r\nHost: localhost\r\n"
    (status,) = statuses(native_stack, request + b"Connection: close\r\n" + body)
    assert 200 <= status < 500
    assert native_stack.stored() == before


@pytest.mark.parametrize("request_text", named(corpora.framings()))
def test_one_request_has_one_answer(
    native_stack: Stack, folder: str, request_text: str
) -> None:
    before = native_stack.stored()
    text = request_text.replace("LINK", f"{folder}file.txt")
    found = statuses(native_stack, text.encode("latin-1", "replace"))
    assert len(found) <= 1
    assert all(200 <= status < 500 for status in found)
    assert native_stack.stored() == before


@pytest.mark.parametrize("name", named(corpora.names()))
def test_a_name_is_made_harmless_or_refused(sender: Tus, name: str) -> None:
    url = f"/api/v1/files/{quote(name, safe='')}"
    answer = sender.ask("PUT", url, CONTENT)
    assert answer.status_code in {201, 400, 404, 414}
    made = uploads(sender)
    assert len(made) == (answer.status_code == 201)
    for upload in made:
        got = sender.ask("GET", upload["url"])
        assert got.content == CONTENT
        assert not re.search(r"[\x00-\x1f\x7f/\\\u202a-\u202e]", upload["name"])
        assert upload["name"].strip(". ")
        assert re.fullmatch(r"[ -~]+", got.headers["Content-Disposition"])
        assert sender.ask("DELETE", f"/api/v1/files/{upload['id']}").ok


@pytest.mark.parametrize("value", named(corpora.metadata()))
def test_metadata_is_read_or_refused(sender: Tus, value: str) -> None:
    coded = value.encode().decode("latin-1")
    answer = sender.ask("POST", Upload_Length="9", Upload_Metadata=coded)
    assert answer.status_code in {201, 400, 413, 431}
    assert uploads(sender) == []
    for path in filter(None, [answer.headers.get("Location")]):
        assert sender.ask("DELETE", path).status_code == 204


@pytest.mark.parametrize("body", named(corpora.forms()))
def test_a_form_is_read_or_refused(box: Box, body: bytes) -> None:
    before = box.stack.stored()
    first = (
        f'--edge\r\nContent-Disposition: form-data; name="code"\r\n\r\n{box.code}\r\n'
    )
    answer = box.stack.ask(
        box.url,
        "POST",
        data=first.encode() + body,
        headers={"Content-Type": "multipart/form-data; boundary=edge"},
    )
    assert 200 <= answer.status_code < 500
    assert (box.stack.stored() != before) == answer.ok
    files = box.ask("/api/v1/files").json()["files"]
    assert all(not re.search(r"[\x00-\x1f/\\]", file["name"]) for file in files)
