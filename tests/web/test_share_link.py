"""A share link, as people and programs meet it."""

from __future__ import annotations

from collections import Counter
from time import monotonic
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import crawleruseragents
import pytest
from sqlalchemy import select

from gateway.catalog import uploads, users
from gateway.catalog.schema import leases
from gateway.catalog.users import Role
from gateway.http import families
from gateway.links import codes
from gateway.links.server_secret import ServerSecret, Use
from tests.web.conftest import EITHER_CATALOG
from tests.web.sharing import BROWSER, PROGRAM, Sharer, a_sharer, store

if TYPE_CHECKING:
    from werkzeug.test import TestResponse

    from tests.web.conftest import MakeSite, Site

SECRET = "correct horse"


@pytest.fixture
def ann(site: Site) -> Sharer:
    return a_sharer(site)


def lease_count(site: Site) -> int:
    with site.database.read() as connection:
        return len(connection.execute(select(leases.c.id)).all())


def press(ann: Sharer, link: str, **fields: str) -> TestResponse:
    """Press the page's button."""
    return ann.stranger.post(link, data=fields, headers=BROWSER)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("name", ["", "/report.pdf", "/a/b"])
def test_looking_takes_nothing(site: Site, ann: Sharer, method: str, name: str) -> None:
    link = ann.link(title="Q3 <reports>", message="Dear all")
    answer = ann.stranger.open(f"{link}{name}", method=method, headers=BROWSER)
    assert (answer.status_code, lease_count(site)) == (200, 0)
    assert "Set-Cookie" not in answer.headers
    assert answer.headers["Cache-Control"] == "no-store"


def test_a_person_sees_what_it_is_and_from_whom(ann: Sharer) -> None:
    link = ann.link(title="Q3 <reports>", message="Dear all")
    page = ann.stranger.get(link, headers=BROWSER).text
    for words in ("Q3 &lt;reports&gt;", "Dear all", "report.pdf", "1000 Bytes", "ann"):
        assert words in page


def test_that_it_was_opened_is_noted_once(site: Site, ann: Sharer) -> None:
    share = ann.share()
    (before,) = share["recipients"]
    url = f"/api/v1/shares/{share['id']}"
    ann.stranger.get(before["url"], headers=BROWSER)
    site.now += 5
    ann.stranger.get(before["url"], headers=BROWSER)
    body: Any = site.client.get(url, headers=ann.headers).json
    (after,) = body["recipients"]
    assert (after["state"], after["opened"]) == ("opened", share["created"])


@pytest.mark.parametrize(
    ("method", "headers"),
    [
        pytest.param("HEAD", {}, id="HEAD"),
        pytest.param("GET", {"Sec-Purpose": "prefetch;prerender"}, id="Sec-Purpose"),
        pytest.param("GET", {"Purpose": "prefetch"}, id="Purpose"),
        pytest.param("GET", {"X-Moz": "prefetch"}, id="X-Moz"),
        pytest.param("GET", {"User-Agent": "WhatsApp/2.21.12.21 A"}, id="preview"),
    ],
)
def test_a_page_that_is_fetched_ahead_is_not_opened(
    site: Site, ann: Sharer, method: str, headers: dict[str, str]
) -> None:
    share = ann.share()
    link = share["recipients"][0]["url"]
    answer = ann.stranger.open(link, method=method, headers={**BROWSER, **headers})
    body: Any = site.client.get(
        f"/api/v1/shares/{share['id']}", headers=ann.headers
    ).json
    assert (answer.status_code, answer.mimetype) == (200, "text/html")
    assert body["recipients"][0]["state"] == "unopened"


@pytest.mark.parametrize("catalog", ["postgresql"], indirect=True)
def test_a_page_waits_for_no_writer(site: Site) -> None:
    ann = a_sharer(site)
    link = ann.link()
    with site.database.write():
        began = monotonic()
        answer = ann.stranger.get(link, headers=BROWSER)
        waited = monotonic() - began
    assert (answer.status_code, waited < 1) == (200, True)


@EITHER_CATALOG
def test_the_button_gives_a_lease_that_delivers(site: Site) -> None:
    ann = a_sharer(site)
    answer = press(ann, ann.link())
    path = answer.headers["Location"]
    delivered = ann.stranger.get(path)
    assert (answer.status_code, lease_count(site)) == (303, 1)
    assert path.startswith("/l/")
    assert path.endswith("/1/report.pdf")
    assert delivered.status_code == 200
    assert delivered.headers["X-Accel-Redirect"].startswith("/_small_blobs/")
    assert delivered.headers["Content-Disposition"] == (
        'attachment; filename="report.pdf"'
    )


