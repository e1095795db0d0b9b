"""Lists come in pages: one scheme for the API and the pages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from gateway.catalog.tokens import Scope
from gateway.catalog.users import Role
from tests.web.conftest import NOON
from tests.web.letterbox import a_token
from tests.web.sharing import Sharer, a_sharer

if TYPE_CHECKING:
    from tests.web.conftest import Site

#: Every list of the API, and the key of its rows.
LISTS = {
    "files": "files",
    "shares": "shares",
    "drops": "drops",
    "revocations": "revocations",
    "shares/{share}/history": "history",
}
EACH_LIST = pytest.mark.parametrize("name", LISTS)


@pytest.fixture
def root(site: Site) -> Sharer:
    """Return an admin with three rows in every list."""
    root = a_sharer(site, "root", Role.ADMIN)
    site.client.put("/api/v1/files/c.txt", headers=root.headers)
    for number in range(3):
        root.share()
        for path, body in (
            ("drops", {"expires_in": 60}),
            ("revocations", {"path": f"ä&{number}"}),
        ):
            site.client.post(f"/api/v1/{path}", json=body, headers=root.headers)
    return root


def url(root: Sharer, name: str) -> str:
    """Return the URL of a list, whose share has been changed twice."""
    share = get(root, "/api/v1/shares")["shares"][0]["id"]
    for title in ("one", "two"):
        root.edit(share, title=title)
    return f"/api/v1/{name.format(share=share)}"


def get(root: Sharer, path: str) -> Any:
    answer = root.site.client.get(path, headers=root.headers)
    assert answer.status_code == 200, answer.text
    return answer.json


@EACH_LIST
def test_a_list_is_read_in_pages_of_any_size(root: Sharer, name: str) -> None:
    path = url(root, name)
    whole = get(root, path)
    pages = [get(root, f"{path}?limit=1")]
    for _ in range(2):
        pages.append(get(root, pages[-1]["next"]))
    assert pages[-1]["next"] is None
    assert whole["next"] is None
    assert len(whole[LISTS[name]]) == 3
    assert [page[LISTS[name]] for page in pages] == [[r] for r in whole[LISTS[name]]]


@EACH_LIST
def test_each_list_refuses_a_bad_limit_by_name(root: Sharer, name: str) -> None:
    answer: Any = root.site.client.get(
        f"{url(root, name)}?limit=x", headers=root.headers
    )
    assert answer.status_code == 400
    assert [fault["field"] for fault in answer.json["errors"]] == ["limit"]


def test_a_limit_is_a_number_from_1_to_100(site: Site) -> None:
    headers = a_sharer(site).headers
    statuses = {
        limit: site.client.get(f"/api/v1/files?limit={limit}", headers=headers).status
        for limit in ("1", "100", "0", "101", "-1", "1.5", "", "%D9%A3", "1_0")
    }
    good = {"1": "200 OK", "100": "200 OK"}
    assert statuses == {**dict.fromkeys(statuses, "400 BAD REQUEST"), **good}


@pytest.mark.parametrize("name", [name for name in LISTS if name != "revocations"])
def test_a_bad_cursor_is_refused_by_name(root: Sharer, name: str) -> None:
    """The cursor of a revocation is its subject, and any text may be one."""
    answer: Any = root.site.client.get(
        f"{url(root, name)}?after=x", headers=root.headers
    )
    fields = {fault["field"] for fault in answer.json["errors"]}
    assert (answer.status_code, fields) == (400, {"after"})


def test_the_last_page_may_be_full(root: Sharer) -> None:
    assert get(root, "/api/v1/files?limit=3")["next"] is None
    assert get(root, "/api/v1/files?limit=2")["next"] is not None


def test_links_to_following_pages_from_before_work(root: Sharer) -> None:
    """A program may have kept one."""
    rows = get(root, "/api/v1/files")["files"]
    old = f"/api/v1/files?after={int(NOON)}.{rows[0]['id']}"
    assert get(root, old)["files"] == rows[1:]


@pytest.mark.parametrize("path", ["/", "/shares", "/drops"])
def test_the_pages_take_the_same_query(root: Sharer, path: str) -> None:
    root.site.log_in("root")
    first = root.site.client.get(f"{path}?limit=1").text
    whole = root.site.client.get(path).text
    assert f"{path}?limit=1&amp;after=" in first
    assert "after=" not in whole
    assert root.site.client.get(f"{path}?limit=x").status_code == 400


def test_a_member_reads_the_history_of_own_shares_alone(site: Site) -> None:
    ann = a_sharer(site)
    bea = a_token(site, site.add_user("bea"), Scope.SHARE)
    path = f"/api/v1/shares/{ann.share(title='A')['id']}/history"
    own: Any = site.client.get(path, headers=ann.headers).json
    assert own["history"] == [
        {"at": int(NOON), "actor": "ann", "action": "created", "detail": ""}
    ]
    assert site.client.get(path, headers=bea).status_code == 404


def test_a_member_reads_what_was_sent_of_own_shares_alone(site: Site) -> None:
    ann = a_sharer(site)
    bea = a_token(site, site.add_user("bea"), Scope.SHARE)
    share = ann.share(to=["reader@example.com"])
    ann.sent(ann.stranger.get(ann.press(share["recipients"][0]["url"]).location))
    path = f"/api/v1/shares/{share['id']}/sent.csv"
    own = site.client.get(path, headers=ann.headers)
    assert own.content_type == "text/csv; charset=utf-8"
    names, row = (line.split(",") for line in own.text.splitlines())
    assert dict(zip(names, row, strict=True))["address"] == "reader@example.com"
    assert site.client.get(path, headers=bea).status_code == 404
