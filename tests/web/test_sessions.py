"""Who is logged in, until when, and which of their requests count."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gateway.catalog import users
from gateway.catalog.users import Role
from gateway.links import Key, KeyRing
from tests.web.conftest import PASSWORD, csrf_token

if TYPE_CHECKING:
    from gateway.catalog.users import User
    from tests.web.conftest import MakeSite, Site

LIFE = 43_200


def is_logged_in(site: Site) -> bool:
    return site.client.get("/").status_code == 200


@pytest.mark.usefixtures("ann")
def test_a_login_lasts_until_its_life_is_over(site: Site) -> None:
    site.now += LIFE - 1
    last = is_logged_in(site)
    site.now += 1
    assert (last, is_logged_in(site)) == (True, False)


@pytest.mark.usefixtures("ann")
def test_using_a_session_does_not_prolong_it(site: Site) -> None:
    site.now += LIFE - 1
    site.client.get("/")
    site.now += 1
    assert not is_logged_in(site)


@pytest.mark.usefixtures("ann")
def test_a_new_password_ends_the_sessions_elsewhere(site: Site) -> None:
    elsewhere = site.client.application.test_client()
    page = elsewhere.get("/login")
    elsewhere.post(
        "/login",
        data={
            "csrf_token": csrf_token(page),
            "name": "ann",
            "password": PASSWORD,
        },
    )
    before = elsewhere.get("/").status_code
    changed = site.client.post(
        "/password",
        data={
            "csrf_token": site.token("/password"),
            "current": PASSWORD,
            "new": "another long one",
            "again": "another long one",
        },
    )
    assert (before, changed.status_code) == (200, 303)
    assert elsewhere.get("/").status_code == 303
    assert "The new password is set." in site.client.get("/").text


def test_a_disabled_user_is_logged_out(site: Site, ann: User) -> None:
    with site.database.write() as connection:
        users.set_disabled(connection, ann, is_disabled=True)
    assert not is_logged_in(site)


def test_a_user_who_was_enabled_again_logs_in_again(site: Site, ann: User) -> None:
    with site.database.write() as connection:
        users.set_disabled(connection, ann, is_disabled=True)
        users.set_disabled(connection, ann, is_disabled=False)
    assert not is_logged_in(site)


def test_nothing_of_the_session_before_the_login_is_left(site: Site) -> None:
    site.add_user("ann")
    before = site.token()
    with site.client.session_transaction() as session:
        session["planted"] = "by somebody else"
        raw = session["csrf_token"]
    site.log_in()
    after = site.token("/")
    with site.client.session_transaction() as session:
        assert "planted" not in session
        assert session["csrf_token"] != raw
    assert after != before


@pytest.mark.usefixtures("ann")
def test_a_key_that_was_rotated_away_from_ends_no_session(
    make_site: MakeSite, site: Site
) -> None:
    old = site.ring.newest
    token = site.token("/")
    cookie = site.client.get_cookie("gateway")
    assert cookie is not None
    later = make_site(GATEWAY_KEYS=str(KeyRing((Key.generate(), old))))
    later.client.set_cookie("gateway", cookie.value)
    assert is_logged_in(later)
    done = later.client.post("/logout", data={"csrf_token": token})
    assert done.status_code == 303


@pytest.mark.usefixtures("ann")
def test_a_retired_key_ends_its_sessions(make_site: MakeSite, site: Site) -> None:
    cookie = site.client.get_cookie("gateway")
    assert cookie is not None
    later = make_site(GATEWAY_KEYS=str(KeyRing((Key.generate(),))))
    later.client.set_cookie("gateway", cookie.value)
    assert not is_logged_in(later)


@pytest.mark.parametrize(
    ("url", "name", "is_secure"),
    [
        pytest.param("http://files.example.com", "gateway=", False, id="http"),
        pytest.param("https://files.example.com", "__Host-gateway=", True, id="https"),
    ],
)
def test_the_cookie_is_for_this_site_alone(
    make_site: MakeSite,
    url: str,
    name: str,
    is_secure: bool,  # noqa: FBT001
) -> None:
    site = make_site(GATEWAY_PUBLIC_URL=url)
    cookie = site.client.get("/login").headers["Set-Cookie"]
    words = {word.strip() for word in cookie.split(";")}
    assert cookie.startswith(name)
    assert {"HttpOnly", "SameSite=Lax", "Path=/"} <= words
    assert ("Secure" in words) == is_secure
    assert "Domain" not in cookie


def test_a_login_needs_the_token_of_its_own_page(site: Site) -> None:
    site.add_user("ann")
    fields = {"name": "ann", "password": PASSWORD}
    without = site.client.post("/login", data=fields)
    foreign = site.client.application.test_client().get("/login")
    stolen = site.client.post(
        "/login", data={**fields, "csrf_token": csrf_token(foreign)}
    )
    assert (without.status_code, stolen.status_code) == (403, 403)
    assert without.headers["X-Gateway-Reason"] == "csrf"
    assert not is_logged_in(site)


def test_who_was_refused_for_an_old_page_can_try_again_at_once(site: Site) -> None:
    site.add_user("ann")
    refused = site.client.post("/login", data={"name": "ann", "password": PASSWORD})
    again = site.client.post(
        "/login",
        data={
            "name": "ann",
            "password": PASSWORD,
            "csrf_token": csrf_token(refused),
        },
    )
    assert again.status_code == 303


@pytest.mark.usefixtures("ann")
@pytest.mark.parametrize(
    "path",
    [
        pytest.param("/logout", id="logout"),
        pytest.param("/password", id="password"),
        pytest.param("/delete", id="delete"),
    ],
)
def test_a_form_without_its_token_does_nothing(site: Site, path: str) -> None:
    answer = site.client.post(path, data={"current": PASSWORD, "csrf_token": "x"})
    assert answer.status_code == 403
    assert "Nothing was done" in answer.text
    assert is_logged_in(site)


@pytest.mark.parametrize(
    "path",
    [
        pytest.param("/password", id="password"),
        pytest.param("/delete", id="delete"),
    ],
)
def test_a_form_of_nobody_does_nothing(site: Site, path: str) -> None:
    answer = site.client.post(path, data={"csrf_token": site.token()})
    assert answer.status_code == 401
    assert "Log in" in answer.text


@pytest.mark.usefixtures("ann")
@pytest.mark.parametrize("method", [pytest.param(m, id=m) for m in ("PUT", "DELETE")])
def test_a_script_needs_the_token_for_what_changes_something(
    site: Site, method: str
) -> None:
    path = "/api/v1/files/" + "a" * 26
    without = site.client.open(path, method=method)
    token = {"X-CSRF-Token": site.token("/")}
    with_it = site.client.open(path, method=method, headers=token)
    assert without.status_code == 403
    assert without.headers["X-Gateway-Reason"] == "csrf"
    assert with_it.headers.get("X-Gateway-Reason") != "csrf"


@pytest.mark.usefixtures("ann")
def test_reading_needs_no_token(site: Site) -> None:
    assert site.client.get("/api/v1/files").status_code == 200


@pytest.mark.usefixtures("ann")
def test_an_admission_judges_the_request_that_it_is_about(site: Site) -> None:
    about = {
        "X-Original-Method": "PUT",
        "X-Original-URI": "/api/v1/files/a.txt",
        "X-Original-Length": "5",
        "X-Request-ID": "a",
    }
    without = site.client.get("/_admit", headers=about)
    with_it = site.client.get(
        "/_admit", headers={**about, "X-CSRF-Token": site.token("/")}
    )
    assert (without.status_code, with_it.status_code) == (403, 204)


@pytest.mark.usefixtures("ann")
def test_a_bearer_token_counts_before_a_session(site: Site) -> None:
    answer = site.client.get(
        "/api/v1/files", headers={"Authorization": "Bearer nobody's"}
    )
    assert answer.status_code == 401


@pytest.mark.usefixtures("ann")
@pytest.mark.parametrize(
    ("role", "status"),
    [
        pytest.param(Role.MEMBER, 404, id="member"),
        pytest.param(Role.ADMIN, 200, id="admin"),
    ],
)
def test_an_admin_s_session_opens_everybody_s_uploads(
    site: Site, role: Role, status: int
) -> None:
    token = {"X-CSRF-Token": site.token("/")}
    made = site.client.put("/api/v1/files/a.txt", headers=token).json
    assert made is not None
    site.client.post("/logout", data={"csrf_token": site.token("/")})
    site.add_user("bea", role)
    site.log_in("bea")
    assert site.client.get(made["url"]).status_code == status


@pytest.mark.usefixtures("ann")
def test_a_cookie_that_was_changed_is_nobody_s(site: Site) -> None:
    cookie = site.client.get_cookie("gateway")
    assert cookie is not None
    site.client.set_cookie("gateway", "x" + cookie.value)
    assert not is_logged_in(site)
