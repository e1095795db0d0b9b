"""What is in the outbox goes out once, whatever relay and catalog do."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pytest

from gateway.catalog import outbox, recipients, shares, users
from gateway.catalog.disk_reserve import Reserve
from gateway.catalog.outbox import LIFE, SENDING, MailState
from gateway.catalog.recipients import NewRecipient
from gateway.catalog.shares import NewItem
from gateway.config.mail_url import MailURL, Security
from gateway.errors import CatalogBusyError, NoSpaceError
from gateway.mail.outbox import Outbox
from gateway.mail.relay import Relay
from gateway.mail.session import Timeouts
from gateway.mail_address import Mailbox
from tests.catalog.conftest import ON_SQLITE, ann, database, unsynced, url
from tests.live.ports import free_port
from tests.live.stack import wait_until
from tests.mail.relays import HOST, FakeRelay, content, hang_up, silence
from tests.users import a_user

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection

    from gateway.catalog.database import Database
    from gateway.catalog.shares import Share
    from gateway.catalog.users import User

__all__ = ["ann", "database", "unsynced", "url"]

pytestmark = ON_SQLITE

START = 1_900_000_000
DAY = 86_400


@dataclass
class Office:
    """A catalog, a relay, and the gateway's clock."""

    database: Database
    relay: FakeRelay
    now: int = START
    said: list[str] = field(default_factory=list)

    def outbox(self, **changes: Any) -> Outbox:
        url = MailURL(HOST, self.relay.port, Security.NONE)
        return replace(
            Outbox(
                database=self.database,
                url=url,
                sender=Mailbox.parse("Files of Example <files@example.com>"),
                site="Files of Example",
                link=lambda recipient: (
                    f"https://files.example.com/d/{recipient.code_id}"
                ),
                clock=lambda: self.now,
                say=self.said.append,
                timeouts=Timeouts(0.5, 0.5),
            ),
            **changes,
        )

    def share(self, owner: User | None, *to: str, **policy: Any) -> Share:
        """Make a share with mails to *to*."""
        policy = {"title": "", "message": "", "lang": "", **policy}
        items = [NewItem("a.txt", path="a.txt"), NewItem("b", path="b/")]
        with self.database.write() as connection:
            made = shares.new(connection, owner, items, now=START, **policy)
            new = [NewRecipient(one) for one in to]
            added = recipients.add(connection, made, new, now=START)
            outbox.add(connection, added, owner, now=START)
        return made

    def states(self, made: Share) -> list[tuple[str, str]]:
        """Return state and words of the mail to each recipient."""
        with self.database.read() as connection:
            found = recipients.of_shares(connection, [made.id])
            mails = outbox.latest(connection, [made.id])
        return [(mails[one.id].state, mails[one.id].words) for one in found]

    def received(self) -> list[str]:
        """Return the recipients of all mails that the relay has taken."""
        return [address for mail in self.relay.mails for address in mail.rcpt_tos]


@pytest.fixture
def office(database: Database) -> Iterator[Office]:
    with FakeRelay().running() as relay:
        yield Office(database, relay)


def test_a_share_s_mails_go_out_over_one_connection(office: Office) -> None:
    to = [f"r{number}@example.com" for number in range(50)]
    made = office.share(None, *to)
    assert office.outbox().send() == 50
    assert office.received() == to
    assert office.relay.connections == 1
    assert office.states(made) == [("accepted", "250 queued as 1")] * 50
    assert office.outbox().send() == 0


def test_without_mails_nobody_is_connected_to(office: Office) -> None:
    assert office.outbox().send() == 0
    assert office.relay.connections == 0


def test_a_mail_says_what_the_share_is(office: Office, ann: User) -> None:
    made = office.share(
        ann,
        "r@example.com",
        title="Q3",
        message="Here.",
        lang="de",
        expires=START + DAY,
    )
    office.outbox().send()
    [mail] = office.relay.mails
    [link] = links(office, made)
    text = content(mail).decode()
    assert f"\r\nhttps://files.example.com/d/{link.code_id}\r\n" in text
    assert "Subject: ann schickt Ihnen: Q3\r\n" in text
    assert "\r\n> Here.\r\n" in text
    assert "\r\n- a.txt\r\n- b/\r\n" in text
    assert "18. März 2030" in text
    assert "Reply-To" not in text


def links(office: Office, made: Share) -> list[recipients.Recipient]:
    with office.database.read() as connection:
        return recipients.of_shares(connection, [made.id])


def test_replies_go_to_a_sender_whose_name_is_an_address(office: Office) -> None:
    with office.database.write() as connection:
        bob = a_user(connection, "bob@example.net")
    office.share(bob, "r@example.com")
    office.outbox().send()
    assert b"\r\nReply-To: bob@example.net\r\n" in (
        office.relay.mails[0].content or b""
    )


