"""Logging in and out, new passwords, and how often one may try."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.web.conftest import PASSWORD, csrf_token

if TYPE_CHECKING:
    from collections.abc import Sequence

    from werkzeug.test import TestResponse

    from tests.web.conftest import Site

HERE = ("192.0.2.1",)
PAGES = ["/login", "/password", "/sessions", "/"]


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
    assert "Wrong user name or password" in wrong.text
    assert "Wrong user name or password" in unknown.text
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
    ("requested", "led_to"),
    [
        pytest.param("/password", "/password", id="a page"),
        pytest.param("/files/x/a%20b?as=attachment", None, id="a file"),
        pytest.param("//evil.example", "/", id="another host"),
    ],
)
def test_a_login_leads_to_this_site_alone(
    site: Site, requested: str, led_to: str | None
) -> None:
    site.add_user("ann")
    answer = site.log_in(next=requested)
    again = site.client.get("/login", query_string={"next": requested})
    assert answer.headers["Location"] == (led_to or requested)
    assert again.headers["Location"] == (led_to or requested)


def test_a_refused_page_offers_the_login_and_the_way_back(site: Site) -> None:
    path = "/files/" + "a" * 26 + "/a b.txt"
    answer = site.client.get(path, headers={"Accept": "text/html"})
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
        pytest.param({"current": "wrong"}, 403, "is wrong", id="wrong"),
        pytest.param({"again": "other"}, 400, "do not match", id="differ"),
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


def guesses(
    site: Site, times: int, *, name: str = "ann", addresses: Sequence[str] = HERE
) -> list[int]:
    """Try so many wrong passwords, each as soon as it may come; return the waits."""
    token = site.token()
    return [
        wait_and_try(site, token, name, addresses[number % len(addresses)])
        for number in range(times)
    ]


def wait_and_try(site: Site, token: str, name: str, address: str) -> int:
    """Try a wrong password, again if it came too early; return how long that was."""
    answer = try_password(site, token, name=name, address=address)
    wait = int(answer.headers.get("Retry-After", 0))
    if wait:
        site.now += wait
        again = try_password(site, token, name=name, address=address)
        assert again.status_code == 403
    return wait


FREE = [0] * 5
GROWING = [2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900]


def test_wrong_passwords_of_a_network_wait_longer_and_longer(site: Site) -> None:
    site.add_user("ann")
    assert guesses(site, 16) == FREE + GROWING


def test_an_unknown_account_waits_just_the_same(site: Site) -> None:
    assert guesses(site, 16, name="nobody") == FREE + GROWING


def test_a_try_that_comes_too_early_is_told_how_long_to_wait(site: Site) -> None:
    site.add_user("ann")
    guesses(site, 5)
    early = site.log_in()
    site.now += 1
    again = site.log_in()
    site.now += 1
    assert (early.status_code, early.headers["Retry-After"]) == (429, "2")
    assert "Too many wrong passwords. Wait 2 seconds" in early.text
    assert early.headers["X-Gateway-Reason"] == "too-many-tries"
    assert again.headers["Retry-After"] == "1"
    assert site.log_in().status_code == 303


@pytest.mark.parametrize(
    ("address", "status"),
    [
        pytest.param("192.0.2.200", 429, id="of the same /24"),
        pytest.param("198.51.100.1", 303, id="of another"),
        pytest.param("2001:db8::1", 303, id="of IPv6"),
    ],
)
def test_a_network_s_guesses_hold_up_that_network_alone(
    site: Site, address: str, status: int
) -> None:
    site.add_user("ann")
    guesses(site, 9)
    token = site.token()
    fields = {"csrf_token": token, "name": "ann", "password": PASSWORD}
    answer = site.client.post("/login", data=fields, headers={"X-Real-IP": address})
    assert answer.status_code == status


def test_guesses_of_many_networks_slow_an_account_and_never_lock_it(
    site: Site,
) -> None:
    site.add_user("ann")
    waits = guesses(site, 60, addresses=[f"198.51.{n}.1" for n in range(60)])
    site.now += 15
    assert waits == [0] * 20 + [1, 2, 4, 8] + [15] * 36
    assert site.log_in().status_code == 303


def test_a_browser_that_has_logged_in_before_is_not_held_up_by_strangers(
    site: Site,
) -> None:
    site.add_user("ann")
    site.log_in()
    site.client.post("/logout", data={"csrf_token": site.token("/")})
    stranger = site.browser()
    token = csrf_token(stranger.get("/login"))
    fields = {"csrf_token": token, "name": "ann", "password": "wrong"}
    headers = {"X-Real-IP": "192.0.2.1"}
    seen = [
        stranger.post("/login", data=fields, headers=headers).status_code
        for _ in range(6)
    ]
    assert seen == [403] * 5 + [429]
    assert site.log_in().status_code == 303


def test_a_known_browser_s_own_guesses_wait_as_others_do(site: Site) -> None:
    site.add_user("ann")
    site.log_in()
    site.client.post("/logout", data={"csrf_token": site.token("/")})
    assert guesses(site, 16) == FREE + GROWING


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("{other}", id="of another account"),
        pytest.param("{own}x", id="changed"),
        pytest.param("1.AAAAAAAAAAAAAAAAAAAAAA." + "0" * 24, id="forged"),
        pytest.param("a b", id="rubbish"),
    ],
)
def test_a_browser_s_cookie_is_good_for_its_account_alone(
    site: Site, text: str
) -> None:
    cookies = {}
    for name in ("ann", "bob"):
        site.add_user(name)
        site.log_in(name)
        cookie = site.client.get_cookie("gateway-browser")
        assert cookie is not None
        cookies[name] = cookie.value
        site.client.post("/logout", data={"csrf_token": site.token("/")})
        site.client.delete_cookie("gateway-browser")
    guesses(site, 5)
    said = text.format(own=cookies["ann"], other=cookies["bob"])
    site.client.set_cookie("gateway-browser", said)
    assert site.log_in().status_code == 429


def test_the_browser_s_cookie_lasts_and_is_told_to_no_script(site: Site) -> None:
    site.add_user("ann")
    site.log_in()
    cookie = site.client.get_cookie("gateway-browser")
    assert cookie is not None
    assert (cookie.http_only, cookie.same_site, cookie.secure) == (True, "Lax", False)
    assert cookie.max_age == 400 * 86_400


def test_what_was_tried_before_there_was_an_account_does_not_count(
    site: Site,
) -> None:
    guesses(site, 9)
    site.add_user("ann")
    assert site.log_in().status_code == 303


def test_the_right_password_begins_the_count_anew(site: Site) -> None:
    site.add_user("ann")
    guesses(site, 4)
    good = site.log_in()
    site.client.post("/logout", data={"csrf_token": site.token("/")})
    site.client.delete_cookie("gateway-browser")
    assert (good.status_code, guesses(site, 6)) == (303, [*FREE, 2])


def test_tries_are_forgotten_a_day_after_the_last_one(site: Site) -> None:
    site.add_user("ann")
    guesses(site, 14)
    site.now += 86_400 - 1
    kept = guesses(site, 2)
    site.now += 86_400
    assert (kept, guesses(site, 6)) == ([0, 900], [*FREE, 2])


@pytest.mark.parametrize(
    "addresses",
    [
        pytest.param(["192.0.2.7"], id="one IPv4 address"),
        pytest.param(["2001:db8::1", "2001:db8::ffff"], id="one IPv6 network"),
        pytest.param(["::ffff:192.0.2.7", "192.0.2.7"], id="mapped"),
        pytest.param(["64:ff9b::192.0.2.7", "192.0.2.7"], id="NAT64"),
    ],
)
def test_an_address_tries_fifty_times_at_once_whatever_the_accounts(
    site: Site, monkeypatch: pytest.MonkeyPatch, addresses: list[str]
) -> None:
    # What is counted does not depend on the hash, which takes its time.
    monkeypatch.setattr("gateway.catalog.users.Credentials.check", lambda *_: None)
    assert spray(site, addresses) == [403] * 50 + [429]


@pytest.mark.parametrize(
    "addresses",
    [
        pytest.param(["192.0.2.7", "192.0.2.8"], id="two IPv4 addresses"),
        pytest.param(["2001:db8:0:1::1", "2001:db8:0:2::1"], id="two networks"),
    ],
)
def test_two_addresses_are_counted_apart(
    site: Site, monkeypatch: pytest.MonkeyPatch, addresses: list[str]
) -> None:
    monkeypatch.setattr("gateway.catalog.users.Credentials.check", lambda *_: None)
    assert spray(site, addresses) == [403] * 51


def spray(site: Site, addresses: list[str]) -> list[int]:
    """Try a password for 51 accounts, by the addresses in turn."""
    token = site.token()
    return [
        try_password(
            site, token, name=f"u{number}", address=addresses[number % len(addresses)]
        ).status_code
        for number in range(51)
    ]


@pytest.mark.usefixtures("ann")
def test_wrong_current_passwords_count_as_tries(site: Site) -> None:
    fields = {
        "csrf_token": site.token("/password"),
        "current": "wrong",
        "new": "a longer one",
        "again": "a longer one",
    }
    seen = [site.client.post("/password", data=fields).status_code for _ in range(6)]
    assert seen == [403] * 5 + [429]
