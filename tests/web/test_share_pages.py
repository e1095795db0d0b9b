"""The pages of a person's shares: forms that work without script."""

from __future__ import annotations

import csv
import re
from typing import TYPE_CHECKING, Any

import pytest
from flask import url_for

from gateway.catalog import shares
from gateway.catalog.shares import NewItem
from gateway.catalog.users import Role
from gateway.shares.policy import LIFE
from tests.web.sharing import BROWSER, Sharer, a_sharer

if TYPE_CHECKING:
    from werkzeug.test import TestResponse

    from tests.web.conftest import Site


@pytest.fixture
def ann(site: Site) -> Sharer:
    sharer = a_sharer(site)
    site.log_in()
    return sharer


def send(ann: Sharer, path: str, **fields: Any) -> TestResponse:
    token = ann.site.token("/shares/new")
    return ann.site.client.post(path, data={"csrf_token": token, **fields})


def made(ann: Sharer, **fields: Any) -> str:
    """Make a share by the form and return its page's path."""
    answer = send(ann, "/shares", **{"upload": ann.uploads, "life": "7", **fields})
    assert answer.status_code == 303, answer.text
    return answer.headers["Location"]


def told(ann: Sharer, path: str) -> Any:
    """Return what the API tells of the share of that page."""
    answer = ann.site.client.get(f"/api/v1{path}", headers=ann.headers)
    assert answer.status_code == 200, answer.text
    return answer.json


def links(page: str) -> list[str]:
    return list(dict.fromkeys(re.findall(r"/d/[0-9a-z]{40}", page)))


def test_each_file_can_be_shared_from_the_list(ann: Sharer) -> None:
    home = ann.site.client.get("/").text
    form = ann.site.client.get(f"/shares/new?upload={ann.uploads[0]}").text
    assert f"/shares/new?upload={ann.uploads[0]}" in home
    assert ("report.pdf" in form, "notes.txt" in form) == (True, False)


def test_a_share_is_made_and_its_link_works(ann: Sharer) -> None:
    path = made(ann, title="Q3", message="Hello", password="secret")
    page = ann.site.client.get(path).text
    (link,) = links(page)
    opened = ann.stranger.get(link, headers=BROWSER).text
    assert ("Q3" in page, "<svg" in page) == (True, True)
    assert ("Hello" in opened, "report.pdf" in opened, "notes.txt" in opened) == (
        True,
        True,
        True,
    )
    assert 'type="password"' in opened


def test_each_address_has_a_link_of_its_own(ann: Sharer) -> None:
    to = "bob@example.com\neve@example.com"
    page = ann.site.client.get(made(ann, to=to, label="the board")).text
    assert page.count("the board") == 2
    assert ("bob@example.com" in page, "eve@example.com" in page) == (True, True)
    assert len(links(page)) == 2


def test_the_list_counts_links_and_those_that_were_opened(ann: Sharer) -> None:
    page = ann.site.client.get(made(ann, to="bob@example.com eve@example.com")).text
    made(ann)
    ann.stranger.get(links(page)[0], headers=BROWSER)
    shown = ann.site.client.get("/shares").text
    assert ("2 links, 1 opened" in shown, "1 link, 0 opened" in shown) == (True, True)


def test_what_is_wrong_is_said_and_what_was_typed_stays(ann: Sharer) -> None:
    answer = send(ann, "/shares", upload=ann.uploads[0], life="7", title="T", to="bob")
    nothing = send(ann, "/shares", life="7")
    assert (answer.status_code, nothing.status_code) == (400, 400)
    assert ("bob" in answer.text, 'value="T"' in answer.text) == (True, True)
    assert "report.pdf" in answer.text


def test_addresses_are_taken_as_mail_programs_give_them(ann: Sharer) -> None:
    to = (
        'Bob B. <bob@example.com>, "Eve, of Sales" <eve@example.com>;\r\n'
        "joe@example.com  sue@example.com"
    )
    page = ann.site.client.get(made(ann, to=to)).text
    names = ("bob", "eve", "joe", "sue")
    assert [f"{name}@example.com" in page for name in names] == [True] * 4
    assert len(links(page)) == 4