@pytest.mark.parametrize(
    "name",
    [".bashrc", "a?b#c%d.txt", "a\\b", "1", "open", "\u00fc\u200d.txt"],
    ids=ascii,
)
def test_an_upload_of_any_name_is_delivered(ann: Sharer, name: str) -> None:
    upload = store(ann.site, ann.user, name, "text/plain")
    answer = press(ann, ann.link(items=[{"upload": upload}]))
    path = answer.headers["Location"]
    assert path.rpartition("/")[2] == quote(name)
    assert ann.stranger.get(path).status_code == 200


def test_what_is_sent_beside_a_number_leads_nowhere_else(ann: Sharer) -> None:
    path = press(ann, ann.link(), item="1/../../login").headers["Location"]
    assert path.endswith("/1/report.pdf")


def test_what_a_browser_can_show_it_may_show(ann: Sharer) -> None:
    link = ann.link(items=[{"upload": ann.uploads[1]}])
    path = press(ann, link, open="1").headers["Location"]
    shown = ann.stranger.get(path)
    assert shown.headers["Content-Disposition"] == 'inline; filename="notes.txt"'


def test_of_several_files_one_lease_opens_all(site: Site, ann: Sharer) -> None:
    link = ann.link(items=[{"upload": upload} for upload in ann.uploads])
    page = ann.stranger.get(press(ann, link).headers["Location"], headers=BROWSER).text
    names = ("1/report.pdf", "2/notes.txt")
    paths = [text for text in page.split('"') if text.endswith(names)]
    assert {path.partition("/1/")[0].partition("/2/")[0] for path in paths}
    assert [ann.stranger.get(path).status_code for path in paths] == [200] * len(paths)
    assert (len(paths) >= 2, lease_count(site)) == (True, 1)


def test_the_page_of_a_lease_that_is_over_has_the_button_again(
    make_site: MakeSite,
) -> None:
    site = make_site(GATEWAY_LEASE_LIFE="1h")
    ann = a_sharer(site)
    link = ann.link(items=[{"upload": upload} for upload in ann.uploads])
    path = press(ann, link).headers["Location"]
    site.now += 3599
    before = ann.stranger.get(path, headers=BROWSER).text
    site.now += 1
    after = ann.stranger.get(path, headers=BROWSER).text
    assert [("/l/" in page, "<button" in page) for page in (before, after)] == [
        (True, False),
        (False, True),
    ]


def test_a_form_of_another_site_s_gets_the_page(site: Site, ann: Sharer) -> None:
    headers = {**BROWSER, "Sec-Fetch-Site": "cross-site"}
    answer = ann.stranger.post(ann.link(), headers=headers)
    assert (answer.status_code, lease_count(site)) == (200, 0)


# Counted downloads


def test_of_two_who_press_the_button_the_later_one_gets_the_download(
    ann: Sharer,
) -> None:
    link = ann.link(max=1)
    first, second = (ann.press(link).headers["Location"] for _ in range(2))
    refused = ann.stranger.get(first, headers=BROWSER)
    assert (refused.status_code, "share link again" in refused.text) == (410, True)
    assert ann.stranger.get(second).status_code == 200


@pytest.mark.parametrize(
    "step",
    [
        pytest.param(50, id="some"),
        pytest.param(1, marks=pytest.mark.extra, id="each"),
    ],
)
def test_no_crawler_uses_a_counted_link_up(ann: Sharer, step: int) -> None:
    """Each looks at the page, presses the button, and leaves."""
    link = ann.link(max=1)
    crawlers = crawleruseragents.CRAWLER_USER_AGENTS_DATA[::step]
    agents = [agent for crawler in crawlers for agent in crawler["instances"][:1]]
    statuses = Counter(
        ask(link, headers={**BROWSER, "User-Agent": agent}).status_code
        for agent in agents
        for ask in (ann.stranger.get, ann.stranger.post)
    )
    lease = ann.press(link).headers["Location"]
    assert statuses == {200: len(agents), 303: len(agents)}
    assert "X-Accel-Redirect" in ann.stranger.get(lease).headers