def test_each_mail_has_an_id_of_its_own(office: Office) -> None:
    made = office.share(None, "a@example.com", "b@example.com")
    with office.database.write() as connection:
        again = recipients.of_shares(connection, [made.id])
        outbox.add(connection, again, None, now=START)
    office.outbox().send()
    lines = [
        line
        for mail in office.relay.mails
        for line in content(mail).splitlines()
        if line.startswith(b"Message-ID: ")
    ]
    assert len(set(lines)) == len(lines) == 4


def test_a_code_goes_out_in_place_of_a_link(office: Office) -> None:
    made = office.share(None)
    with office.database.write() as connection:
        [one] = recipients.add(
            connection, made, [NewRecipient("r@example.com")], now=START
        )
        outbox.add(connection, [one], None, now=START, code="012345", life=600)
    office.now += 30
    assert office.outbox().send() == 1
    text = content(office.relay.mails[0]).decode()
    assert "Subject: 012345 is your code\r\n" in text
    assert "\r\n012345\r\n" in text
    assert "expires in 9 minutes" in text
    assert "/d/" not in text


def test_a_refused_address_keeps_no_other_one_waiting(office: Office) -> None:
    office.relay.answers = {"RCPT": ["550 no such user", "250 OK"]}
    made = office.share(None, "a@example.com", "b@example.com")
    assert office.outbox().send() == 1
    assert office.states(made) == [
        ("refused", "550 no such user"),
        ("accepted", "250 queued as 1"),
    ]


def test_the_end_of_each_mail_is_told_once(office: Office) -> None:
    office.relay.answers = {"RCPT": ["550 no such user", "451 greylisted", "250 OK"]}
    told: list[str] = []
    sender = office.outbox(note=told.append)
    office.share(None, "a@example.com", "b@example.com", "c@example.com")
    over = office.share(None, "d@example.com")
    with office.database.write() as connection:
        shares.revoke(connection, over, now=START)
    sender.send()
    office.now += LIFE
    sender.send()
    assert sorted(told) == ["accepted", "accepted", "given-up", "refused"]


def test_a_greylisted_mail_goes_out_later(office: Office) -> None:
    office.relay.answers = {"RCPT": ["451 greylisted", "250 OK"]}
    made = office.share(None, "a@example.com")
    assert office.outbox().send() == 0
    assert office.states(made) == [("waiting", "451 greylisted")]
    assert office.outbox().send() == 0
    office.now += 60
    assert office.outbox().send() == 1


def test_a_relay_that_is_away_loses_nothing(office: Office) -> None:
    made = office.share(None, "a@example.com", "b@example.com")
    away = MailURL("127.0.0.1", free_port(), Security.NONE)
    assert office.outbox(url=away).send() == 0
    words = f"mail relay {away}: Connection refused"
    assert office.states(made) == [("waiting", words)] * 2
    assert office.said == [f"mails wait: {words}"]
    office.now += 60
    assert office.outbox().send() == 2


def test_a_relay_that_is_away_for_two_days_is_given_up(office: Office) -> None:
    made = office.share(None, "a@example.com")
    away = MailURL("127.0.0.1", free_port(), Security.NONE)
    told: list[str] = []
    for _ in range(3):
        office.outbox(url=away, note=told.append).send()
        office.now += DAY
    assert office.outbox(note=told.append).send() == 0
    [(state, words)] = office.states(made)
    assert (state, "Connection refused" in words) == ("given-up", True)
    assert told == ["given-up"]


@pytest.mark.parametrize("answer", [hang_up, silence])
def test_a_mail_without_a_last_reply_is_unknown_and_not_sent_again(
    office: Office, answer: Any
) -> None:
    office.relay.answers = {"DOT": [answer, "250 OK"]}
    made = office.share(None, "a@example.com", "b@example.com")
    assert office.outbox().send() == 1
    assert [state for state, _ in office.states(made)] == ["unknown", "accepted"]
    office.now += 3600
    assert office.outbox().send() == 0
    assert office.received() == ["b@example.com"]


