"""What becomes of a mail at relays that take it, refuse it, hang up or say nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from gateway.config.mail_url import MailURL, Security
from gateway.errors import RelayError
from gateway.mail.relay import Relay
from gateway.mail.replies import Outcome, State, reply_text
from gateway.mail.session import Timeouts
from tests.live.ports import free_port
from tests.mail.relays import (
    HOST,
    PASSWORD,
    USER,
    FakeRelay,
    babble,
    dribble,
    hang_up,
    pour,
    silence,
)

if TYPE_CHECKING:
    import ssl

    from tests.mail.relays import Answer

SENDER = "files@example.com"
READER = "reader@example.com"
MAIL = b"Subject: x\r\n\r\n.\r\n..a\r\nhttps://files.example.com/d/x\r\n"
ACCEPTED = Outcome(State.ACCEPTED, "250 queued as 1")
HASTY = Timeouts(reply=0.3, verdict=0.3)


def client(relay: FakeRelay, security: Security = Security.NONE, **more: Any) -> Relay:
    """Return a client of *relay*; ``timeouts`` and the URL's fields are *more*."""
    timeouts = more.pop("timeouts", Timeouts(10, 10))
    on_line = more.pop("on_line", str)
    url = MailURL(HOST, relay.port, security, **more)
    return Relay(url, SENDER, timeouts, on_line)


def test_a_mail_arrives_byte_for_byte() -> None:
    """Lines that are dots, too; the envelope names sender and recipient."""
    with FakeRelay().running() as relay, client(relay) as sender:
        assert sender.send(READER, MAIL) == ACCEPTED
    [mail] = relay.mails
    assert mail.content == MAIL
    assert (mail.mail_from, mail.rcpt_tos) == (SENDER, [READER])
    assert mail.mail_options == ["BODY=8BITMIME"]


def test_many_mails_go_over_one_connection() -> None:
    with FakeRelay().running() as relay, client(relay) as sender:
        outcomes = [sender.send(f"r{n}@example.com", MAIL) for n in range(20)]
    assert outcomes == [ACCEPTED] * 20
    assert [mail.rcpt_tos for mail in relay.mails] == [
        [f"r{n}@example.com"] for n in range(20)
    ]
    assert relay.connections == 1


def test_a_refused_recipient_does_not_hinder_the_next_one() -> None:
    answers: dict[str, Answer | list[Answer]] = {"RCPT": ["550 no such user", "250 OK"]}
    with FakeRelay(answers).running() as relay, client(relay) as sender:
        outcomes = [sender.send(READER, MAIL) for _ in range(2)]
    assert outcomes == [Outcome(State.REFUSED, "550 no such user"), ACCEPTED]
    assert relay.connections == 1


@pytest.mark.parametrize(
    ("command", "answer", "state"),
    [
        pytest.param("RCPT", "550 5.1.1 no such user", State.REFUSED, id="no-user"),
        pytest.param("RCPT", "451 4.7.1 greylisted", State.LATER, id="greylisted"),
        pytest.param("RCPT", "452 4.2.2 mailbox full", State.LATER, id="full"),
        pytest.param("MAIL", "451 4.3.0 try later", State.LATER, id="mail-later"),
        pytest.param("MAIL", "553 5.7.1 not your address", State.LATER, id="sender"),
        pytest.param("DATA", "451 4.3.0 try later", State.LATER, id="data-later"),
        pytest.param("DATA", "554 5.5.1 no recipients", State.REFUSED, id="data"),
        pytest.param("DATA", "250 what?", State.LATER, id="data-senseless"),
        pytest.param("DOT", "451 4.3.0 try later", State.LATER, id="whole-later"),
        pytest.param("DOT", "554 5.7.1 spam", State.REFUSED, id="spam"),
        pytest.param("DOT", "354 go on", State.UNKNOWN, id="whole-senseless"),
        pytest.param("RCPT", "421 4.3.2 shutting down", State.LATER, id="closing"),
    ],
)
def test_a_reply_says_what_becomes_of_the_mail(
    command: str, answer: str, state: State
) -> None:
    """The sender gets the relay's own words."""
    with FakeRelay({command: answer}).running() as relay, client(relay) as sender:
        assert sender.send(READER, MAIL) == Outcome(state, answer)
    assert relay.mails == []


