"""Names that no honest client sends, by PUT and by tus: harmless, or refused.

tests/unit/test_names.py has all names; these are told in a URL or a header that nginx
reads, too.
"""

from __future__ import annotations

import os
import re
from base64 import b64encode
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from tests.live.tus import CHUNK_TYPE, Tus

if TYPE_CHECKING:
    from collections.abc import Callable

    import requests

    from tests.live.stack import Stack

CONTENT = b"content"
LONG = "я" * 1500


@pytest.fixture
def tus(stack: Stack) -> Tus:
    """Return a sender who has nothing yet."""
    name = f"u{os.urandom(4).hex()}"
    stack.gateway("users", "add", name, "--password", "a long password")
    return Tus(stack, stack.new_token("upload", "read", user=name))


def put(tus: Tus, name: str) -> requests.Response:
    return tus.ask("PUT", f"/api/v1/files/{quote(name, safe='')}", CONTENT)


def create(tus: Tus, name: str) -> requests.Response:
    return tus.ask(
        "POST",
        data=CONTENT,
        Content_Type=CHUNK_TYPE,
        Upload_Length=str(len(CONTENT)),
        Upload_Metadata=f"filename {b64encode(name.encode()).decode()}",
    )


@pytest.mark.parametrize(
    ("send", "name", "shown"),
    [
        pytest.param(put, "a/.b/c..d/b.txt", "b.txt", id="path with dots by PUT"),
        pytest.param(create, "../../a.txt", "a.txt", id="path by tus"),
        pytest.param(put, "C:\\a\\..\\b.txt", "b.txt", id="Windows path by PUT"),
        pytest.param(put, "a\t\r\x1b\x7f\x85b.txt", "ab.txt", id="controls by PUT"),
        pytest.param(put, "\u202eb.txt", "b.txt", id="turned around by PUT"),
        pytest.param(put, "e\u0301.txt", "\u00e9.txt", id="not NFC by PUT"),
        pytest.param(create, "e\u0301.txt", "\u00e9.txt", id="not NFC by tus"),
        pytest.param(put, f"{LONG}.txt", f"{'я' * 125}.txt", id="long by PUT"),
        pytest.param(create, f"{'я' * 300}.txt", f"{'я' * 125}.txt", id="long by tus"),
        pytest.param(put, "?x=1#y;&.txt", "?x=1#y;&.txt", id="marks of a URL by PUT"),
        pytest.param(put, "%2e%2fa.txt", "%2e%2fa.txt", id="encoded twice by PUT"),
    ],
)
def test_a_hostile_name_becomes_a_harmless_one(
    tus: Tus, send: Callable[[Tus, str], requests.Response], name: str, shown: str
) -> None:
    before = set(tus.stack.stored())
    answer = send(tus, name)
    (upload,) = uploads(tus)
    assert answer.status_code == 201
    assert upload["name"] == shown
    assert tus.ask("GET", upload["url"]).content == CONTENT
    (stored,) = set(tus.stack.stored()) - before
    assert re.fullmatch(r"blobs/[a-z2-7]{2}/[a-z2-7]{26}\.[a-z0-9]+", stored)


def uploads(tus: Tus) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = tus.ask("GET", "/api/v1/files").json()["files"]
    return found


@pytest.mark.parametrize(
    ("send", "length"),
    [pytest.param(put, 6000, id="PUT"), pytest.param(create, 700, id="tus")],
)
def test_a_name_of_many_characters_is_shortened(
    tus: Tus, send: Callable[[Tus, str], requests.Response], length: int
) -> None:
    assert send(tus, "x" * length + ".txt").status_code == 201
    assert [upload["name"] for upload in uploads(tus)] == ["x" * 251 + ".txt"]


@pytest.mark.parametrize(
    ("send", "name", "status"),
    [
        pytest.param(put, "a\nb.txt", 400, id="two lines by PUT"),
        pytest.param(put, "\na.txt", 400, id="an empty line first by PUT"),
        pytest.param(put, "../../../etc/passwd", 404, id="path upwards by PUT"),
        pytest.param(put, "..", 404, id="the folder above by PUT"),
        pytest.param(put, ".", 404, id="the folder itself by PUT"),
        pytest.param(put, "a/../b.txt", 404, id="path by PUT"),
        pytest.param(put, "a\0b.txt", 400, id="NUL by PUT"),
        pytest.param(put, "x" * 20_000, 414, id="20,000 characters by PUT"),
        pytest.param(create, "x" * 10_000, 400, id="10,000 characters by tus"),
        pytest.param(put, "...", 400, id="dots by PUT"),
        pytest.param(create, "...", 400, id="dots by tus"),
    ],
)
def test_a_name_that_nothing_can_be_shown_under_stores_nothing(
    tus: Tus,
    send: Callable[[Tus, str], requests.Response],
    name: str,
    status: int,
) -> None:
    before = tus.stack.stored()
    assert send(tus, name).status_code == status
    assert uploads(tus) == []
    assert tus.stack.stored() == before


def test_a_refused_name_keeps_no_room(tus: Tus) -> None:
    for _ in range(20):  # more than a user may have at a time
        assert put(tus, "a\nb.txt").status_code == 400
    assert put(tus, "a.txt").status_code == 201
