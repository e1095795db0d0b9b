"""Mails of members' shares: who may have them sent, how many, and what is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from gateway.catalog import outbox, users
from gateway.catalog.outbox import MailState
from tests.web.sharing import BROWSER, RELAY, Sharer, a_sharer

if TYPE_CHECKING:
    from werkzeug.test import TestResponse

    from tests.web.conftest import MakeSite, Site

READER = "reader@example.com"


@pytest.fixture
def site(make_site: MakeSite) -> Site:
    return make_site(**RELAY)


@pytest.fixture
def ann(site: Site) -> Sharer:
    sharer = a_sharer(site)
    site.log_in()
    return sharer


def waiting(site: Site) -> int:
    """Return how many mails are to be sent."""
    with site.database.read() as connection:
        return len(outbox.due(connection, now=int(site.now), limit=100))


def end_mails(site: Site, state: MailState, words: str = "") -> None:
    """Note what became of all mails that are to be sent."""
    with site.database.write() as connection:
        for mail in outbox.due(connection, now=int(site.now), limit=100):
            outbox.finish(connection, mail, state, words, now=int(site.now))


def add(ann: Sharer, share_id: str, *to: str) -> TestResponse:
    path = f"/api/v1/shares/{share_id}/recipients"
    return ann.site.client.post(path, json={"to": to}, headers=ann.headers)


def resend(ann: Sharer, share: Any) -> TestResponse:
    recipient = share["recipients"][0]["id"]
    path = f"/api/v1/shares/{share['id']}/recipients/{recipient}/mail"
    return ann.site.client.post(path, headers=ann.headers)


def test_each_address_gets_a_mail_and_a_copied_link_none(ann: Sharer) -> None:
    made = ann.share(to=[READER, "editor@example.com"])
    ann.share()
    assert [one["mail"] for one in made["recipients"]] == ["waiting", "waiting"]
    assert waiting(ann.site) == 2


def test_a_recipient_who_is_added_gets_a_mail(ann: Sharer) -> None:
    made = ann.share()
    added = add(ann, made["id"], READER).json
    assert added is not None
    assert [one["mail"] for one in added["recipients"]] == ["none", "waiting"]


def test_a_repeated_request_mails_nobody_again(ann: Sharer) -> None:
    ann.headers["Idempotency-Key"] = "k"
    answers = [ann.make(to=[READER]) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 200]
    assert waiting(ann.site) == 1


def test_no_more_mails_go_out_in_a_day_than_the_operator_permits(ann: Sharer) -> None:
    """Neither by one share nor by several; nothing is made halfway."""
    refused = ann.make(to=[f"r{number}@example.com" for number in range(4)])
    made = ann.share(to=["a@example.com", "b@example.com"])
    answers = [ann.make(to=["c@example.com", "d@example.com"])]
    answers.append(add(ann, made["id"], "e@example.com", "f@example.com"))
    ann.share(to=["g@example.com"])
    answers.append(ann.make(to=["h@example.com"]))
    assert refused.status_code == 400
    assert refused.json is not None
    assert refused.json["errors"] == [
        {"field": "to", "detail": "at most 3 mails a day, 3 are left"}
    ]
    assert [answer.status_code for answer in answers] == [400, 400, 400]
    assert waiting(ann.site) == 3
    listed = ann.site.client.get("/api/v1/shares", headers=ann.headers).json
    assert listed is not None
    assert len(listed["shares"]) == 2
    assert ann.make().status_code == 201
    ann.site.now += 86_400
    assert ann.make(to=["h@example.com"]).status_code == 201


def test_an_account_without_mail_makes_links_all_the_same(ann: Sharer) -> None:
    with ann.site.database.write() as connection:
        users.set_mail(connection, ann.user, may_send_mail=False)
    made = ann.share(to=[READER])
    assert made["recipients"][0]["mail"] == "none"
    assert resend(ann, made).status_code == 403
    assert "Send link" not in ann.site.client.get(f"/shares/{made['id']}").text
    assert waiting(ann.site) == 0


def test_without_a_relay_links_are_made_all_the_same(make_site: MakeSite) -> None:
    ann = a_sharer(make_site())
    made = ann.share(to=[READER])
    assert made["recipients"][0]["mail"] == "none"
    assert resend(ann, made).status_code == 403


def test_a_mail_that_is_on_its_way_is_not_sent_twice(ann: Sharer) -> None:
    made = ann.share(to=[READER])
    assert resend(ann, made).status_code == 200
    assert waiting(ann.site) == 1


@pytest.mark.parametrize(
    "state", [MailState.REFUSED, MailState.UNKNOWN, MailState.ACCEPTED], ids=str
)
def test_a_mail_that_is_over_is_sent_again_by_hand(
    ann: Sharer, state: MailState
) -> None:
    made = ann.share(to=[READER])
    end_mails(ann.site, state)
    again = resend(ann, made)
    assert again.json is not None
    assert again.json["recipients"][0]["mail"] == "waiting"
    assert waiting(ann.site) == 1


def test_the_link_of_a_share_that_is_over_is_not_mailed(ann: Sharer) -> None:
    made = ann.share(to=[READER])
    end_mails(ann.site, MailState.REFUSED)
    ann.site.client.delete(f"/api/v1/shares/{made['id']}", headers=ann.headers)
    assert resend(ann, made).status_code == 200
    assert waiting(ann.site) == 0


def test_a_share_of_somebody_else_is_not_mailed(ann: Sharer) -> None:
    made = ann.share(to=[READER])
    end_mails(ann.site, MailState.ACCEPTED)
    bob = a_sharer(ann.site, "bob")
    assert resend(bob, made).status_code == 404
    assert waiting(ann.site) == 0


def page(ann: Sharer, share: Any) -> str:
    return ann.site.client.get(f"/shares/{share['id']}").text


def test_the_page_says_what_became_of_each_mail(ann: Sharer) -> None:
    made = ann.share(to=[READER])
    before = page(ann, made)
    end_mails(ann.site, MailState.REFUSED, "550 no such <user>")
    after = page(ann, made)
    assert ("email not sent yet" in before, "Send link again" in before) == (
        True,
        False,
    )
    assert "email refused: 550 no such &lt;user&gt;" in after
    assert "Send link again" in after


def test_a_button_sends_a_mail_again(ann: Sharer) -> None:
    made = ann.share(to=[READER])
    end_mails(ann.site, MailState.REFUSED)
    path = f"/shares/{made['id']}/recipients/{made['recipients'][0]['id']}/mail"
    token = ann.site.token("/shares/new")
    answer = ann.site.client.post(path, data={"csrf_token": token})
    assert answer.status_code == 303
    assert "The email will be sent." in page(ann, made)
    assert waiting(ann.site) == 1


def test_a_mail_over_the_limit_is_refused_on_the_page(ann: Sharer) -> None:
    made = ann.share(to=[READER, "b@example.com", "c@example.com"])
    end_mails(ann.site, MailState.REFUSED)
    path = f"/shares/{made['id']}/recipients/{made['recipients'][0]['id']}/mail"
    token = ann.site.token("/shares/new")
    ann.site.client.post(path, data={"csrf_token": token})
    assert "The email was not sent: at most 3 mails a day, 0 are left." in page(
        ann, made
    )
    assert waiting(ann.site) == 0


@pytest.mark.parametrize(
    ("state", "seconds", "scanned"),
    [
        pytest.param(MailState.ACCEPTED, 9, 1, id="quicker than anybody reads"),
        pytest.param(MailState.ACCEPTED, 10, 0, id="as quick as somebody may be"),
        pytest.param(MailState.SENDING, 9, 1, id="before the relay has answered"),
        pytest.param(MailState.REFUSED, 9, 0, id="a mail that was refused"),
    ],
)
def test_who_presses_as_soon_as_the_mail_is_out_is_labelled(
    ann: Sharer, state: MailState, seconds: int, scanned: int
) -> None:
    made = ann.share(to=[READER], max=1)
    ann.site.now += 1000
    end_mails(ann.site, state)
    ann.site.now += seconds
    headers = {**BROWSER, "Accept-Language": "en"}
    pressed = ann.stranger.post(made["recipients"][0]["url"], headers=headers)
    ann.spend(pressed.headers["Location"])
    shown: Any = ann.site.client.get(
        f"/api/v1/shares/{made['id']}", headers=ann.headers
    ).json
    assert shown["recipients"][0]["scanned"] == scanned