def test_a_link_that_is_used_up_says_so(ann: Sharer) -> None:
    link = ann.link(max=1)
    ann.spend(ann.press(link).headers["Location"])
    page, pressed = ann.stranger.get(link, headers=BROWSER), ann.press(link)
    assert (page.status_code, pressed.status_code) == (410, 410)
    assert all("Download limit reached" in answer.text for answer in (page, pressed))
    assert "<button" not in page.text
    assert "can be used" not in page.text
    elsewhere = {**BROWSER, "Sec-Fetch-Site": "cross-site"}
    foreign = ann.stranger.post(link, headers=elsewhere)
    assert (foreign.status_code, "Download limit reached" in foreign.text) == (
        410,
        True,
    )
    headers = {**PROGRAM, "Accept": "application/json"}
    problem: Any = ann.stranger.post(link, headers=headers).json
    assert problem["type"] == "/problems/share-spent"


@EITHER_CATALOG
def test_the_first_get_begins_the_download(site: Site) -> None:
    ann = a_sharer(site)
    link = ann.link(max=1)
    lease = ann.press(link).headers["Location"]
    looked = ann.stranger.head(lease)
    replaced = ann.press(link).headers["Location"]
    delivered = [ann.stranger.get(replaced) for _ in range(2)]
    busy = ann.press(link)
    assert looked.headers["X-Accel-Redirect"].startswith("/_small_blobs/")
    assert ann.stranger.get(lease).status_code == 410
    assert all("X-Accel-Redirect" in answer.headers for answer in delivered)
    assert (busy.status_code, busy.headers["Retry-After"]) == (409, "30")
    assert "Another download is in progress" in busy.text


def test_a_verdict_is_kept_once_the_lease_keeps_its_place(ann: Sharer) -> None:
    """Until then nginx asks each time, and begins each request."""
    lease = ann.press(ann.link(max=1)).headers["Location"]
    question = {"X-Verdict": "0" * 32}
    before = ann.stranger.get(lease, headers=question)
    ann.spend(lease)
    after = ann.stranger.get(lease, headers=question)
    assert (before.status_code, before.headers["X-Refusal-Headers"]) == (403, "begin")
    assert "X-Accel-Expires" not in before.headers
    assert (after.status_code, "X-Accel-Expires" in after.headers) == (200, True)


def test_what_is_not_counted_begins_by_itself(ann: Sharer) -> None:
    lease = ann.press(ann.link()).headers["Location"]
    assert ann.stranger.get(lease, headers={"X-Verdict": "0" * 32}).status_code == 200


@pytest.mark.parametrize(
    "uri",
    [
        pytest.param("/l/{lease}/2/report.pdf", id="no item"),
        pytest.param("/l/{lease}/1", id="no name"),
        pytest.param("/l/{lease}/../../d/x", id="dot segments"),
        pytest.param("/l/{link}/1/report.pdf", id="code of a share"),
        pytest.param("/d/{link}", id="another family"),
        pytest.param("", id="nothing"),
    ],
)
def test_only_what_a_lease_opens_begins(ann: Sharer, uri: str) -> None:
    link = ann.link(max=1)
    lease = ann.press(link).headers["Location"].split("/")[2]
    asked = uri.format(lease=lease, link=link.rpartition("/")[2])
    headers = {families.HEADER: "leased", "X-Original-URI": asked}
    answer = ann.stranger.get("/_begin", headers=headers)
    assert (answer.status_code, ann.press(link).status_code) == (404, 303)


def test_who_has_the_last_lease_goes_on_when_the_link_is_used_up(ann: Sharer) -> None:
    link = ann.link(max=1, items=[{"upload": upload} for upload in ann.uploads])
    page = ann.press(link).headers["Location"]
    lease = page.rpartition("=")[2]
    ann.spend(f"/l/{lease}/")
    shown = ann.stranger.get(page, headers=BROWSER)
    assert (shown.status_code, f"/l/{lease}/1/report.pdf" in shown.text) == (200, True)


def test_a_page_tells_how_many_downloads_are_left(ann: Sharer) -> None:
    link = ann.link(max=2)
    before = ann.stranger.get(link, headers=BROWSER).text
    ann.spend(ann.press(link).headers["Location"])
    after = ann.stranger.get(link, headers=BROWSER).text
    assert ("can be used 2 times" in before, "1 of 2 downloads are left" in after) == (
        True,
        True,
    )


