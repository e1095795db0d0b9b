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
    from tests.web.conftest import MakeSite, Site

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
def site(make_site: MakeSite) -> Site:
    """Make a site that refuses nothing because of what was sent before."""
    return make_site(GATEWAY_UPLOADS_PER_USER="0")


@pytest.fixture
def root(site: Site) -> dict[str, str]:
    """Return the headers of an admin's token."""
    user = site.add_user("root", Role.ADMIN)
    with site.database.write() as connection:
        text = tokens.new(connection, user, scopes=list(Scope), expires=None, now=1)
    return {"Authorization": f"Bearer {text}"}


URLS = [
    ("GET", "/api/v1/revocations?after={}"),
    ("DELETE", "/api/v1/revocations/{}"),
    ("DELETE", "/api/v1/revocations/path:{}"),
    ("GET", "/api/v1/files?after={}"),
    ("GET", "/api/v1/files?after={}.aaaaaaaaaaaa"),
    ("GET", "/api/v1/files?drop={}"),
    ("GET", "/api/v1/files?owner={}"),
    ("GET", "/api/v1/files/{}"),
    ("DELETE", "/api/v1/files/{}"),
    ("GET", "/files/{}/a"),
    ("GET", "/api/v1/drops?after={}"),
    ("DELETE", "/api/v1/drops/{}"),
    ("HEAD", "/tus/{}"),
    ("DELETE", "/tus/{}"),
    ("GET", "/u/{}"),
    ("GET", "/s/{}/a.txt"),
    ("GET", "/login?next={}"),
]


def test_hostile_text_in_a_url_is_no_error(site: Site, root: dict[str, str]) -> None:
    headers = {**root, "Tus-Resumable": "1.0.0"}
    statuses = {
        (method, url, text): site.client.open(
            url.format(text), method=method, headers=headers
        ).status_code
        for method, url in URLS
        for text in IN_URLS
    }
    assert {asked: s for asked, s in statuses.items() if s >= 500} == {}


BODIES: list[tuple[str, dict[str, Any]]] = [
    ("/api/v1/revocations", {"path": TEXT}),
    ("/api/v1/revocations", {"key": TEXT}),
    ("/api/v1/revocations", {"url": TEXT}),
    ("/api/v1/revocations", {"upload": TEXT}),
    ("/api/v1/drops", {"expires_in": 9, "title": TEXT}),
    ("/api/v1/drops", {"expires_in": 9, "types": [TEXT]}),
]


def test_hostile_text_in_an_object_is_no_error(
    site: Site, root: dict[str, str]
) -> None:
    # As JSON writes it: half a surrogate pair is an escape.
    statuses = {
        (url, sent): site.client.post(
            url, data=sent, content_type="application/json", headers=root
        ).status_code
        for url, body in BODIES
        for text in IN_OBJECTS
        for sent in [json.dumps(body).replace(json.dumps(TEXT), json.dumps(text))]
    }
    assert {asked: s for asked, s in statuses.items() if s >= 500} == {}


def test_hostile_text_in_the_login_is_no_error(site: Site) -> None:
    token = site.token()
    statuses = {
        (field, text): site.client.post(
            "/login",
            data="&".join(f"{n}={v}" for n, v in {**form, field: text}.items()),
            content_type="application/x-www-form-urlencoded",
            headers={"X-Real-IP": "192.0.2.1"},
        ).status_code
        for field in ("name", "password", "next")
        # Each has an account of its own: ten wrong passwords close one.
        for form in [{"csrf_token": token, "name": f"by-{field}", "password": "x"}]
        for text in IN_URLS
    }
    assert {asked: s for asked, s in statuses.items() if s >= 500} == {}


@pytest.mark.parametrize(
    ("method", "path", "own"),
    [
        pytest.param(
            "PUT",
            "/api/v1/files/a.bin",
            ["Idempotency-Key", "Content-Digest"],
            id="PUT",
        ),
        pytest.param(
            "POST",
            "/tus/",
            ["Upload-Metadata", "Upload-Length", "Upload-Offset", "Upload-Concat"],
            id="tus",
        ),
    ],
)
def test_hostile_text_in_a_header_is_no_error(
    site: Site, root: dict[str, str], *, method: str, path: str, own: list[str]
) -> None:
    said = {**root, "Tus-Resumable": "1.0.0", "Upload-Length": "1"}
    headers = ["Authorization", "Cookie", *own]
    statuses = ways_in(site, said, method=method, path=path, headers=headers)
    assert {asked: s for asked, s in statuses.items() if s >= 500} == {}


def test_hostile_text_in_a_header_of_a_piece_is_no_error(
    site: Site, root: dict[str, str]
) -> None:
    said = {**root, "Tus-Resumable": "1.0.0"}
    made = site.client.post("/tus/", headers={**said, "Upload-Length": "1"})
    said |= {"Content-Type": "application/offset+octet-stream", "Upload-Offset": "0"}
    path = made.headers["Location"]
    headers = ["Authorization", "Upload-Length", "Upload-Offset", "Upload-Checksum"]
    statuses = ways_in(site, said, method="PATCH", path=path, headers=headers)
    assert {asked: s for asked, s in statuses.items() if s >= 500} == {}
    assert 415 not in statuses.values()


def ways_in(
    site: Site, said: dict[str, str], *, method: str, path: str, headers: list[str]
) -> dict[tuple[str, str, str], int]:
    """Say each hostile text at both endpoints; return the answers' statuses."""
    asked = {"X-Original-URI": path, "X-Original-Method": method}
    return {
        (header, text, url): site.client.open(
            url, method=way, headers={**said, **asked, header: text}
        ).status_code
        for header in headers
        for text in IN_HEADERS
        for way, url in (("GET", "/_admit"), (method, path))
    }
