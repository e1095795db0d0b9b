"""Drop links, as their makers have them: made, listed and ended."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from gateway.catalog.tokens import Scope
from gateway.catalog.users import Role
from gateway.links import Key
from gateway.links.restriction import Kind, Restriction
from tests.web.conftest import NOON
from tests.web.letterbox import (
    Letterbox,
    a_letterbox,
    a_token,
    made_before_the_secret,
)
from tests.web.test_upload_form import names

if TYPE_CHECKING:
    from werkzeug.test import TestResponse

    from gateway.catalog.users import User
    from tests.web.conftest import MakeSite, Site


@pytest.fixture
def box(site: Site) -> Letterbox:
    return a_letterbox(site)


# For makers: the API


def requested(**fields: object) -> dict[str, object]:
    return {"expires_in": 60, **fields}


@pytest.fixture
def sharing(site: Site, ann: User) -> dict[str, str]:
    """Return the headers of a token of ann's that may share."""
    return a_token(site, ann, Scope.SHARE)


def make(site: Site, headers: dict[str, str], **fields: object) -> TestResponse:
    return site.client.post("/api/v1/drops", json=requested(**fields), headers=headers)


def test_a_link_is_made_listed_and_revoked(site: Site, sharing: dict[str, str]) -> None:
    made = make(
        site,
        sharing,
        title=" Q3\n reports ",
        max_uploads=5,
        max_size=1000,
        max_total=5000,
        types=["IMAGE/*", "image/*"],
    )
    body: Any = made.json
    listing: Any = site.client.get("/api/v1/drops", headers=sharing).json
    url = f"/api/v1/drops/{body['id']}"
    page = site.client.get(body["url"]).status_code
    ended = [site.client.delete(url, headers=sharing).status_code for _ in range(2)]
    assert made.status_code == 201
    assert listing == {"drops": [body], "next": None}
    assert {k: v for k, v in body.items() if k not in {"id", "url"}} == {
        "owner": "ann",
        "title": "Q3 reports",
        "state": "open",
        "max_uploads": 5,
        "taken": 0,
        "max_size": 1000,
        "max_total": 5000,
        "stored_bytes": 0,
        "types": ["image/*"],
        "created": int(NOON),
        "expires": int(NOON) + 60,
        "revoked": None,
    }
    assert (page, ended) == (200, [204, 204])
    assert site.client.get(body["url"]).status_code == 410


def test_a_link_that_no_key_signs_any_more_has_no_url(make_site: MakeSite) -> None:
    """It is from before the server secret, and all keys are restricted since."""
    key = Key.generate(Restriction(only=Kind.FILES))
    box = a_letterbox(make_site(GATEWAY_KEYS=str(key)))
    made_before_the_secret(box)
    sharing = a_token(box.site, box.maker, Scope.SHARE)
    listing: Any = box.site.client.get("/api/v1/drops", headers=sharing).json
    box.site.log_in()
    page = box.site.client.get("/drops").text
    assert [drop["url"] for drop in listing["drops"]] == [None]
    assert "This link no longer works" in page
    assert "/u/" not in page


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        pytest.param({"expires_in": None}, "", id="no end"),
        pytest.param({"expires_in": 0}, "expires_in", id="no life"),
        pytest.param({"expires_in": 253_402_300_799}, "expires", id="beyond time"),
        pytest.param({"expires_in": None, "expires": 1}, "expires", id="long ago"),
        pytest.param({"max_uploads": 0}, "max_uploads", id="no file"),
        pytest.param({"max_uploads": 10**30}, "max_uploads", id="any number"),
        pytest.param({"max_uploads": "5"}, "max_uploads", id="text for a number"),
        pytest.param({"max_size": -1}, "max_size", id="less than nothing"),
        pytest.param({"max_size": 10**16}, "max_size", id="beyond disks"),
        pytest.param({"max_total": 0}, "max_total", id="nothing in all"),
        pytest.param({"types": ["pictures"]}, "types", id="no type"),
        pytest.param(
            {"types": [f"a/{n}" for n in range(21)]}, "types", id="many types"
        ),
        pytest.param({"title": "x" * 201}, "title", id="a long title"),
        pytest.param({"tilte": "x"}, "tilte", id="unknown"),
    ],
)
def test_a_wish_that_makes_no_sense_names_the_field(
    site: Site, sharing: dict[str, str], fields: dict[str, object], named: str
) -> None:
    answer = make(site, sharing, **fields)
    body: Any = answer.json
    assert answer.status_code == 400
    assert named in [error["field"] for error in body["errors"]]