def test_a_change_that_is_wrong_names_its_field_and_loses_nothing(ann: Sharer) -> None:
    path = made(ann)
    changed = {"title": "T" * 201, "message": "Dear Bob", "max": "3", "life": "30"}
    edited = send(ann, path, **changed)
    added = send(ann, f"{path}/recipients", to="bob@example.com Eve")
    assert (edited.status_code, added.status_code) == (400, 400)
    assert "Title: must be text of at most 200 characters" in edited.text
    kept = (changed["title"], "Dear Bob</textarea>", 'value="3"', 'value="30" selected')
    assert [text in edited.text for text in kept] == [True] * 4
    assert "Email addresses: &#39;Eve&#39;: An email address must" in added.text
    assert "bob@example.com Eve</textarea>" in added.text


def test_a_form_that_names_no_end_makes_no_endless_share(
    site: Site, ann: Sharer
) -> None:
    path = made(ann, life="same")
    (link,) = links(ann.site.client.get(path).text)
    site.now += LIFE - 1
    before = ann.stranger.get(link).status_code
    site.now += 1
    assert (before, ann.stranger.get(link).status_code) == (200, 410)


def test_a_share_is_changed_and_its_links_stay(ann: Sharer) -> None:
    path = made(ann, password="secret")
    before = links(ann.site.client.get(path).text)
    answer = send(ann, path, title="New", message="", life="same", no_password="1")
    page = ann.site.client.get(path).text
    opened = ann.stranger.get(before[0], headers=BROWSER).text
    assert answer.status_code == 303
    assert ("New" in page, links(page)) == (True, before)
    assert 'type="password"' not in opened


def test_one_link_is_added_and_one_ended(ann: Sharer) -> None:
    path = made(ann)
    (first,) = links(ann.site.client.get(path).text)
    send(ann, f"{path}/recipients", to="bob@example.com")
    page = ann.site.client.get(path).text
    (second,) = set(links(page)) - {first}
    actions = re.findall(rf"{path}/recipients/[a-z0-9]+/revoke", page)
    send(ann, actions[0])
    statuses = [ann.stranger.get(link).status_code for link in (first, second)]
    assert statuses == [410, 200]


def test_a_share_is_ended(ann: Sharer) -> None:
    path = made(ann)
    (link,) = links(ann.site.client.get(path).text)
    send(ann, f"{path}/revoke")
    assert ann.stranger.get(link).status_code == 410
    assert "revoked" in ann.site.client.get("/shares").text


def routes(ann: Sharer, method: str) -> list[str]:
    """Return the paths that take *method* for a share of ann's and its recipient."""
    share = ann.share(to=["bob@example.com"])
    here = {"share_id": share["id"], "recipient_id": share["recipients"][0]["id"]}
    app = ann.site.client.application
    with app.test_request_context():
        return [
            url_for(rule.endpoint, **{name: here[name] for name in rule.arguments})
            for rule in app.url_map.iter_rules()
            if rule.endpoint.startswith(("shares.", "api_shares."))
            and method in (rule.methods or ())
            and "share_id" in rule.arguments
        ]


def test_a_form_of_nobody_s_page_changes_nothing(ann: Sharer) -> None:
    paths = ["/shares", *routes(ann, "POST")]
    statuses = {path: ann.site.client.post(path).status_code for path in paths}
    assert len(statuses) > 9
    assert set(statuses.values()) == {403}, statuses


@pytest.mark.parametrize("method", ["GET", "POST", "PATCH", "DELETE"])
def test_a_share_of_somebody_else_s_is_not_there_by_any_route(
    site: Site, ann: Sharer, method: str
) -> None:
    paths = routes(ann, method)
    bob = a_sharer(site, "bob")
    statuses = {
        path: site.browser()
        .open(path, method=method, headers=bob.headers, json={})
        .status_code
        for path in paths
    }
    site.client = site.browser()
    site.log_in("bob")
    pages = {
        path: site.client.open(
            path, method=method, headers={"X-CSRF-Token": site.token("/shares/new")}
        ).status_code
        for path in paths
    }
    assert paths
    assert {*statuses.values(), *pages.values()} <= {303, 404}, (statuses, pages)
    assert set(pages.values()) == {404}, pages