LATE = "no reply within 0.3 seconds"
GONE = "it closed the connection"
NO_SMTP = "its reply is not SMTP"


@pytest.mark.parametrize(
    ("command", "answer", "outcome"),
    [
        pytest.param("MAIL", silence, Outcome(State.LATER, LATE), id="mail-silence"),
        pytest.param("RCPT", silence, Outcome(State.LATER, LATE), id="rcpt-silence"),
        pytest.param("RCPT", hang_up, Outcome(State.LATER, GONE), id="rcpt-hung-up"),
        pytest.param("RCPT", dribble, Outcome(State.LATER, LATE), id="rcpt-dribble"),
        pytest.param("RCPT", babble, Outcome(State.LATER, NO_SMTP), id="rcpt-babble"),
        pytest.param(
            "RCPT",
            pour,
            Outcome(State.LATER, "its reply is too long"),
            id="rcpt-without-end",
        ),
        pytest.param(
            "RCPT",
            f"250 {'x' * 10_000}",
            Outcome(State.LATER, "Line too long."),
            id="rcpt-long-line",
        ),
        pytest.param("DATA", silence, Outcome(State.LATER, LATE), id="data-silence"),
        pytest.param("DATA", hang_up, Outcome(State.LATER, GONE), id="data-hung-up"),
        pytest.param("DOT", silence, Outcome(State.UNKNOWN, LATE), id="dot-silence"),
        pytest.param("DOT", hang_up, Outcome(State.UNKNOWN, GONE), id="dot-hung-up"),
        pytest.param("DOT", dribble, Outcome(State.UNKNOWN, LATE), id="dot-dribble"),
        pytest.param("DOT", babble, Outcome(State.UNKNOWN, NO_SMTP), id="dot-babble"),
    ],
)
def test_without_a_reply_it_counts_how_far_the_mail_got(
    command: str, answer: Answer, outcome: Outcome
) -> None:
    """Before its last byte it was not taken; after that nobody knows."""
    with (
        FakeRelay({command: answer}).running() as relay,
        client(relay, timeouts=HASTY) as sender,
    ):
        assert sender.send(READER, MAIL) == outcome


def test_after_a_lost_connection_the_next_mail_takes_a_new_one() -> None:
    with (
        FakeRelay({"RCPT": [hang_up, "250 OK"]}).running() as relay,
        client(relay) as sender,
    ):
        outcomes = [sender.send(READER, MAIL) for _ in range(2)]
    assert outcomes == [Outcome(State.LATER, GONE), ACCEPTED]
    assert relay.connections == 2


def test_a_relay_that_closes_idle_connections_is_connected_to_again() -> None:
    """As it may after some mails; nothing has to be offered twice for that."""
    with FakeRelay({"RSET": hang_up}).running() as relay, client(relay) as sender:
        assert [sender.send(READER, MAIL) for _ in range(3)] == [ACCEPTED] * 3
    assert relay.connections == 3


@pytest.mark.parametrize(
    ("command", "answer", "words"),
    [
        pytest.param("CONNECT", "421 too busy", "421 too busy", id="busy"),
        pytest.param("CONNECT", "554 go away", "554 go away", id="refused"),
        pytest.param("CONNECT", silence, LATE, id="silent"),
        pytest.param("CONNECT", hang_up, GONE, id="hung-up"),
        pytest.param("CONNECT", dribble, LATE, id="dribble"),
        pytest.param("CONNECT", babble, NO_SMTP, id="no-smtp"),
        pytest.param("EHLO", "550 who are you?", "550 who are you?", id="ehlo"),
        pytest.param("EHLO", silence, LATE, id="ehlo-silence"),
    ],
)
def test_a_relay_that_lets_nobody_in_is_an_error_in_words(
    command: str, answer: Answer, words: str
) -> None:
    """It says nothing of the mail, which can be offered again."""
    with (
        FakeRelay({command: answer}).running() as relay,
        client(relay, timeouts=HASTY) as sender,
        pytest.raises(RelayError) as caught,
    ):
        sender.offer(READER)
    assert str(caught.value) == f"mail relay {HOST}, port {relay.port}: {words}"


