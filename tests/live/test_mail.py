"""A share is mailed while the gateway serves, and the mailed link opens it."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

from tests.live.stack import NativeStack, wait_until
from tests.mail.relays import HOST, FakeRelay, content, silence

if TYPE_CHECKING:
    from collections.abc import Iterator

BROWSER = {"Accept": "text/html,*/*;q=0.8"}


@pytest.fixture
def relay() -> Iterator[FakeRelay]:
    with FakeRelay().running() as relay:
        yield relay


@pytest.fixture
def mailing(relay: FakeRelay) -> Iterator[NativeStack]:
    """Return a stack with that relay, and little patience when it is stopped."""
    with NativeStack(
        GATEWAY_MAIL_URL=f"smtp://{HOST}:{relay.port}?tls=none",
        GATEWAY_MAIL_FROM="Files of Example <files@example.com>",
        GATEWAY_GRACE="2",
    ).running() as stack:
        stack.put("a.txt", b"0123456789")
        yield stack


def share(stack: NativeStack, address: str) -> str:
    """Share a file by mail and return the share's id."""
    made = json.loads(
        stack.gateway("shares", "new", "a.txt", "--to", address, "--json")
    )
    stack.tokens.add(made["recipients"][0]["url"].rpartition("/")[2])
    return str(made["id"])


def mail_of(stack: NativeStack, share_id: str) -> str:
    shown = json.loads(stack.gateway("shares", "show", share_id, "--json"))
    return str(shown["recipients"][0]["mail"])


def test_a_mailed_link_opens_its_share_and_a_silent_relay_keeps_nobody_waiting(
    mailing: NativeStack, relay: FakeRelay
) -> None:
    made = share(mailing, "first@example.com")
    wait_until(lambda: mail_of(mailing, made) == "accepted", what="the mail")
    [mail] = [each for each in relay.mails if each.rcpt_tos == ["first@example.com"]]
    [link] = re.findall(rb"\r\n(https?://\S+/d/[0-9a-z]{40})\r\n", content(mail))[:1]
    page = mailing.ask(link.decode(), headers=BROWSER)
    assert (page.status_code, "a.txt" in page.text) == (200, True)

    # Neither requests nor, at last, the stop.
    relay.answers = {"RCPT": silence}
    relay.commands.clear()
    made = share(mailing, "second@example.com")
    wait_until(lambda: "RCPT" in relay.commands, what="the mail is offered")
    assert mail_of(mailing, made) == "waiting"
    assert mailing.ask(mailing.sign("a.txt")).status_code == 200