def test_each_link_has_a_count_of_its_own(ann: Sharer) -> None:
    share = ann.share(max=1, to=["a@example.com", "b@example.com"])
    one, other = (recipient["url"] for recipient in share["recipients"])
    ann.spend(ann.press(one).headers["Location"])
    assert (ann.press(one).status_code, ann.press(other).status_code) == (410, 303)


# Programs


def test_a_program_gets_the_file_of_an_open_share(site: Site, ann: Sharer) -> None:
    answer = ann.stranger.get(ann.link(), headers=PROGRAM)
    assert answer.headers["X-Accel-Redirect"].startswith("/_small_blobs/")
    assert 'filename="report.pdf"' in answer.headers["Content-Disposition"]
    assert lease_count(site) == 0


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        pytest.param({"max": 1}, "post-required", id="counted"),
        pytest.param({"password": SECRET}, "password-required", id="protected"),
    ],
)
def test_a_program_is_told_what_to_send(
    ann: Sharer, fields: dict[str, object], kind: str
) -> None:
    headers = {"Accept": "application/json", "X-Real-IP": "192.0.2.7"}
    answer = ann.stranger.get(ann.link(**fields), headers=headers)
    problem: Any = answer.json
    assert (answer.status_code, problem["type"]) == (403, f"/problems/{kind}")


def test_a_program_gets_a_list_of_several(make_site: MakeSite) -> None:
    base = "https://files.example.com"
    ann = a_sharer(make_site(GATEWAY_PUBLIC_URL=base))
    link = ann.link(items=[{"upload": upload} for upload in ann.uploads])
    body: Any = ann.stranger.get(link, headers=PROGRAM).json
    files = body["items"]
    sent = [ann.stranger.get(file["url"], headers=PROGRAM) for file in files]
    assert [(f["name"], f["size"], f["type"]) for f in files] == [
        ("report.pdf", 1000, "application/pdf"),
        ("notes.txt", 1000, "text/plain"),
    ]
    assert all(file["url"].startswith(f"{base}/d/") for file in files)
    assert ["X-Accel-Redirect" in answer.headers for answer in sent] == [True, True]


def test_a_program_with_a_password_gets_a_lease(ann: Sharer) -> None:
    link = ann.link(password=SECRET)
    wrong = ann.stranger.post(link, data={"password": "x"}, headers=PROGRAM)
    none = ann.stranger.post(link, headers=PROGRAM)
    good = ann.stranger.post(link, data={"password": SECRET}, headers=PROGRAM)
    assert (wrong.status_code, none.status_code, good.status_code) == (403, 403, 303)
    assert ann.stranger.get(good.headers["Location"]).status_code == 200


@pytest.mark.parametrize(
    "agent",
    ["Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)", "WhatsApp/2"],
)
def test_a_link_preview_gets_the_page(ann: Sharer, agent: str) -> None:
    answer = ann.stranger.get(ann.link(), headers={**PROGRAM, "User-Agent": agent})
    assert answer.mimetype == "text/html"


# Passwords


def test_the_page_asks_for_the_password_and_says_when_it_is_wrong(
    site: Site, ann: Sharer
) -> None:
    link = ann.link(password=SECRET)
    asked = ann.stranger.get(link, headers=BROWSER).text
    wrong = press(ann, link, password="guess")
    assert 'type="password"' in asked
    assert (wrong.status_code, "Wrong password" in wrong.text) == (403, True)
    assert (lease_count(site), press(ann, link, password=SECRET).status_code) == (
        0,
        303,
    )


def test_guesses_are_slowed_by_link_and_network(site: Site, ann: Sharer) -> None:
    link, other = ann.link(password=SECRET), ann.link(password=SECRET)
    statuses = [press(ann, link, password="guess").status_code for _ in range(6)]
    slowed = press(ann, link, password=SECRET)
    elsewhere = {**BROWSER, "X-Real-IP": "198.51.100.1"}
    right = ann.stranger.post(link, data={"password": SECRET}, headers=elsewhere)
    assert statuses == [403] * 5 + [429]
    assert (slowed.status_code, int(slowed.headers["Retry-After"]) >= 1) == (429, True)
    assert right.status_code == 303
    assert press(ann, other, password=SECRET).status_code == 303
    site.now += 3600
    assert press(ann, link, password=SECRET).status_code == 303


# What is over, or not there