def test_a_relay_that_is_away_is_an_error_in_words() -> None:
    url = MailURL("127.0.0.1", free_port(), Security.NONE)
    with Relay(url, SENDER) as sender, pytest.raises(RelayError) as caught:
        sender.offer(READER)
    assert str(caught.value) == f"mail relay {url}: Connection refused"


def test_nothing_is_sent_to_a_relay_without_tls() -> None:
    """Not even the password: somebody between may have taken the offer out."""
    with (
        FakeRelay().running() as relay,
        client(relay, Security.STARTTLS, user=USER, password=PASSWORD) as sender,
        pytest.raises(RelayError, match="it does not offer STARTTLS"),
    ):
        sender.offer(READER)
    assert relay.commands == ["CONNECT", "EHLO"]


def test_a_refused_starttls_is_not_gone_without(tls: ssl.SSLContext) -> None:
    with (
        FakeRelay({"STARTTLS": "454 no TLS now"}).running(tls_context=tls) as relay,
        client(relay, Security.STARTTLS) as sender,
        pytest.raises(RelayError, match="454 no TLS now"),
    ):
        sender.offer(READER)
    assert relay.commands == ["CONNECT", "EHLO", "STARTTLS"]


LOGIN: dict[str, Any] = {"user": USER, "password": PASSWORD}


@pytest.mark.parametrize("excluded", ["LOGIN", "PLAIN"], ids=["plain", "login"])
def test_a_login_goes_through_starttls(tls: ssl.SSLContext, excluded: str) -> None:
    with (
        FakeRelay().running(
            tls_context=tls,
            require_starttls=True,
            auth_required=True,
            auth_exclude_mechanism=[excluded],
        ) as relay,
        client(relay, Security.STARTTLS, **LOGIN) as sender,
    ):
        assert sender.send(READER, MAIL) == ACCEPTED
    assert relay.logins == [(USER, PASSWORD)]


def test_a_login_goes_through_tls_from_the_start(tls: ssl.SSLContext) -> None:
    with (
        FakeRelay().running(tls=tls) as relay,
        client(relay, Security.TLS, **LOGIN) as sender,
    ):
        assert sender.send(READER, MAIL) == ACCEPTED
    assert relay.logins == [(USER, PASSWORD)]
    assert len(relay.mails) == 1


