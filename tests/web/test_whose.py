"""Whose uploads and drop links a list shows: one's own, or an admin's choice."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from gateway.catalog import drops, uploads
from gateway.catalog.tokens import Scope
from gateway.catalog.users import Role
from gateway.storage.blobs import new_id
from tests.web.letterbox import a_token
from tests.web.test_uploads import an_upload

if TYPE_CHECKING:
    from gateway.catalog.users import User
    from tests.web.conftest import Site


@dataclass
class Office:
    """A site where ann and bea have an upload each, named after them, and a link."""

    site: Site
    people: dict[str, User]

    def names(self, page: str) -> list[str]:
        """Return what the page lists, as it is logged in."""
        shown = self.site.client.get(page).text
        return sorted(re.findall(r'class="name" href="[^"]*">([^<]*)<', shown))

    def owners(self, kind: str, query: str, token: dict[str, str]) -> list[str]:
        """Return whose the rows of the API's list are."""
        answer: Any = self.site.client.get(f"/api/v1/{kind}{query}", headers=token)
        assert answer.status_code == 200, answer.text
        return sorted(row["owner"] for row in answer.json[kind])


@pytest.fixture
def office(site: Site) -> Office:
    people = {name: site.add_user(name) for name in ("ann", "bea")}
    people["root"] = site.add_user("root", Role.ADMIN)
    with site.database.write() as connection:
        for name in ("ann", "bea"):
            drop = drops.new(
                connection,
                people[name],
                title=f"for {name}",
                max_uploads=None,
                max_size=None,
                types=(),
                expires=None,
                now=1,
            )
            made = an_upload(new_id(), people[name], name=name, drop_id=drop.id)
            uploads.add(connection, made)
    return Office(site, people)


def test_an_admin_sees_everybody_s_files_or_those_of_one(office: Office) -> None:
    """The page leads there, and says whose each one is."""
    office.site.log_in("root")
    own = office.site.client.get("/")
    assert office.names("/") == []
    assert """<a href="/?owner=*">All users' files</a>""" in own.text
    assert office.names("/?owner=*") == ["ann", "bea"]
    everybody = office.site.client.get("/?owner=*").text
    assert "<h1>All users&#39; files</h1>" in everybody
    assert 'href="/?owner=ann">ann</a>' in everybody
    assert 'id="upload"' not in everybody
    assert office.names("/?owner=ann") == ["ann"]
    assert "<h1>Files of ann</h1>" in office.site.client.get("/?owner=ann").text


def test_what_came_by_a_link_is_led_to_in_the_same_list(office: Office) -> None:
    """Among an admin's own files there is none that came by ann's link."""
    office.site.log_in("root")
    page = office.site.client.get("/?owner=*").text
    found = re.search(r'href="([^"]*)">for ann<', page)
    assert found is not None
    assert office.names(found[1].replace("&amp;", "&")) == ["ann"]


def test_who_deletes_a_file_comes_back_to_the_list(office: Office) -> None:
    """Not to the admin's own files, which are others."""
    office.site.log_in("root")
    page = office.site.client.get("/?owner=ann").text
    fields = dict(re.findall(r'name="(csrf_token|id|next)" value="([^"]*)"', page))
    answer = office.site.client.post("/delete", data=fields)
    assert (answer.status_code, answer.location) == (303, "/?owner=ann")
    assert office.names("/?owner=*") == ["bea"]


def test_a_delete_leads_to_no_other_site(office: Office) -> None:
    """The form's field is whatever a client sends."""
    office.site.log_in("ann")
    page = office.site.client.get("/").text
    fields = dict(re.findall(r'name="(csrf_token|id)" value="([^"]*)"', page))
    fields["next"] = "//elsewhere.example"
    assert office.site.client.post("/delete", data=fields).location == "/"


@pytest.mark.parametrize("kind", ["files", "drops"])
@pytest.mark.parametrize(
    ("query", "owners"),
    [
        pytest.param("", [], id="own"),
        pytest.param("?owner=*", ["ann", "bea"], id="everybody's"),
        pytest.param("?owner=bea", ["bea"], id="one user's"),
    ],
)
def test_an_admin_s_token_lists_whose_rows_it_asks_for(
    office: Office, kind: str, query: str, owners: list[str]
) -> None:
    """Without a choice the rows are the caller's own, whoever that is."""
    token = a_token(office.site, office.people["root"], *Scope)
    assert office.owners(kind, query, token) == owners


@pytest.mark.parametrize("kind", ["files", "drops"])
@pytest.mark.parametrize(
    ("name", "scopes"),
    [
        pytest.param("ann", tuple(Scope), id="member"),
        pytest.param("root", (Scope.READ, Scope.SHARE), id="admin-without-the-scope"),
    ],
)
@pytest.mark.parametrize("owner", ["*", "bea", "nobody"])
def test_nobody_else_lists_other_people_s(
    office: Office, kind: str, name: str, scopes: tuple[Scope, ...], owner: str
) -> None:
    """Nor learns which users there are."""
    token = a_token(office.site, office.people[name], *scopes)
    answer = office.site.client.get(f"/api/v1/{kind}?owner={owner}", headers=token)
    assert answer.status_code == 403
    assert office.owners(kind, "", token) == [name] * (name == "ann")


def test_a_member_has_no_page_of_other_people_s(office: Office) -> None:
    """Nor a link to one."""
    office.site.log_in("ann")
    assert office.site.client.get("/?owner=bea").status_code == 403
    assert "owner=" not in office.site.client.get("/").text


@pytest.mark.parametrize("path", ["/?owner=", "/api/v1/files?owner="])
def test_a_user_that_does_not_exist_has_no_list(office: Office, path: str) -> None:
    """An empty one would seem to be that of somebody."""
    office.site.log_in("root")
    assert office.site.client.get(f"{path}nobody").status_code == 404


def test_a_long_list_stays_whose_it_is(office: Office) -> None:
    """The following page is that of the same choice."""
    with office.site.database.write() as connection:
        for _ in range(100):
            uploads.add(connection, an_upload(new_id(), office.people["ann"]))
    token = a_token(office.site, office.people["root"], *Scope)
    first: Any = office.site.client.get("/api/v1/files?owner=*", headers=token).json
    second: Any = office.site.client.get(first["next"], headers=token).json
    assert len(first["files"] + second["files"]) == 102
    office.site.log_in("root")
    page = office.site.client.get("/?owner=*").text
    found = re.search(r'href="([^"]*)" rel="next"', page)
    assert found is not None
    assert len(office.names("/?owner=*")) == 100
    assert len(office.names(found[1].replace("&amp;", "&"))) == 2
