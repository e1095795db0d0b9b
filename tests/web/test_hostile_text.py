"""Text that no database takes, wherever it is let in: a refusal, never a 5xx."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from gateway.catalog import tokens
from gateway.catalog.tokens import Scope
from gateway.catalog.users import Role
from tests.web.conftest import EITHER_CATALOG

if TYPE_CHECKING:
    from tests.web.conftest import Site

pytestmark = EITHER_CATALOG

IN_URLS = [
    "%00",
    "a%00b",
    "%ED%A0%80",  # half a surrogate pair
    "%FF",
    "%F4%8F%BF%BF",
    "99999999999999999999",
    "x" * 10_000,
    "%27%3B--",
]
#: Stands for the text in an object.
TEXT = "the text"
IN_OBJECTS = ["\0", "\ud800", "\U0010ffff", "x" * 10_000]
IN_HEADERS = ["\xff\x80", "x" * 10_000, "gwt_\xb2", "99999999999999999999"]


@pytest.fixture
def root(site: Site) -> dict[str, str]:
    """Return the headers of an admin's token."""
    user = site.add_user("root", Role.ADMIN)
    with site.database.write() as connection:
        text = tokens.new(connection, user, scopes=list(Scope), expires=None, now=1)
    return {"Authorization": f"Bearer {text}"}


@pytest.mark.parametrize(
    ("method", "url"),
    [
        pytest.param("GET", "/api/v1/revocations?after={}", id="revocations"),
        pytest.param("DELETE", "/api/v1/revocations/{}", id="a revocation"),
        pytest.param("DELETE", "/api/v1/revocations/path:{}", id="a path's"),
        pytest.param("GET", "/api/v1/files?after={}", id="files"),
        pytest.param("GET", "/api/v1/files?after={}.aaaaaaaaaaaa", id="a cursor"),
        pytest.param("GET", "/api/v1/files?drop={}", id="files of a drop link"),
        pytest.param("GET", "/api/v1/files/{}", id="a file"),
        pytest.param("DELETE", "/api/v1/files/{}", id="a file to delete"),
        pytest.param("GET", "/files/{}/a", id="a file's content"),
        pytest.param("GET", "/api/v1/drops?after={}", id="drop links"),
        pytest.param("DELETE", "/api/v1/drops/{}", id="a drop link"),
        pytest.param("HEAD", "/tus/{}", id="an unfinished upload"),
        pytest.param("DELETE", "/tus/{}", id="an unfinished upload to end"),
        pytest.param("GET", "/u/{}", id="a drop link's page"),
        pytest.param("GET", "/s/{}/a.txt", id="a token"),
        pytest.param("GET", "/login?next={}", id="where to go after login"),
    ],
)
def test_hostile_text_in_a_url_is_no_error(
    site: Site, root: dict[str, str], method: str, url: str
) -> None:
    headers = {**root, "Tus-Resumable": "1.0.0"}
    statuses = {
        text: site.client.open(
            url.format(text), method=method, headers=headers
        ).status_code
        for text in IN_URLS
    }
    assert max(statuses.values()) < 500, statuses


@pytest.mark.parametrize(
    ("url", "body"),
    [
        pytest.param("/api/v1/revocations", {"path": TEXT}, id="a path"),
        pytest.param("/api/v1/revocations", {"key": TEXT}, id="a key"),
        pytest.param("/api/v1/revocations", {"url": TEXT}, id="a URL"),
        pytest.param("/api/v1/revocations", {"upload": TEXT}, id="an upload"),
        pytest.param("/api/v1/drops", {"expires_in": 9, "title": TEXT}, id="a title"),
        pytest.param("/api/v1/drops", {"expires_in": 9, "types": [TEXT]}, id="a type"),
    ],
)
def test_hostile_text_in_an_object_is_no_error(
    site: Site, root: dict[str, str], url: str, body: dict[str, Any]
) -> None:
    # As JSON writes it: half a surrogate pair is an escape.
    statuses = {
        text: site.client.post(
            url,
            data=json.dumps(body).replace(json.dumps(TEXT), json.dumps(text)),
            content_type="application/json",
            headers=root,
        ).status_code
        for text in IN_OBJECTS
    }
    assert max(statuses.values()) < 500, statuses


@pytest.mark.parametrize("field", ["name", "password", "next"])
def test_hostile_text_in_the_login_is_no_error(site: Site, field: str) -> None:
    fields = {"csrf_token": site.token(), "name": "ann", "password": "x", field: ""}
    data = "&".join(f"{name}={value}" for name, value in fields.items())
    statuses = {
        text: site.client.post(
            "/login",
            data=data.replace(f"{field}=", f"{field}={text}"),
            content_type="application/x-www-form-urlencoded",
            headers={"X-Real-IP": "192.0.2.1"},
        ).status_code
        for text in IN_URLS
    }
    assert max(statuses.values()) < 500, statuses


@pytest.mark.parametrize(
    "header",
    [
        "Authorization",
        "Cookie",
        "Idempotency-Key",
        "Content-Digest",
        "Upload-Metadata",
        "Upload-Length",
        "Upload-Offset",
        "Upload-Concat",
    ],
)
@pytest.mark.parametrize(
    ("method", "path"),
    [
        pytest.param("PUT", "/api/v1/files/a.bin", id="PUT"),
        pytest.param("POST", "/tus/", id="tus"),
    ],
)
def test_hostile_text_in_a_header_is_no_error(
    site: Site, root: dict[str, str], *, method: str, path: str, header: str
) -> None:
    said = {**root, "Tus-Resumable": "1.0.0", "Upload-Length": "1"}
    statuses = ways_in(site, said, method=method, path=path, header=header)
    assert max(statuses.values()) < 500, statuses


@pytest.mark.parametrize(
    "header",
    ["Authorization", "Upload-Length", "Upload-Offset", "Upload-Checksum"],
)
def test_hostile_text_in_a_header_of_a_piece_is_no_error(
    site: Site, root: dict[str, str], header: str
) -> None:
    said = {**root, "Tus-Resumable": "1.0.0"}
    made = site.client.post("/tus/", headers={**said, "Upload-Length": "1"})
    said |= {"Content-Type": "application/offset+octet-stream", "Upload-Offset": "0"}
    path = made.headers["Location"]
    statuses = ways_in(site, said, method="PATCH", path=path, header=header)
    assert max(statuses.values()) < 500, statuses
    assert 415 not in statuses.values()


def ways_in(
    site: Site, said: dict[str, str], *, method: str, path: str, header: str
) -> dict[tuple[str, str], int]:
    """Say each hostile text at both doors; return the answers' statuses."""
    asked = {"X-Original-URI": path, "X-Original-Method": method}
    return {
        (text, url): site.client.open(
            url, method=way, headers={**said, **asked, header: text}
        ).status_code
        for text in IN_HEADERS
        for way, url in (("GET", "/_admit"), (method, path))
    }