@pytest.mark.parametrize("security", [Security.STARTTLS, Security.TLS], ids=str)
def test_a_certificate_that_nobody_trusts_ends_it(
    tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch, security: Security
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    at_once = {"tls": tls} if security is Security.TLS else {"tls_context": tls}
    with (
        FakeRelay().running(**at_once) as relay,
        client(relay, security, **LOGIN) as sender,
        pytest.raises(RelayError, match="invalid certificate: self-signed"),
    ):
        sender.offer(READER)
    assert relay.logins == []


def test_a_relay_that_speaks_no_tls_is_an_error_in_words() -> None:
    with (
        FakeRelay().running() as relay,
        client(relay, Security.TLS, timeouts=HASTY) as sender,
        pytest.raises(RelayError, match=f"port {relay.port}: TLS error: [a-z ]+$"),
    ):
        sender.offer(READER)


def test_a_certificate_of_another_host_ends_it(tls: ssl.SSLContext) -> None:
    with FakeRelay().running(tls=tls) as relay:
        url = MailURL("127.0.0.1", relay.port, Security.TLS)
        with (
            Relay(url, SENDER) as sender,
            pytest.raises(RelayError, match="IP address mismatch"),
        ):
            sender.offer(READER)


@pytest.mark.parametrize(
    ("answers", "more", "words"),
    [
        pytest.param({}, {"password": "wrong"}, "535 5.7.8", id="wrong-password"),
        pytest.param({"AUTH": hang_up}, {}, GONE, id="hung-up"),
        pytest.param({"AUTH": "454 4.7.0 later"}, {}, "454 4.7.0 later", id="later"),
    ],
)
def test_a_login_that_fails_is_an_error_in_words(
    answers: dict[str, Answer | list[Answer]], more: dict[str, str], words: str
) -> None:
    with (
        FakeRelay(answers).running() as relay,
        client(relay, **{**LOGIN, **more}) as sender,
        pytest.raises(RelayError, match=words),
    ):
        sender.offer(READER)
    assert "MAIL" not in relay.commands


def test_a_relay_without_a_login_that_is_known_is_an_error_in_words() -> None:
    with (
        FakeRelay().running(auth_exclude_mechanism=["LOGIN", "PLAIN"]) as relay,
        client(relay, **LOGIN) as sender,
        pytest.raises(RelayError, match="it does not offer AUTH PLAIN or LOGIN"),
    ):
        sender.offer(READER)


@pytest.mark.parametrize("excluded", ["LOGIN", "PLAIN"], ids=["plain", "login"])
def test_the_dialogue_is_heard_without_the_credentials(
    tls: ssl.SSLContext, excluded: str
) -> None:
    heard: list[str] = []
    with (
        FakeRelay().running(
            tls_context=tls, auth_exclude_mechanism=[excluded]
        ) as relay,
        client(relay, Security.STARTTLS, on_line=heard.append, **LOGIN) as sender,
    ):
        sender.send(READER, MAIL)
    assert heard[0] == f"-- connecting to {HOST}, port {relay.port}"
    assert heard[1].startswith("S: 220 ")
    assert [line for line in heard if line.startswith("-- TLS")] == ["-- TLSv1.3"]
    assert f"C: mail FROM:<{SENDER}> BODY=8BITMIME" in heard
    assert heard[-4:] == [
        f"C: (the mail, {len(MAIL)} bytes)",
        "S: 250 queued as 1",
        "C: QUIT",
        "S: 221 Bye",
    ]
    assert secrets_in("\n".join(heard)) == []


def test_a_relay_that_repeats_the_credentials_gets_them_into_no_error() -> None:
    """Some quote the command that they do not like."""
    plain = "AG1lAFRoZVNlY3JldC3DpA=="
    heard: list[str] = []
    with (
        FakeRelay({"AUTH": f"500 what is AUTH PLAIN {plain}?"}).running() as relay,
        client(relay, on_line=heard.append, **LOGIN) as sender,
        pytest.raises(RelayError) as caught,
    ):
        sender.offer(READER)
    assert str(caught.value).endswith(": 500 what is AUTH PLAIN [blanked]?")
    assert secrets_in("\n".join([*heard, repr(caught.value), repr(sender)])) == []


def secrets_in(text: str) -> list[str]:
    """Return the forms of the password that stand in *text*."""
    forms = [PASSWORD, "AG1lAFRoZVNlY3JldC3DpA==", "VGhlU2VjcmV0LcOk", "TheSecret"]
    return [form for form in forms if form in text]


def test_what_a_relay_says_is_one_line_and_not_too_long() -> None:
    """It is shown to people, and stands in a terminal."""
    answer = f"550 no\x1b[2Jcolours\x07 {'x' * 490}"
    with FakeRelay({"RCPT": answer}).running() as relay, client(relay) as sender:
        outcome = sender.offer(READER)
    assert outcome is not None
    assert outcome.words.startswith("550 no [2Jcolours xxx")
    assert len(outcome.words) == 500


def test_what_a_relay_says_turns_nothing_around() -> None:
    words = "no such user: \u202emoc.elpmaxe@x\u2028".encode()
    assert reply_text(550, words) == "550 no such user: moc.elpmaxe@x"


def test_no_mail_is_delivered_that_was_not_offered() -> None:
    url = MailURL(HOST, 1, Security.NONE)
    with Relay(url, SENDER) as sender, pytest.raises(ValueError, match="not offered"):
        sender.deliver(MAIL)


def test_the_client_names_its_own_address() -> None:
    """It asks no DNS for a name, and claims none that is another's."""
    heard: list[str] = []
    with (
        FakeRelay().running() as relay,
        client(relay, on_line=heard.append) as sender,
    ):
        sender.send(READER, MAIL)
    assert heard[2] == "C: ehlo [127.0.0.1]"