def test_one_without_an_end_says_so(site: Site, sharing: dict[str, str]) -> None:
    answer = make(site, sharing, expires_in=None, expires="never")
    body: Any = answer.json
    assert (answer.status_code, body["expires"]) == (201, None)


@pytest.mark.parametrize(
    ("role", "scopes", "status"),
    [
        pytest.param(Role.MEMBER, (Scope.SHARE,), 404, id="another member"),
        pytest.param(Role.ADMIN, (Scope.SHARE,), 404, id="an admin without scope"),
        pytest.param(Role.ADMIN, (Scope.SHARE, Scope.ADMIN), 204, id="an admin"),
        pytest.param(Role.MEMBER, (Scope.UPLOAD, Scope.READ), 403, id="no scope"),
    ],
)
def test_links_of_others_are_for_admins(
    box: Letterbox, role: Role, scopes: tuple[Scope, ...], status: int
) -> None:
    headers = a_token(box.site, box.site.add_user("bea", role), *scopes)
    url = f"/api/v1/drops/{box.drop.id}"
    assert box.site.client.delete(url, headers=headers).status_code == status


@pytest.mark.parametrize(
    "drop_id",
    [
        pytest.param("a" * 12, id="unknown"),
        pytest.param("%00" * 12, id="NUL"),
    ],
)
def test_there_is_nothing_to_revoke_where_nothing_is(
    site: Site, sharing: dict[str, str], drop_id: str
) -> None:
    answer = site.client.delete(f"/api/v1/drops/{drop_id}", headers=sharing)
    assert answer.status_code == 404


def test_many_links_come_in_pages(site: Site, sharing: dict[str, str]) -> None:
    made = set()
    for _ in range(101):
        body: Any = make(site, sharing).json
        made.add(body["id"])
    first: Any = site.client.get("/api/v1/drops", headers=sharing).json
    second: Any = site.client.get(first["next"], headers=sharing).json
    assert (len(first["drops"]), len(second["drops"])) == (100, 1)
    assert {drop["id"] for drop in first["drops"] + second["drops"]} == made


@pytest.mark.parametrize(
    "query",
    [
        pytest.param("drops?after=1.x", id="no place"),
        pytest.param("drops?after=1." + "a" * 26, id="a file's"),
        pytest.param("files?after=1." + "a" * 12, id="a link's"),
        pytest.param("files?drop=x", id="no link"),
    ],
)
def test_a_place_that_is_none_is_refused(site: Site, ann: User, query: str) -> None:
    headers = a_token(site, ann, Scope.SHARE, Scope.READ)
    assert site.client.get(f"/api/v1/{query}", headers=headers).status_code == 400


def test_what_came_by_one_link_can_be_listed(box: Letterbox) -> None:
    box.put("by-link.txt")
    both = a_token(box.site, box.maker, Scope.UPLOAD, Scope.READ)
    box.site.client.put("/api/v1/files/own.txt", headers={**both, "X-Request-ID": "b"})
    found: Any = box.site.client.get(
        f"/api/v1/files?drop={box.drop.id}", headers=both
    ).json
    assert [upload["name"] for upload in found["files"]] == ["by-link.txt"]


# For makers: the pages


def submit(site: Site, **fields: object) -> TestResponse:
    token = site.token("/drops")
    return site.client.post("/drops", data={"csrf_token": token, **fields})