def test_somebody_else_s_page_is_not_there(site: Site, ann: Sharer) -> None:
    path = made(ann)
    a_sharer(site, "bob")
    site.client = site.browser()
    site.log_in("bob")
    assert site.client.get(path).status_code == 404
    assert path not in site.client.get("/shares").text


def test_who_is_not_logged_in_is_led_to_the_login_and_back(ann: Sharer) -> None:
    path = made(ann)
    asked = ["/shares", path, f"/shares/new?upload={ann.uploads[0]}"]
    answers = [ann.stranger.get(one) for one in asked]
    assert [answer.status_code for answer in answers] == [303] * 3
    assert all(a.headers["Location"].startswith("/login?next=/shares") for a in answers)


def test_the_tree_is_for_admins(site: Site, ann: Sharer) -> None:
    refused = send(ann, "/shares", life="7", paths="a.txt").status_code
    a_sharer(site, "root", Role.ADMIN)
    site.client = site.browser()
    site.log_in("root")
    assert (refused, send(ann, "/shares", life="7", paths="a.txt").status_code) == (
        403,
        303,
    )


def test_a_limit_is_set_changed_and_taken_off(ann: Sharer) -> None:
    path = made(ann, max="1")
    counted = ann.site.client.get(path).text
    send(ann, path, max="2")
    more = ann.site.client.get(path).text
    send(ann, path, max="")
    none = ann.site.client.get(path).text
    wrong = send(ann, path, max="many")
    assert "1 download per link" in counted
    assert "2 downloads per link" in more
    assert ("s per link</p>" in none, wrong.status_code) == (False, 400)


def test_a_download_is_given_back_by_a_button(ann: Sharer) -> None:
    path = made(ann, max="1", upload=ann.uploads[:1])
    before = ann.site.client.get(path).text
    (link,) = links(before)
    ann.spend(ann.press(link).headers["Location"])
    (button,) = re.findall(
        r'action="([^"]+/give-back)"', ann.site.client.get(path).text
    )
    pressed = send(ann, button), send(ann, button)
    page = ann.site.client.get(path).text
    assert "give-back" not in before
    assert [answer.status_code for answer in pressed] == [303, 303]
    assert "give-back" not in page
    assert ann.press(link).status_code == 303


def test_each_download_that_runs_can_be_given_back(ann: Sharer) -> None:
    """Also a second one: nobody else could take its place for as long."""
    path = made(ann, max="1", upload=ann.uploads[:1])
    (link,) = links(ann.site.client.get(path).text)
    found = []
    for _ in range(2):
        ann.stranger.get(ann.press(link).headers["Location"])
        button = re.findall(
            r'action="([^"]+/give-back)"', ann.site.client.get(path).text
        )
        found.append(len(button))
        send(ann, *button)
    assert (found, ann.press(link).status_code) == ([1, 1], 303)


def test_of_a_folder_the_page_tells_how_many_files_were_sent(site: Site) -> None:
    ann = a_sharer(site, "root", Role.ADMIN)
    site.log_in("root")
    (site.files / "reports").mkdir()
    for name in ("a.txt", "b.txt"):
        (site.files / "reports" / name).write_bytes(bytes(1000))
    path = made(ann, upload=[], paths="reports")
    (link,) = links(site.client.get(path).text)
    lease = ann.press(link).headers["Location"].rpartition("=")[2]
    ann.sent(ann.stranger.get(f"/l/{lease}/1/a.txt"))
    assert "1 of 2 files completely sent" in site.client.get(path).text


def test_an_ended_share_tells_since_when_and_what_was_sent(ann: Sharer) -> None:
    path = made(ann, upload=ann.uploads[:1])
    (link,) = links(ann.site.client.get(path).text)
    ann.sent(ann.stranger.get(ann.press(link).headers["Location"]), 400)
    send(ann, f"{path}/revoke")
    page = ann.site.client.get(path).text
    assert "40 % sent" in page
    assert re.search(r'revoked</span>\s+on <time datetime="', page)


def test_an_admin_sees_everybody_s_shares_and_whose_each_is(
    site: Site, ann: Sharer
) -> None:
    made(ann, title="Ann's")
    a_sharer(site, "root", Role.ADMIN)
    site.client = site.browser()
    site.log_in("root")
    everybody = site.client.get("/shares?owner=*").text
    hers = site.client.get("/shares?owner=ann").text
    assert "/shares?owner=*" in site.client.get("/shares").text
    assert '<a href="/shares?owner=ann">ann</a>' in everybody
    assert ("Shares of ann" in hers, "Ann&#39;s" in hers) == (True, True)


