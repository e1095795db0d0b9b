"""Who is logged in, until when, and which of their requests count."""

from __future__ import annotations

import hmac
import time
import zlib
from base64 import urlsafe_b64encode
from typing import TYPE_CHECKING

import pytest
from flask import Flask
from flask.sessions import SecureCookieSessionInterface
from itsdangerous import TimestampSigner, URLSafeTimedSerializer

from gateway.catalog import login_sessions, tokens, users
from gateway.catalog.tokens import Scope
from gateway.catalog.users import Role
from gateway.links import Key, KeyRing
from tests.web.conftest import NOON, PASSWORD, csrf_token

if TYPE_CHECKING:
    from flask.testing import FlaskClient

    from gateway.catalog.login_sessions import Session
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


def test_a_cookie_of_a_gateway_whose_clock_is_ahead_is_good(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.add_user("ann")
    with monkeypatch.context() as patch:
        ahead = int(time.time()) + 30
        patch.setattr(TimestampSigner, "get_timestamp", lambda _: ahead)
        site.log_in()
    assert is_logged_in(site)


def test_a_cookie_that_the_gateway_has_not_signed_is_not_unpacked(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A few kilobytes may unpack to as many megabytes."""
    monkeypatch.setattr(URLSafeTimedSerializer, "load_payload", _fail)
    packed = urlsafe_b64encode(zlib.compress(b"[" + b"[]," * 99 + b"[]]")).decode()
    site.client.set_cookie("gateway", f".{packed}.AAAA.{'x' * 27}")
    assert site.client.get("/login").status_code == 200


def _fail(*_: object) -> None:
    raise AssertionError


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
    assert "Your password was changed." in site.client.get("/").text


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
def test_sessions_do_not_depend_on_link_keys(make_site: MakeSite, site: Site) -> None:
    token = site.token("/")
    cookie = site.client.get_cookie("gateway")
    assert cookie is not None
    later = make_site(GATEWAY_KEYS=str(KeyRing((Key.generate(),))))
    later.client.set_cookie("gateway", cookie.value)
    assert is_logged_in(later)
    done = later.client.post("/logout", data={"csrf_token": token})
    assert done.status_code == 303


@pytest.mark.usefixtures("ann")
def test_a_secret_that_is_rotated_ends_all_sessions(
    make_site: MakeSite, site: Site
) -> None:
    cookie = site.client.get_cookie("gateway")
    assert cookie is not None
    later = make_site(GATEWAY_SECRET=str(site.secret.rotated()))
    later.client.set_cookie("gateway", cookie.value)
    assert not is_logged_in(later)


@pytest.mark.parametrize(
    "purpose",
    [
        pytest.param(purpose, id=purpose)
        for purpose in ("accel-gateway.session.1", "accel-gateway.session.2")
    ],
)
def test_a_link_key_signs_no_session(site: Site, purpose: str) -> None:
    """With its key, a host that mints links made itself administrator once."""
    user = site.add_user("ann", Role.ADMIN)
    with site.database.write() as connection:
        text = login_sessions.begin(
            connection, user, agent="", network="", now=int(NOON), life=LIFE
        )
    secret = site.ring.newest.secret.encode()
    forger = Flask("forger")
    forger.secret_key = hmac.digest(secret, purpose.encode(), "sha256")
    signing = SecureCookieSessionInterface().get_signing_serializer(forger)
    assert signing is not None
    forged = {"user": user.id, "epoch": 0, "issued": int(NOON), "session": text}
    site.client.set_cookie("gateway", str(signing.dumps(forged)))
    assert not is_logged_in(site)


def sessions_of(site: Site, user: User) -> list[Session]:
    with site.database.read() as connection:
        return login_sessions.of_user(connection, user, now=int(site.now))


def test_logging_out_ends_the_session_on_the_server(site: Site, ann: User) -> None:
    cookie = site.client.get_cookie("gateway")
    assert cookie is not None
    site.client.post("/logout", data={"csrf_token": site.token("/")})
    site.client.set_cookie("gateway", cookie.value)
    assert (is_logged_in(site), sessions_of(site, ann)) == (False, [])


def test_a_new_login_ends_the_session_of_the_same_browser(
    site: Site, ann: User
) -> None:
    (before,) = sessions_of(site, ann)
    token = site.token("/")
    site.client.post(
        "/login", data={"csrf_token": token, "name": "ann", "password": PASSWORD}
    )
    (after,) = sessions_of(site, ann)
    assert after.id != before.id


def test_a_person_sees_their_sessions_and_ends_one(site: Site, ann: User) -> None:
    elsewhere = log_in_elsewhere(site, "Mozilla/5.0 (iPhone; X) Version/1 Safari/6")
    page = site.client.get("/sessions")
    other = next(s for s in sessions_of(site, ann) if s.agent == "Safari on iPhone")
    assert "Safari on iPhone</span>" in page.text
    assert "this browser" in page.text
    assert "192.0.2.0/24" in page.text
    fields = {"csrf_token": csrf_token(page), "id": other.id}
    ended = site.client.post("/sessions/end", data=fields)
    assert (ended.status_code, ended.headers["Location"]) == (303, "/sessions")
    assert elsewhere.get("/").status_code == 303
    assert is_logged_in(site)


@pytest.mark.usefixtures("ann")
def test_all_other_sessions_end_at_once(site: Site) -> None:
    others = [log_in_elsewhere(site) for _ in range(2)]
    token = site.token("/sessions")
    site.client.post("/sessions/end", data={"csrf_token": token})
    assert [other.get("/").status_code for other in others] == [303, 303]
    assert is_logged_in(site)


def test_nobody_ends_the_session_of_somebody_else(site: Site, ann: User) -> None:
    (hers,) = sessions_of(site, ann)
    site.add_user("bob", Role.ADMIN)
    bob = log_in_elsewhere(site, name="bob")
    fields = {"csrf_token": csrf_token(bob.get("/sessions")), "id": hers.id}
    assert bob.post("/sessions/end", data=fields).status_code == 303
    assert is_logged_in(site)


@pytest.mark.usefixtures("ann")
def test_a_session_is_not_ended_without_the_token_of_the_page(site: Site) -> None:
    other = log_in_elsewhere(site)
    assert site.client.post("/sessions/end", data={}).status_code == 403
    assert other.get("/").status_code == 200


def test_nobody_is_led_from_the_sessions_to_the_login(site: Site) -> None:
    answer = site.client.get("/sessions")
    assert answer.headers["Location"] == "/login?next=/sessions"


def test_a_session_s_last_use_is_noted_every_five_minutes(
    site: Site, ann: User
) -> None:
    seen = []
    for step in (299, 1, 299):
        site.now += step
        site.client.get("/")
        seen.append(sessions_of(site, ann)[0].last_seen - int(NOON))
    assert seen == [0, 300, 300]


@pytest.mark.parametrize(
    ("agent", "name"),
    [
        pytest.param(
            "X11; Linux x86_64) Gecko Firefox/133.0", "Firefox on Linux", id="f"
        ),
        pytest.param("Windows NT) Chrome/1 Safari/5 Edg/1", "Edge on Windows", id="e"),
        pytest.param(
            "Linux; Android 10) Chrome/1 Safari/5", "Chrome on Android", id="c"
        ),
        pytest.param("Macintosh; Mac OS X) Safari/6", "Safari on macOS", id="s"),
        pytest.param("curl/8.0", "Another program", id="program"),
        pytest.param("<script>", "Another program", id="markup"),
        pytest.param("", "Another program", id="none"),
    ],
)
@pytest.mark.usefixtures("ann")
def test_a_browser_is_named_in_short(site: Site, agent: str, name: str) -> None:
    log_in_elsewhere(site, agent)
    assert f'<span class="name">{name}' in site.client.get("/sessions").text


@pytest.mark.parametrize("with_tokens", [False, True], ids=["kept", "revoked"])
def test_a_new_password_revokes_the_tokens_if_they_choose(
    site: Site,
    ann: User,
    with_tokens: bool,  # noqa: FBT001
) -> None:
    with site.database.write() as connection:
        token = tokens.new(connection, ann, scopes=[Scope.READ], expires=None, now=1)
    fields = {
        "csrf_token": site.token("/password"),
        "current": PASSWORD,
        "new": "another long one",
        "again": "another long one",
        **dict.fromkeys(["tokens"] * with_tokens, "yes"),
    }
    assert site.client.post("/password", data=fields).status_code == 303
    reading = {"Authorization": f"Bearer {token}"}
    asked = site.client.get("/api/v1/files", headers=reading)
    assert asked.status_code == (401 if with_tokens else 200)


def log_in_elsewhere(site: Site, agent: str = "", name: str = "ann") -> FlaskClient:
    """Return another browser that is logged in."""
    browser = site.browser()
    fields = {
        "csrf_token": csrf_token(browser.get("/login")),
        "name": name,
        "password": PASSWORD,
    }
    headers = {"X-Real-IP": "192.0.2.9", "User-Agent": agent}
    assert browser.post("/login", data=fields, headers=headers).status_code == 303
    return browser


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
    assert "Nothing was changed" in answer.text
    assert is_logged_in(site)


@pytest.mark.parametrize(
    "path",
    [
        pytest.param("/password", id="password"),
        pytest.param("/delete", id="delete"),
    ],
)
def test_a_form_of_nobody_does_nothing(site: Site, path: str) -> None:
    answer = site.client.post(
        path, data={"csrf_token": site.token()}, headers={"Accept": "text/html"}
    )
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