@pytest.mark.usefixtures("ann")
def test_a_link_is_made_and_ended_by_forms(site: Site) -> None:
    made = submit(
        site,
        title="<b>Photos</b>",
        max_uploads="2",
        max_size="5",
        type=["image/*", "application/pdf"],
        life="1",
    )
    page = site.client.get("/drops").text
    found = re.search(r'href="(/u/[^"]+)"', page)
    drop_id = re.search(r'name="id" value="([^"]+)"', page)
    assert made.status_code == 303
    assert found is not None
    assert drop_id is not None
    assert "&lt;b&gt;Photos" in page
    words = re.sub("<[^>]+>", "", page)
    assert (
        "Accepts only images and PDF. Up to 2 more files. Open until 2027-01-16 08:00"
        in words
    )
    assert "Up to 5.0 MiB per file." in page
    shown = site.client.get(found[1]).status_code
    fields = {"csrf_token": site.token("/drops"), "id": drop_id[1]}
    ended = site.client.post("/drops/revoke", data=fields)
    assert (shown, ended.status_code) == (200, 303)
    assert site.client.get(found[1]).status_code == 410
    assert "revoked" in site.client.get("/drops").text


@pytest.mark.parametrize(
    "life",
    [pytest.param("", id="until it is ended"), pytest.param("365", id="a year")],
)
@pytest.mark.usefixtures("ann")
def test_a_life_is_chosen(site: Site, life: str) -> None:
    submit(site, life=life)
    assert ("Open until" in site.client.get("/drops").text) == bool(life)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        pytest.param({"max_uploads": "many"}, "number of files", id="no number"),
        pytest.param({"max_uploads": "9" * 5000}, "number of files", id="endless"),
        pytest.param({"max_size": "²"}, "Maximum size", id="a digit that is none"),
        pytest.param({"type": "pictures"}, "file types from the list", id="no kind"),
        pytest.param({"life": "x"}, "expiry from the list", id="no time"),
        pytest.param({"title": "x" * 201}, "title is too long", id="title"),
    ],
)
@pytest.mark.usefixtures("ann")
def test_a_form_that_makes_no_sense_is_shown_again(
    site: Site, fields: dict[str, str], said: str
) -> None:
    answer = submit(site, **fields)
    assert answer.status_code == 400
    assert said in answer.text
    assert "No drop links yet." in answer.text


@pytest.mark.usefixtures("ann")
def test_what_was_typed_is_there_again(site: Site) -> None:
    page = submit(site, title='"><i>', type="image/*", max_size="x", life="30").text
    assert 'value="&#34;&gt;&lt;i&gt;"' in page
    assert 'value="image/*" checked' in page
    assert 'value="30" selected' in page


@pytest.mark.parametrize(
    "path", [pytest.param("/drops", id="make"), pytest.param("/drops/revoke", id="end")]
)
@pytest.mark.usefixtures("ann")
def test_another_site_s_form_does_nothing(site: Site, path: str) -> None:
    answer = site.client.post(path, data={"title": "x", "id": "a" * 12})
    assert (answer.status_code, answer.headers["X-Gateway-Reason"]) == (403, "csrf")


def test_who_is_not_logged_in_is_led_to_the_login(site: Site) -> None:
    answer = site.client.get("/drops")
    assert answer.headers["Location"] == "/login?next=/drops"


@pytest.mark.usefixtures("ann")
def test_the_header_leads_to_the_page(site: Site) -> None:
    assert '<a href="/drops">' in site.client.get("/").text


def test_the_maker_s_pages_say_what_came_by_which_link(box: Letterbox) -> None:
    box.put("by-link.txt")
    box.site.log_in()
    listed = box.site.client.get("/drops").text
    home = box.site.client.get("/").text
    chosen = box.site.client.get(f"/?drop={box.drop.id}").text
    other = box.site.client.get(f"/?drop={'a' * 12}").text
    assert f'<a href="/?drop={box.drop.id}">1 file received</a>' in listed
    assert ">Holiday &lt;photos&gt;</a>" in home
    assert ("by-link.txt" in chosen, "by-link.txt" in other) == (True, False)


def test_a_link_of_somebody_else_s_is_not_shown(box: Letterbox) -> None:
    box.site.add_user("bea")
    box.site.log_in("bea")
    fields = {"csrf_token": box.site.token("/drops"), "id": box.drop.id}
    ended = box.site.client.post("/drops/revoke", data=fields)
    assert box.drop.id not in box.site.client.get("/drops").text
    assert (ended.status_code, box.show().status_code) == (404, 200)
    assert names(box.site) == []