def test_a_page_tells_what_was_sent_and_gives_a_table(ann: Sharer) -> None:
    path = made(ann, max="1", upload=ann.uploads[:1], to="=bob@example.com")
    (link,) = links(ann.site.client.get(path).text)
    pressed = ann.stranger.post(
        link, headers={**BROWSER, "User-Agent": "Barracuda Sentinel (EE)"}
    )
    ann.sent(ann.stranger.get(pressed.headers["Location"]), 400)
    page = ann.site.client.get(path).text
    answer = ann.site.client.get(f"{path}/sent.csv")
    (row,) = csv.DictReader(answer.text.splitlines())
    words = ("40 % as of the last finished request", "downloaded once")
    assert all(text in page for text in (*words, "probably made by a mail scanner"))
    assert f"{path}/sent.csv" in page
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert "attachment" in answer.headers["Content-Disposition"]
    assert row["address"] == "'=bob@example.com"
    assert (row["name"], row["sent"], row["whole"]) == ("report.pdf", "400", "no")
    assert (row["probably_a_scanner"], row["network"]) == ("yes", "192.0.2.0/24")


@pytest.mark.parametrize(
    ("zone", "opens"), [("", 1_893_499_200), ("-90", 1_893_493_800)], ids=str
)
def test_a_share_opens_at_a_moment_of_the_maker_s_own_time(
    ann: Sharer, zone: str, opens: int
) -> None:
    path = made(ann, not_before="2030-01-01T12:00", zone=zone, life="")
    assert told(ann, path)["not_before"] == opens
    assert 'value="2030-01-01T1' in ann.site.client.get(path).text


def test_saving_a_form_keeps_the_seconds_of_the_beginning(ann: Sharer) -> None:
    path = made(ann, not_before="2030-01-01T12:00:07", life="")
    send(ann, path, not_before="2030-01-01T12:00", lang="de", title="T")
    share = told(ann, path)
    assert (share["not_before"], share["lang"]) == (1_893_499_207, "de")


def test_what_is_no_moment_is_said(ann: Sharer) -> None:
    answer = send(
        ann, "/shares", upload=ann.uploads, life="7", not_before="soon", max="x"
    )
    assert answer.status_code == 400
    assert ("a date and a time" in answer.text, "whole number" in answer.text) == (
        True,
        True,
    )


def test_files_are_replaced_under_the_same_link(ann: Sharer) -> None:
    path = made(ann, upload=ann.uploads[0])
    page = ann.site.client.get(path).text
    assert f'value="{ann.uploads[1]}">' in page
    (link,) = links(page)
    answer = send(ann, f"{path}/files", upload=ann.uploads[1])
    opened = ann.stranger.get(link, headers=BROWSER).text
    assert answer.status_code == 303
    assert ("report.pdf" in opened, "notes.txt" in opened) == (False, True)


def test_a_share_keeps_its_files_if_none_are_chosen(ann: Sharer) -> None:
    path = made(ann, upload=ann.uploads[0])
    answer = send(ann, f"{path}/files")
    (link,) = links(answer.text)
    assert answer.status_code == 400
    assert "report.pdf" in ann.stranger.get(link, headers=BROWSER).text


def test_a_member_s_form_drops_no_file_that_it_does_not_show(
    site: Site, ann: Sharer
) -> None:
    """Somebody who was an admin has files of the tree in a share."""
    (site.files / "plan.txt").write_text("plan")
    path = made(ann, upload=ann.uploads[0])
    with site.database.write() as connection:
        share = shares.by_id(connection, path.rpartition("/")[2])
        assert share is not None
        shares.add_items(connection, share, [NewItem("plan.txt", path="plan.txt")])
    send(ann, f"{path}/files", upload=ann.uploads[1])
    page = ann.stranger.get(links(ann.site.client.get(path).text)[0], headers=BROWSER)
    there = [name in page.text for name in ("plan.txt", "notes.txt", "report.pdf")]
    assert there == [True, True, False]