def test_a_share_that_is_not_open_says_why(site: Site, ann: Sharer) -> None:
    early = ann.link(not_before=int(site.now) + 60)
    late, revoked = ann.link(expires_in=60), ann.share()
    ann.site.client.delete(f"/api/v1/shares/{revoked['id']}", headers=ann.headers)
    before = ann.stranger.get(early, headers=BROWSER)
    site.now += 60
    links = [early, late, revoked["recipients"][0]["url"]]
    assert (before.status_code, "2027" in before.text) == (403, True)
    for ask in (ann.stranger.get, ann.stranger.post):
        statuses = [ask(link, headers=BROWSER).status_code for link in links]
        assert statuses[1:] == [410, 410]
    assert ann.stranger.get(early, headers=BROWSER).status_code == 200


def test_a_lease_ends_with_its_share_its_link_and_its_owner(
    site: Site, ann: Sharer
) -> None:
    ends = {}
    for name in ("share", "link", "time"):
        share = ann.share(expires_in=60)
        path = press(ann, share["recipients"][0]["url"]).headers["Location"]
        ends[name] = share, path
    share, _ = ends["share"]
    site.client.delete(f"/api/v1/shares/{share['id']}", headers=ann.headers)
    share, _ = ends["link"]
    recipient = share["recipients"][0]["id"]
    site.client.delete(
        f"/api/v1/shares/{share['id']}/recipients/{recipient}", headers=ann.headers
    )
    statuses = {k: ann.stranger.get(path).status_code for k, (_, path) in ends.items()}
    assert statuses == {"share": 410, "link": 410, "time": 200}
    site.now += 60
    assert ann.stranger.get(ends["time"][1]).status_code == 410


def test_a_lease_outlives_no_share_that_is_shortened(site: Site, ann: Sharer) -> None:
    share = ann.share(expires_in=3600)
    path = press(ann, share["recipients"][0]["url"]).headers["Location"]
    ann.edit(share["id"], expires_in=10)
    before = ann.stranger.get(path).status_code
    site.now += 10
    assert (before, ann.stranger.get(path).status_code) == (200, 410)


def test_a_lease_waits_for_a_share_that_is_put_off(site: Site, ann: Sharer) -> None:
    share = ann.share()
    path = press(ann, share["recipients"][0]["url"]).headers["Location"]
    ann.edit(share["id"], not_before=int(site.now) + 10)
    before = ann.stranger.get(path).status_code
    site.now += 10
    assert (before, ann.stranger.get(path).status_code) == (403, 200)


def test_a_lease_opens_no_item_that_was_removed(ann: Sharer) -> None:
    both = [{"upload": upload} for upload in ann.uploads]
    share = ann.share(items=both)
    link = share["recipients"][0]["url"]
    path = press(ann, link, item="2/notes.txt").headers["Location"]
    ann.edit(share["id"], items=both[:1])
    assert ann.stranger.get(path).status_code == 404


def test_a_lease_lasts_as_long_as_the_operator_says(make_site: MakeSite) -> None:
    site = make_site(GATEWAY_LEASE_LIFE="1h")
    ann = a_sharer(site)
    path = press(ann, ann.link()).headers["Location"]
    site.now += 3599
    before = ann.stranger.get(path).status_code
    site.now += 1
    assert (before, ann.stranger.get(path).status_code) == (200, 410)


def test_a_disabled_owner_s_share_opens_nothing(site: Site, ann: Sharer) -> None:
    link = ann.link()
    path = press(ann, link).headers["Location"]
    with site.database.write() as connection:
        users.set_disabled(connection, ann.user, is_disabled=True)
    assert ann.stranger.get(link, headers=BROWSER).status_code == 410
    assert ann.stranger.get(path).status_code == 410


def test_a_file_that_was_deleted_is_said_to_be(site: Site, ann: Sharer) -> None:
    link = ann.link()
    path = press(ann, link).headers["Location"]
    with site.database.write() as connection:
        upload = uploads.by_id(connection, ann.uploads[0])
        assert upload is not None
        uploads.remove(connection, upload)
    page = ann.stranger.get(link, headers=BROWSER)
    assert (page.status_code, "This file was deleted." in page.text) == (200, True)
    assert press(ann, link, item="1/report.pdf").status_code == 410
    assert ann.stranger.get(path).status_code == 410