def test_before_its_content_is_sent_a_mail_is_said_to_be_sending(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is committed: a kill then leaves it so, and later unknown."""
    made = office.share(None, "a@example.com")

    def die(_relay: Relay, _content: bytes) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Relay, "deliver", die)
        with pytest.raises(KeyboardInterrupt):
            office.outbox().send()
    assert office.states(made) == [("sending", "")]
    office.now += SENDING
    assert office.outbox().send() == 0
    [(state, words)] = office.states(made)
    assert (state, words) == (
        "unknown",
        "the gateway stopped while it sent this mail",
    )


def test_two_that_send_at_once_send_each_mail_once(office: Office) -> None:
    """As two gateways with one catalog do."""
    made = office.share(None, *(f"r{n}@example.com" for n in range(30)))
    threads = [threading.Thread(target=office.outbox().send) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(office.received()) == sorted(set(office.received()))
    assert {state for state, _ in office.states(made)} == {"accepted"}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        pytest.param(
            lambda c, share, _: shares.revoke(c, share, now=START),
            "the link was revoked before the mail was sent",
            id="share-revoked",
        ),
        pytest.param(
            lambda c, share, _: recipients.revoke(
                c, recipients.of_shares(c, [share.id])[0], now=START
            ),
            "the link was revoked before the mail was sent",
            id="link-revoked",
        ),
        pytest.param(
            lambda c, share, _: shares.change(c, share, expires=START),
            "the share expired before the mail was sent",
            id="share-expired",
        ),
        pytest.param(
            lambda c, _, owner: users.set_disabled(c, owner, is_disabled=True),
            "ann may not send mail",
            id="owner-disabled",
        ),
        pytest.param(
            lambda c, _, owner: users.set_mail(c, owner, may_send_mail=False),
            "ann may not send mail",
            id="owner-without-mail",
        ),
    ],
)
def test_a_mail_whose_share_is_over_is_given_up(
    office: Office, ann: User, change: Any, words: str
) -> None:
    made = office.share(ann, "a@example.com")
    with office.database.write() as connection:
        change(connection, made, ann)
    assert office.outbox().send() == 0
    assert office.states(made) == [("given-up", words)]
    assert office.relay.mails == []


def test_a_mail_that_can_not_be_written_keeps_no_other_one_waiting(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = office.share(None, "a@example.com")
    with monkeypatch.context() as patch:
        patch.setattr("gateway.mail.outbox.compose", lambda *_, **__: 1 / 0)
        assert office.outbox().send() == 0
    assert office.states(made) == [("waiting", "the gateway could not write this mail")]
    assert office.said == ["mail 1 failed: ZeroDivisionError: division by zero"]
    office.now += 60
    assert office.outbox().send() == 1


def test_what_became_of_a_mail_is_noted_as_soon_as_the_catalog_can(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A mail that was accepted is not sent twice for a catalog that was busy."""
    made = office.share(None, "a@example.com")
    finish, tries = outbox.finish, []

    def busy_once(connection: Connection, *arguments: Any, **more: Any) -> None:
        tries.append(office.states(made))
        if len(tries) == 1:
            raise CatalogBusyError("busy")
        finish(connection, *arguments, **more)

    monkeypatch.setattr(outbox, "finish", busy_once)
    office.outbox().send()
    wait_until(
        lambda: office.states(made)[0][0] == "accepted", what="the catalog to know"
    )
    assert tries == [[("sending", "")]] * 2
    assert office.states(made) == [("accepted", "250 queued as 1")]


def test_a_catalog_that_is_full_is_no_reason_to_press_the_relay(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it says can't be written down, and the mail stays due."""
    made = office.share(None, "a@example.com", "b@example.com")
    office.relay.answers = {"RCPT": "451 greylisted"}
    with monkeypatch.context() as patch:
        patch.setattr(Reserve, "is_short", lambda _: True)
        with pytest.raises(NoSpaceError):
            office.outbox().send()
    assert office.relay.commands.count("RCPT") == 1
    assert [state for state, _ in office.states(made)] == ["waiting", "waiting"]


def test_when_it_is_told_to_stop_the_other_mails_wait(office: Office) -> None:
    made = office.share(None, "a@example.com", "b@example.com")
    office.outbox().send(is_stopped=lambda: bool(office.relay.mails))
    assert [state for state, _ in office.states(made)] == ["accepted", "waiting"]


def test_a_mail_is_tried_once_more_before_it_is_given_up(office: Office) -> None:
    """The gateway was off, or its clock has jumped: nobody has tried it for long."""
    made = office.share(None, "a@example.com")
    office.now += 2 * LIFE
    assert office.outbox().send() == 1
    assert office.states(made) == [("accepted", "250 queued as 1")]


def test_a_code_that_has_expired_is_not_sent(office: Office) -> None:
    made = office.share(None)
    with office.database.write() as connection:
        [one] = recipients.add(
            connection, made, [NewRecipient("r@example.com")], now=START
        )
        outbox.add(connection, [one], None, now=START, code="012345", life=600)
    office.now += 600
    assert office.outbox().send() == 0
    assert office.relay.mails == []


def test_a_clock_that_jumps_sends_nothing_twice(office: Office) -> None:
    made = office.share(None, "a@example.com", "b@example.com")
    office.relay.answers = {"RCPT": ["250 OK", "451 later", "250 OK"]}
    for jump in (0, -LIFE, 2 * LIFE, -LIFE, 60):
        office.now += jump
        office.outbox().send()
    assert sorted(office.received()) == sorted(set(office.received()))
    assert {MailState(state).is_over for state, _ in office.states(made)} == {True}
