"""A share is mailed while the gateway serves, and the mailed link opens it."""

from __future__ import annotations

import json
import re
from functools import partial
from typing import TYPE_CHECKING

import pytest

from tests.live.stack import NativeStack, wait_until
from tests.mail.relays import FakeRelay, content, silence

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aiosmtpd.smtp import Envelope

BROWSER = {"Accept": "text/html,*/*;q=0.8"}
PROGRAM = {"Accept": "application/json"}


@pytest.fixture(scope="module")
def relay() -> Iterator[FakeRelay]:
    with FakeRelay().running() as relay:
        yield relay


@pytest.fixture(scope="module")
def mailing(relay: FakeRelay) -> Iterator[NativeStack]:
    """Return a stack with that relay."""
    with NativeStack(**relay.settings).running() as stack:
        stack.put("a.txt", b"0123456789")
        yield stack


def mails_to(relay: FakeRelay, address: str) -> list[Envelope]:
    return [mail for mail in relay.mails if mail.rcpt_tos == [address]]


def share(stack: NativeStack, address: str, *options: str) -> str:
    """Share a file by mail and return the share's id."""
    made = json.loads(
        stack.gateway("shares", "new", "a.txt", "--to", address, *options, "--json")
    )
    stack.tokens.add(made["recipients"][0]["url"].rpartition("/")[2])
    return str(made["id"])


def mail_of(stack: NativeStack, share_id: str) -> str:
    shown = json.loads(stack.gateway("shares", "show", share_id, "--json"))
    return str(shown["recipients"][0]["mail"])


def test_the_mailed_link_opens_the_share(
    mailing: NativeStack, relay: FakeRelay
) -> None:
    made = share(mailing, "first@example.com")
    wait_until(lambda: mail_of(mailing, made) == "accepted", what="the mail")
    [mail] = mails_to(relay, "first@example.com")
    [link] = re.findall(rb"\r\n(https?://\S+/d/[0-9a-z]{40})\r\n", content(mail))[:1]
    page = mailing.ask(link.decode(), headers=BROWSER)
    assert (page.status_code, "a.txt" in page.text) == (200, True)


def test_a_mailed_code_opens_the_share_once(
    mailing: NativeStack, relay: FakeRelay
) -> None:
    shared = share(mailing, "third@example.com", "--otp")
    facts = json.loads(mailing.gateway("shares", "show", shared, "--json"))
    link = facts["recipients"][0]["url"]
    asked = mailing.ask(link, "POST", data={"otp": ""}, headers=PROGRAM)
    mails = partial(mails_to, relay, "third@example.com")
    wait_until(lambda: len(mails()) == 2, what="the mail with the code")
    [code] = re.findall(rb"\r\n([0-9]{6})\r\n", content(mails()[1]))[:1]
    taken = mailing.ask(link, "POST", data={"otp": code.decode()})
    lease = taken.headers["Location"]
    mailing.tokens.add(lease.split("/")[2])
    file = mailing.ask(f"{mailing.url}{lease}")
    again = mailing.ask(link, "POST", data={"otp": code.decode()}, headers=PROGRAM)
    assert (asked.status_code, asked.json()["type"]) == (403, "/problems/code-required")
    assert (taken.status_code, file.content) == (303, b"0123456789")
    assert (again.status_code, again.json()["type"]) == (403, "/problems/wrong-code")


def test_a_relay_that_says_nothing_keeps_no_request_and_no_stop_waiting() -> None:
    with (
        FakeRelay({"RCPT": silence}).running() as relay,
        NativeStack(**relay.settings, GATEWAY_GRACE="2").running() as stack,
    ):
        stack.put("a.txt", b"0123456789")
        made = share(stack, "second@example.com")
        wait_until(lambda: "RCPT" in relay.commands, what="the mail is offered")
        assert mail_of(stack, made) == "waiting"
        assert stack.ask(stack.sign("a.txt")).status_code == 200