@pytest.mark.parametrize(
    "item", ["9/report.pdf", "0/x", "x", "1", "1/", "01/report.pdf", "1" * 99 + "/x"]
)
def test_what_a_share_does_not_hold_is_not_there(
    site: Site, ann: Sharer, item: str
) -> None:
    link = ann.link()
    assert press(ann, link, item=item).status_code == 404
    assert lease_count(site) == 0


def test_codes_that_nobody_made_open_nothing(site: Site, ann: Sharer) -> None:
    link = ann.link()
    lease = press(ann, link).headers["Location"]
    code = link.rpartition("/")[2]
    forged = codes.mint(ServerSecret.generate(), Use.SHARE, code[:16])
    as_lease = codes.mint(site.secret, Use.SHARE, lease.split("/")[2][:16])
    texts = (
        f"/d/{forged}",
        f"/d/{code[:-1]}",
        f"/d/x{code}",
        f"/d/{'0' * 40}",
        f"/u/{code}",
        lease.replace(lease.split("/")[2], as_lease),
        lease.replace("/1/", "/2/"),
        f"/l/{lease.split('/')[2]}/x",
    )
    statuses = [ann.stranger.get(text, headers=BROWSER).status_code for text in texts]
    assert statuses == [404] * len(texts)


def test_a_lease_of_another_link_shows_nothing(ann: Sharer) -> None:
    protected, other = ann.link(password=SECRET), ann.link()
    lease = press(ann, other).headers["Location"].split("/")[2]
    page = ann.stranger.get(f"{protected}?lease={lease}", headers=BROWSER).text
    assert ('type="password"' in page, "/l/" in page) == (True, False)


# Folders of the tree


def test_a_name_in_the_tree_turns_no_text_around(site: Site) -> None:
    admin = a_sharer(site, "root", Role.ADMIN)
    folder = site.files / "reports"
    folder.mkdir()
    name = "annex\u202efdp.exe"
    (folder / name).write_text("x")
    for path in ("reports", f"reports/{name}"):
        link = admin.link(items=[{"path": path}])
        page = admin.stranger.get(link, headers=BROWSER).text
        lease = press(admin, link).headers["Location"]
        assert '<span class="name">annexfdp.exe</span>' in page
        assert admin.stranger.get(lease).status_code == 200


def test_a_folder_without_files_says_so(site: Site) -> None:
    admin = a_sharer(site, "root", Role.ADMIN)
    (site.files / "none").mkdir()
    link = admin.link(items=[{"path": "none"}])
    page = admin.stranger.get(link, headers=BROWSER).text
    assert ("The files of this share were deleted" in page, "0 files" in page) == (
        True,
        False,
    )


def test_a_folder_opens_what_is_in_it_and_nothing_else(site: Site) -> None:
    admin = a_sharer(site, "root", Role.ADMIN)
    folder = site.files / "reports"
    (folder / "q3").mkdir(parents=True)
    (folder / ".secret").write_text("hidden")
    (folder / "a b.txt").write_text("x")
    (folder / "q3" / "c.txt").write_text("xy")
    (folder / "out").symlink_to(site.files.parent / "data" / "catalog.sqlite3")
    link = admin.link(items=[{"path": "reports"}])
    body: Any = admin.stranger.get(link, headers=PROGRAM).json
    lease = press(admin, link, item="1/a b.txt").headers["Location"]
    code = lease.split("/")[2]
    paths = ("q3/c.txt", ".secret", "out", "../a.txt", "q3/../../a.txt", "none")
    statuses = [admin.stranger.get(f"/l/{code}/1/{path}").status_code for path in paths]
    assert [(f["name"], f["size"]) for f in body["items"]] == [
        ("a b.txt", 1),
        ("q3/c.txt", 2),
    ]
    assert admin.stranger.get(lease).headers["X-Accel-Redirect"] == (
        "/_small_files/reports/a%20b.txt"
    )
    assert statuses[0] == 200
    assert set(statuses[1:]) == {404}


@pytest.mark.parametrize(("count", "times"), [(1000, 0), (1001, 1)])
def test_a_page_says_that_it_lists_the_first_files_alone(
    site: Site, count: int, times: int
) -> None:
    admin = a_sharer(site, "root", Role.ADMIN)
    (site.files / "many").mkdir()
    for number in range(count):
        (site.files / "many" / f"{number}.txt").touch()
    page = admin.stranger.get(admin.link(items=[{"path": "many"}]), headers=BROWSER)
    assert page.text.count("the first 1000 files") == times
