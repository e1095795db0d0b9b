"""Logging in and out, new passwords, and how often one may try."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.web.conftest import PASSWORD

if TYPE_CHECKING:
    from werkzeug.test import TestResponse

    from tests.web.conftest import Site

PAGES = ["/login", "/password", "/"]


def try_password(
    site: Site, token: str, *, name: str = "ann", address: str = "192.0.2.1"
) -> TestResponse:
    fields = {"csrf_token": token, "name": name, "password": "wrong"}
    return site.client.post("/login", data=fields, headers={"X-Real-IP": address})


def test_nobody_is_led_to_the_login(site: Site) -> None:
    answer = site.client.get("/")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/login")


def test_a_name_is_taken_as_phones_write_it(site: Site) -> None:
    site.add_user("ann")
    assert site.log_in(" Ann ").status_code == 303


def test_an_unknown_name_and_a_wrong_password_look_alike(site: Site) -> None:
    site.add_user("ann")
    wrong = site.log_in("ann", "wrong")
    unknown = site.log_in("bob", "wrong")
    assert (wrong.status_code, unknown.status_code) == (403, 403)
    assert "Nobody of that name has that password" in wrong.text
    assert "Nobody of that name has that password" in unknown.text
    assert wrong.headers["X-Gateway-Reason"] == "wrong-password"


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("\0", id="NUL"),
        pytest.param("<script>alert(1)</script>", id="markup"),
    ],
)
def test_rubbish_is_nobody_s_name_or_password(site: Site, text: str) -> None:
    sent = text.encode("utf-8", "surrogateescape")
    fields = {"csrf_token": site.token(), "name": sent, "password": sent}
    answer = site.client.post("/login", data=fields)
    assert answer.status_code == 403
    assert "<script>" not in answer.text


@pytest.mark.parametrize(
    ("wish", "led_to"),
    [
        pytest.param("/password", "/password", id="a page"),
        pytest.param("/files/x/a%20b?as=attachment", None, id="a file"),
        pytest.param("//evil.example", "/", id="another host"),
    ],
)
def test_a_login_leads_to_this_site_alone(
    site: Site, wish: str, led_to: str | None
) -> None:
    site.add_user("ann")
    answer = site.log_in(next=wish)
    again = site.client.get("/login", query_string={"next": wish})
    assert answer.headers["Location"] == (led_to or wish)
    assert again.headers["Location"] == (led_to or wish)


def test_a_refused_page_offers_the_login_and_the_way_back(site: Site) -> None:
    answer = site.client.get("/files/" + "a" * 26 + "/a b.txt")
    assert answer.status_code == 401
    assert f'href="/login?next=/files/{"a" * 26}/a%20b.txt"' in answer.text


@pytest.mark.usefixtures("ann")
def test_logging_out_takes_the_cookie_away(site: Site) -> None:
    answer = site.client.post("/logout", data={"csrf_token": site.token("/")})
    assert answer.headers["Location"] == "/login"
    assert site.client.get_cookie("gateway") is None
    assert site.client.get("/").status_code == 303


def test_logging_out_twice_is_no_fault(site: Site) -> None:
    assert site.client.post("/logout").status_code == 303


@pytest.mark.usefixtures("ann")
@pytest.mark.parametrize("path", [pytest.param(p, id=p) for p in PAGES])
def test_no_page_is_kept_and_nothing_foreign_runs_in_it(site: Site, path: str) -> None:
    answer = site.client.get(path)
    assert answer.headers["Cache-Control"] == "no-store"


def test_a_page_names_its_policy(site: Site) -> None:
    policy = site.client.get("/login").headers["Content-Security-Policy"]
    assert "unsafe" not in policy
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "form-action 'self'" in policy


@pytest.mark.usefixtures("ann")
@pytest.mark.parametrize(
    ("fields", "status", "said"),
    [
        pytest.param({"current": "wrong"}, 403, "is another one", id="wrong"),
        pytest.param({"again": "other"}, 400, "differ", id="differ"),
        pytest.param(
            {"new": "short", "again": "short"}, 400, "a password has", id="short"
        ),
        pytest.param(
            {"new": "x" * 2000, "again": "x" * 2000}, 400, "a password has", id="long"
        ),
    ],
)
def test_a_new_password_that_is_not_taken_is_explained(
    site: Site, fields: dict[str, str], status: int, said: str
) -> None:
    good = {"current": PASSWORD, "new": "a longer one", "again": "a longer one"}
    token = {"csrf_token": site.token("/password")}
    answer = site.client.post("/password", data={**good, **token, **fields})
    assert answer.status_code == status
    assert said in answer.text
    assert site.client.get("/").status_code == 200


def test_ten_wrong_passwords_close_an_account_for_a_while(site: Site) -> None:
    site.add_user("ann")
    token = site.token()
    wrong = {try_password(site, token).status_code for _ in range(10)}
    site.now += 800
    closed = try_password(site, token, address="192.0.2.99")
    right = site.log_in()
    site.now += 100
    assert wrong == {403}
    assert (closed.status_code, closed.headers["Retry-After"]) == (429, "100")
    assert right.status_code == 429
    assert site.log_in().status_code == 303


def test_an_unknown_account_closes_just_the_same(site: Site) -> None:
    token = site.token()
    seen = [try_password(site, token, name="nobody").status_code for _ in range(11)]
    assert seen == [403] * 10 + [429]


def test_the_right_password_begins_the_count_anew(site: Site) -> None:
    site.add_user("ann")
    token = site.token()
    before = {try_password(site, token).status_code for _ in range(9)}
    good = site.log_in()
    site.client.post("/logout", data={"csrf_token": site.token("/")})
    token = site.token()
    after = {try_password(site, token).status_code for _ in range(10)}
    assert (before, good.status_code, after) == ({403}, 303, {403})


@pytest.mark.parametrize(
    ("addresses", "last"),
    [
        pytest.param(["192.0.2.7"], 429, id="one IPv4 address"),
        pytest.param(["2001:db8::1", "2001:db8::ffff"], 429, id="one IPv6 network"),
        pytest.param(["192.0.2.7", "192.0.2.8"], 403, id="two IPv4 addresses"),
        pytest.param(["2001:db8:0:1::1", "2001:db8:0:2::1"], 403, id="two networks"),
        pytest.param(["::ffff:192.0.2.7", "192.0.2.7"], 429, id="mapped"),
    ],
)
def test_an_address_may_try_fifty_times_whatever_the_accounts(
    site: Site, monkeypatch: pytest.MonkeyPatch, addresses: list[str], last: int
) -> None:
    # What is counted does not depend on the hash, which takes its time.
    monkeypatch.setattr("gateway.catalog.users.Credentials.check", lambda *_: None)
    token = site.token()
    seen = [
        try_password(
            site, token, name=f"u{number}", address=addresses[number % len(addresses)]
        ).status_code
        for number in range(51)
    ]
    assert seen == [403] * 50 + [last]


@pytest.mark.usefixtures("ann")
def test_wrong_current_passwords_count_as_tries(site: Site) -> None:
    fields = {
        "csrf_token": site.token("/password"),
        "current": "wrong",
        "new": "a longer one",
        "again": "a longer one",
    }
    seen = [site.client.post("/password", data=fields).status_code for _ in range(11)]
    assert seen == [403] * 10 + [429]
