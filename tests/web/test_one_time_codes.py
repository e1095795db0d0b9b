"""One-time codes of share links, as recipients, programs and makers meet them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from gateway.catalog import audit, dump, outbox, users
from gateway.catalog.outbox import MailState
from gateway.catalog.users import Role
from tests.web.conftest import EITHER_CATALOG
from tests.web.sharing import BROWSER, PROGRAM, RELAY, Sharer, a_sharer
from tests.web.test_share_link import lease_count
from tests.web.test_share_mail import READER, add, end_mails
from tests.web.test_share_pages import made, send

if TYPE_CHECKING:
    from werkzeug.test import TestResponse

    from tests.web.conftest import MakeSite, Site

JSON = {"Accept": "application/json", "X-Real-IP": "192.0.2.7"}
SECRET = "correct horse"
SHORTENED = "r•••@example.com"
#: What the page has while it waits for a code.
FIELD = 'autocomplete="one-time-code"'


@pytest.fixture
def site(make_site: MakeSite) -> Site:
    return make_site(**RELAY)


@pytest.fixture
def ann(site: Site) -> Sharer:
    return a_sharer(site)


def link(ann: Sharer, **fields: object) -> str:
    """Make a share that needs codes and return the path of its only link.

    The mail with the link is sent.
    """
    found = ann.link(**{"otp": True, "to": [READER], **fields})
    end_mails(ann.site, MailState.ACCEPTED)
    return found


def codes(site: Site) -> list[str]:
    """Return the codes that are to be mailed."""
    with site.database.read() as connection:
        mails = outbox.due(connection, now=int(site.now), limit=100)
    return [mail.code for mail in mails if mail.code]


def asked(ann: Sharer, path: str, **fields: str) -> str:
    """Ask for a code as a person does and return it, as the mail has it."""
    answer = ann.press(path, otp="", **fields)
    assert (answer.status_code, answer.headers["Location"]) == (
        303,
        urlsplit(path).path,
    )
    (code,) = codes(ann.site)
    end_mails(ann.site, MailState.ACCEPTED)
    return code


def wrong(code: str) -> str:
    """Return another code."""
    return f"{(int(code) + 1) % 10**6:06}"


def problem(answer: TestResponse) -> Any:
    body: Any = answer.json
    return body


@EITHER_CATALOG
def test_a_code_that_was_mailed_opens_the_share_once(site: Site) -> None:
    ann = a_sharer(site)
    path = link(ann)
    code = asked(ann, path)
    taken, again = (ann.press(path, otp=code) for _ in range(2))
    assert (len(code), code.isdecimal()) == (6, True)
    assert taken.status_code == 303
    assert ann.stranger.get(taken.headers["Location"]).status_code == 200
    assert (again.status_code, lease_count(site)) == (403, 1)


def test_the_page_asks_for_a_code_then_for_its_digits(ann: Sharer) -> None:
    """It tells the address to its owner, and to nobody else."""
    path = link(ann)
    before = ann.stranger.get(path, headers=BROWSER).text
    asked(ann, path)
    after = ann.stranger.get(path, headers=BROWSER).text
    assert [FIELD in page for page in (before, after)] == [False, True]
    assert all(SHORTENED in page and READER not in page for page in (before, after))
    assert "Send a new code" in after


def test_looking_mails_nothing(site: Site, ann: Sharer) -> None:
    path = link(ann)
    for method in ("GET", "HEAD"):
        ann.stranger.open(f"{path}?otp=", method=method, headers=BROWSER)
    other = {**BROWSER, "Sec-Fetch-Site": "cross-site"}
    ann.stranger.post(path, data={"otp": ""}, headers=other)
    ann.press(path)
    assert (codes(site), lease_count(site)) == ([], 0)


def test_a_wrong_code_is_said_to_be_with_the_tries_that_are_left(ann: Sharer) -> None:
    path = link(ann)
    code = asked(ann, path)
    pages = [ann.press(path, otp=wrong(code)) for _ in range(5)]
    over = ann.press(path, otp=code)
    assert [page.status_code for page in (*pages, over)] == [403] * 6
    assert "You have 4 attempts left." in pages[0].text
    assert "You have 1 attempt left." in pages[3].text
    assert [FIELD in page.text for page in pages] == [True] * 4 + [False]
    assert "Request a new code." in over.text


def test_a_code_is_typed_with_blanks(ann: Sharer) -> None:
    path = link(ann)
    code = asked(ann, path)
    assert ann.press(path, otp=f" {code[:3]} {code[3:]}\n").status_code == 303


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("x" * 10_000, id="long"),
        pytest.param("\0", id="NUL"),
        pytest.param("\uff11" * 6, id="other digits"),
        pytest.param("\u200b", id="nothing to be seen"),
    ],
)
def test_whatever_is_typed_is_a_wrong_code(ann: Sharer, text: str) -> None:
    path = link(ann)
    asked(ann, path)
    assert ann.press(path, otp=text).status_code == 403


def test_another_code_comes_after_a_minute(site: Site, ann: Sharer) -> None:
    path = link(ann)
    first = asked(ann, path)
    soon = ann.press(path, otp="")
    site.now += 60
    second = asked(ann, path)
    assert (soon.status_code, soon.headers["Retry-After"]) == (429, "60")
    assert ("Wait 60 seconds" in soon.text, FIELD in soon.text) == (True, True)
    # They may happen to be the same.
    assert [ann.press(path, otp=code).status_code for code in (second, first)] == [
        303,
        403,
    ]


def test_a_sixth_code_of_a_day_waits_for_the_next(site: Site, ann: Sharer) -> None:
    path = link(ann)
    for _ in range(5):
        asked(ann, path)
        site.now += 600
    refused = ann.press(path, otp="")
    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "83400")
    assert "Wait 24 hours" in refused.text


def test_a_program_asks_for_a_code_and_sends_it(ann: Sharer) -> None:
    path = link(ann)
    got = ann.stranger.get(path, headers=JSON)
    mailed = ann.stranger.post(path, data={"otp": ""}, headers=JSON)
    code = codes(ann.site)[-1]
    refused = ann.stranger.post(path, data={"otp": wrong(code)}, headers=JSON)
    taken = ann.stranger.post(path, data={"otp": code}, headers=PROGRAM)
    answers = (got, mailed, refused)
    assert [answer.status_code for answer in answers] == [403] * 3
    assert [problem(answer)["type"].split("/")[2] for answer in answers] == [
        "code-required",
        "code-required",
        "wrong-code",
    ]
    assert f"mailed to {SHORTENED}" in problem(mailed)["detail"]
    assert ann.stranger.get(taken.headers["Location"]).status_code == 200


def test_the_password_comes_first(site: Site, ann: Sharer) -> None:
    path = link(ann, password=SECRET)
    refused = [ann.press(path, otp="", password=text) for text in ("", "guess")]
    none = codes(site)
    code = asked(ann, path, password=SECRET)
    page = ann.stranger.get(path, headers=BROWSER).text
    alone = ann.press(path, otp=code, password="guess")
    assert [answer.status_code for answer in (*refused, alone)] == [403] * 3
    assert (none, 'type="password"' in page) == ([], True)
    assert ann.press(path, otp=code, password=SECRET).status_code == 303


def test_a_lease_that_is_refused_uses_no_code_up(site: Site, ann: Sharer) -> None:
    share = ann.share(otp=True, to=[READER], max=1)
    path = share["recipients"][0]["url"]
    first = ann.press(path, otp=asked(ann, path)).headers["Location"]
    ann.stranger.get(first)
    site.now += 60
    code = asked(ann, path)
    busy = [ann.press(path, otp=code).status_code for _ in range(6)]
    ann.spend(first)
    spent = ann.press(path, otp=code).status_code
    (recipient,) = share["recipients"]
    url = f"/api/v1/shares/{share['id']}/recipients/{recipient['id']}/give-back"
    site.client.post(url, headers=ann.headers)
    assert (set(busy), spent) == ({409}, 410)
    assert ann.press(path, otp=code).status_code == 303


def test_a_link_that_is_used_up_mails_no_code(site: Site, ann: Sharer) -> None:
    path = link(ann, max=1)
    ann.spend(ann.press(path, otp=asked(ann, path)).headers["Location"])
    site.now += 60
    assert ann.press(path, otp="").status_code == 410


def test_the_code_of_a_link_that_was_ended_opens_nothing(ann: Sharer) -> None:
    share = ann.share(otp=True, to=[READER])
    (recipient,) = share["recipients"]
    code = asked(ann, recipient["url"])
    url = f"/api/v1/shares/{share['id']}/recipients/{recipient['id']}"
    ann.site.client.delete(url, headers=ann.headers)
    assert ann.press(recipient["url"], otp=code).status_code == 410


def test_an_owner_who_may_send_no_mail_any_more_is_told_of(
    site: Site, ann: Sharer
) -> None:
    path = link(ann)
    with site.database.write() as connection:
        users.set_mail(connection, ann.user, may_send_mail=False)
    answer = ann.press(path, otp="")
    assert (answer.status_code, "contact the sender" in answer.text) == (403, True)
    assert codes(site) == []


def test_strangers_use_up_no_mails_of_the_owner_s(site: Site, ann: Sharer) -> None:
    path = link(ann)
    for _ in range(5):
        asked(ann, path)
        site.now += 60
    # Three a day, of which the link's own mail is one.
    assert ann.make(to=["a@example.com", "b@example.com"]).status_code == 201


def test_no_backup_has_a_code(site: Site, ann: Sharer) -> None:
    path = link(ann)
    asked(ann, path)
    with site.database.read() as connection:
        tables = {line.table for line in dump.read(connection)}
    assert ("outbox" in tables, "one_time_codes" in tables) == (True, False)


# Making such a share


def faults(answer: TestResponse) -> dict[str, str]:
    assert answer.status_code == 400, answer.text
    return {error["field"]: error["detail"] for error in problem(answer)["errors"]}


def test_codes_need_an_address_that_they_go_to(ann: Sharer) -> None:
    copied = ann.share(label="the board")
    unnamed = ann.share()
    needed = ann.share(otp=True, to=[READER])
    (recipient,) = unnamed["recipients"]
    assert faults(ann.make(otp=True)).keys() == {"to"}
    assert "the board" in faults(ann.edit(copied["id"], otp=True))["otp"]
    assert recipient["id"] in faults(ann.edit(unnamed["id"], otp=True))["otp"]
    assert faults(add(ann, needed["id"])).keys() == {"to"}
    url = f"/api/v1/shares/{unnamed['id']}/recipients"
    ann.site.client.delete(f"{url}/{recipient['id']}", headers=ann.headers)
    assert problem(ann.edit(unnamed["id"], otp=True))["otp"] is True


def test_codes_need_a_relay(make_site: MakeSite) -> None:
    ann = a_sharer(make_site())
    share = ann.share(to=[READER])
    for answer in (ann.make(otp=True, to=[READER]), ann.edit(share["id"], otp=True)):
        assert "mail is not set up" in faults(answer)["otp"]


def test_codes_need_an_owner_who_may_send_mail(site: Site, ann: Sharer) -> None:
    """Neither the owner nor an admin can require codes that could not be mailed."""
    share = ann.share(to=[READER])
    admin = a_sharer(site, "root", Role.ADMIN)
    with site.database.write() as connection:
        users.set_mail(connection, ann.user, may_send_mail=False)
    for answer in (
        ann.make(otp=True, to=[READER]),
        admin.edit(share["id"], otp=True),
    ):
        assert "ann may not send mail" in faults(answer)["otp"]


def test_codes_are_asked_for_and_no_more_by_a_change(site: Site, ann: Sharer) -> None:
    share = ann.share(to=[READER])
    path = share["recipients"][0]["url"]
    ann.edit(share["id"], otp=True)
    needed = ann.press(path).status_code
    changed = problem(ann.edit(share["id"], title="New"))
    ann.edit(share["id"], otp=False)
    with site.database.read() as connection:
        entries = audit.of_share(connection, share["id"], limit=9)
    assert (needed, changed["otp"], ann.press(path).status_code) == (403, True, 303)
    assert [entry.detail for entry in entries if "otp" in entry.detail] == [
        '{"has_otp": false}',
        '{"has_otp": true}',
    ]


def test_codes_are_chosen_in_the_form_and_taken_off_on_the_page(ann: Sharer) -> None:
    ann.site.log_in()
    path = made(ann, to=READER, otp="1")
    chosen = ann.site.client.get(path).text
    send(ann, path, title="New")
    kept = ann.site.client.get(path).text
    send(ann, path, no_otp="1")
    off = ann.site.client.get(path).text
    send(ann, path, otp="1")
    on = ann.site.client.get(path).text
    assert ["one-time code required" in page for page in (chosen, kept, off, on)] == [
        True,
        True,
        False,
        True,
    ]


def test_the_form_says_what_codes_need(ann: Sharer) -> None:
    ann.site.log_in()
    answer = send(ann, "/shares", upload=ann.uploads, life="7", otp="1")
    assert answer.status_code == 400
    assert "checked> Require a one-time code" in answer.text
    assert (
        "Email addresses: must be given, because one-time codes are mailed"
        in answer.text
    )


def test_without_a_relay_no_form_offers_codes(make_site: MakeSite) -> None:
    ann = a_sharer(make_site())
    ann.site.log_in()
    pages = [ann.site.client.get(path).text for path in ("/shares/new", made(ann))]
    assert ['name="otp"' in page for page in pages] == [False, False]
