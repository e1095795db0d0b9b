"""``gateway mail test``: what is printed, and the status."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.live.ports import free_port
from tests.mail.relays import HOST, PASSWORD, USER, FakeRelay, hang_up

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.unit.command import Run

LOGIN = f"{USER}:TheSecret-%C3%A4@"


@pytest.fixture
def relay(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeRelay]:
    """Return a relay that the settings name."""
    with FakeRelay().running() as relay:
        url = f"smtp://{LOGIN}{HOST}:{relay.port}?tls=none"
        monkeypatch.setenv("GATEWAY_MAIL_URL", url)
        monkeypatch.setenv("GATEWAY_MAIL_FROM", "Files of Example <files@example.com>")
        yield relay


def test_a_test_mail_is_sent_and_the_dialogue_printed(
    run: Run, relay: FakeRelay
) -> None:
    ran = run("mail", "test", "anna@example.com")
    assert (ran.status, ran.err) == (0, "")
    assert "C: AUTH PLAIN [blanked]\nS: 235 " in ran.out
    assert ran.out.endswith("S: 250 queued as 1\nC: QUIT\nS: 221 Bye\n")
    assert PASSWORD not in ran.out
    [mail] = relay.mails
    assert mail.rcpt_tos == ["anna@example.com"]
    assert b"Subject: Test mail of Files of Example\r\n" in (mail.content or b"")


def test_the_dialogue_comes_as_json_too(run: Run, relay: FakeRelay) -> None:
    ran = run("mail", "test", "anna@example.com", "--lang", "de", "--json")
    facts = ran.facts
    assert (ran.status, facts["state"]) == (0, "accepted")
    assert facts["words"] == "250 queued as 1"
    assert facts["dialogue"][-1] == "S: 221 Bye"
    assert b"Subject: Test-E-Mail von Files" in (relay.mails[0].content or b"")


@pytest.mark.parametrize(
    ("command", "answer", "words"),
    [
        pytest.param("RCPT", "550 who?", "(refused): 550 who?", id="refused"),
        pytest.param("RCPT", "451 later", "(later): 451 later", id="later"),
        pytest.param("DOT", hang_up, "(unknown): it has hung up", id="unknown"),
        pytest.param("EHLO", "550 no", "(later): mail relay ", id="nobody-let-in"),
    ],
)
def test_a_mail_that_is_not_accepted_is_status_1(
    run: Run, relay: FakeRelay, command: str, answer: str, words: str
) -> None:
    relay.answers = {command: answer}
    ran = run("mail", "test", "anna@example.com")
    assert ran.status == 1
    assert ran.err.startswith(f"gateway: the mail was not accepted {words}")
    assert ran.err.count("\n") == 1
    assert ran.out.startswith("-- connecting to ")


@pytest.mark.usefixtures("relay")
def test_what_is_no_address_is_wrong_usage(run: Run) -> None:
    ran = run("mail", "test", "anna")
    assert (ran.status, ran.out) == (2, "")
    assert ran.err.endswith("'anna': An email address must have an @-sign.\n")


def test_without_a_relay_the_settings_are_named(run: Run) -> None:
    ran = run("mail", "test", "anna@example.com")
    assert (ran.status, ran.out) == (1, "")
    assert [line.split(":")[1] for line in ran.err.splitlines()] == [
        " GATEWAY_MAIL_URL",
        " GATEWAY_MAIL_FROM",
    ]


def test_a_relay_that_is_away_is_status_1(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(
        "GATEWAY_MAIL_URL", f"smtp://{LOGIN}127.0.0.1:{free_port()}?tls=none"
    )
    monkeypatch.setenv("GATEWAY_MAIL_FROM", "files@example.com")
    ran = run("mail", "test", "anna@example.com")
    assert ran.status == 1
    assert ran.err.endswith(": Connection refused\n")
    assert "TheSecret" not in ran.out + ran.err
