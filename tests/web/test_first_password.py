"""The first administrator's password: in a file, and changed at the first login."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gateway.catalog import tokens, users
from gateway.catalog.tokens import Scope
from gateway.runtime.prepare import make_first_admin

if TYPE_CHECKING:
    from pathlib import Path

    from werkzeug.test import TestResponse

    from tests.web.conftest import Site

NEW = "a password of my own"
PEOPLE = {"Accept": "text/html"}


@pytest.fixture
def first(site: Site) -> Path:
    """Make the administrator of an empty gateway, and log in; return the file."""
    path = site.store.parent / "first-password"
    assert make_first_admin(site.database, path, now=int(site.now))
    assert site.log_in("admin", path.read_text().strip()).status_code == 303
    return path


def change(site: Site, path: Path, **fields: str) -> TestResponse:
    good = {"current": path.read_text().strip(), "new": NEW, "again": NEW}
    token = {"csrf_token": site.token("/password")}
    return site.client.post("/password", data={**good, **token, **fields})


def test_it_is_in_a_file_for_its_owner_alone(first: Path) -> None:
    assert first.stat().st_mode & 0o777 == 0o600
    assert first.read_text().count("\n") == 1


def test_it_is_made_once(site: Site, first: Path) -> None:
    before = first.read_text()
    assert not make_first_admin(site.database, first, now=int(site.now))
    assert first.read_text() == before


def test_no_password_is_written_where_there_are_users(site: Site) -> None:
    site.add_user("ann")
    path = site.store.parent / "first-password"
    assert not make_first_admin(site.database, path, now=int(site.now))
    assert not path.exists()


@pytest.mark.usefixtures("first")
@pytest.mark.parametrize(
    "path",
    [pytest.param(path, id=path) for path in ("/", "/drops", "/sessions")],
)
def test_every_page_leads_to_the_new_password(site: Site, path: str) -> None:
    answer = site.client.get(path, headers=PEOPLE)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/password")


@pytest.mark.usefixtures("first")
@pytest.mark.parametrize(
    ("method", "path"),
    [
        pytest.param("POST", "/drops", id="a drop link"),
        pytest.param("POST", "/delete", id="a delete"),
        pytest.param("POST", "/sessions/end", id="a session's end"),
        pytest.param("GET", "/api/v1/files", id="the list"),
        pytest.param("PUT", "/api/v1/files/a.txt", id="an upload"),
        pytest.param("GET", f"/files/{'a' * 26}/a.txt", id="a file"),
    ],
)
def test_nothing_else_can_be_done_before(site: Site, method: str, path: str) -> None:
    token = {"X-CSRF-Token": site.token("/password"), "Accept": "application/json"}
    answer = site.client.open(path, method=method, headers=token)
    assert answer.status_code == 403
    assert answer.headers["X-Gateway-Reason"] == "new-password"


@pytest.mark.usefixtures("first")
def test_an_upload_is_not_admitted_before(site: Site) -> None:
    about = {
        "X-Original-Method": "PUT",
        "X-Original-URI": "/api/v1/files/a.txt",
        "X-Original-Length": "5",
        "X-Request-ID": "a",
        "X-CSRF-Token": site.token("/password"),
    }
    answer = site.client.get("/_admit", headers=about)
    assert answer.headers["X-Gateway-Reason"] == "new-password"


def test_a_password_of_their_own_opens_everything(site: Site, first: Path) -> None:
    answer = change(site, first)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/")
    assert site.client.get("/").status_code == 200
    assert not first.exists()
    with site.database.read() as connection:
        assert not users.by_name(connection, "admin").must_change_password


def test_the_same_password_is_not_one_of_their_own(site: Site, first: Path) -> None:
    same = first.read_text().strip()
    answer = change(site, first, new=same, again=same)
    assert (answer.status_code, first.exists()) == (400, True)
    assert "must differ from the temporary password" in answer.text
    assert site.client.get("/", headers={"Accept": "text/html"}).status_code == 303


def test_they_can_log_out_before(site: Site, first: Path) -> None:
    token = {"csrf_token": site.token("/password")}
    assert site.client.post("/logout", data=token).headers["Location"] == "/login"
    assert first.exists()


@pytest.mark.usefixtures("first")
def test_a_token_of_theirs_works_before(site: Site) -> None:
    """Tokens are made by somebody who has the server: there is no first login."""
    with site.database.write() as connection:
        admin = users.by_name(connection, "admin")
        text = tokens.new(connection, admin, scopes=[Scope.READ], expires=None, now=1)
    site.client.delete_cookie("gateway")
    reading = {"Authorization": f"Bearer {text}"}
    assert site.client.get("/api/v1/files", headers=reading).status_code == 200
