"""``gateway mail test``: what is printed, and the status."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from gateway.links.server_secret import ServerSecret
from gateway.storage.blobs import BlobStore
from tests.live.ports import free_port
from tests.mail.relays import HOST, PASSWORD, USER, FakeRelay, content, hang_up

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
    assert b"Subject: Test mail from Files of Example\r\n" in content(mail)


def test_the_dialogue_comes_as_json_too(run: Run, relay: FakeRelay) -> None:
    ran = run("mail", "test", "anna@example.com", "--lang", "de", "--json")
    facts = ran.facts
    assert (ran.status, facts["state"]) == (0, "accepted")
    assert facts["words"] == "250 queued as 1"
    assert facts["dialogue"][-1] == "S: 221 Bye"
    assert b"Subject: Test-E-Mail von Files" in content(relay.mails[0])


@pytest.mark.parametrize(
    ("command", "answer", "words"),
    [
        pytest.param("RCPT", "550 who?", "(refused): 550 who?", id="refused"),
        pytest.param("RCPT", "451 later", "(later): 451 later", id="later"),
        pytest.param(
            "DOT", hang_up, "(unknown): it closed the connection", id="unknown"
        ),
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


@pytest.fixture
def ready(
    run: Run, migrated: Path, relay: FakeRelay, monkeypatch: pytest.MonkeyPatch
) -> Run:
    """Return a way to run commands beside an empty catalog, and a relay."""
    monkeypatch.setenv("GATEWAY_SECRET", str(ServerSecret.generate()))
    monkeypatch.setenv("GATEWAY_FILES", str(Path("files").absolute()))
    Path("var").mkdir()
    shutil.copyfile(migrated, "var/catalog.sqlite3")
    BlobStore(Path("var/store")).prepare()
    assert relay.mails == []
    return run


def test_each_recipient_of_a_share_is_mailed_the_link_that_was_printed(
    ready: Run, relay: FakeRelay
) -> None:
    to = ["--to", "a@example.com", "--to", "b@example.com"]
    printed = ready("shares", "new", "a/b.txt", *to).out.splitlines()
    assert relay.mails == []
    kept = ready("housekeep", "--json")
    assert (kept.status, kept.facts["done"]["mails accepted by the relay"]) == (0, 2)
    found = [line.split("\t") for line in printed]
    assert [mail.rcpt_tos for mail in relay.mails] == [
        [address] for _, address in found
    ]
    for mail, (link, _) in zip(relay.mails, found, strict=True):
        assert f"\r\n{link}\r\n".encode() in content(mail)


def test_a_share_shows_what_became_of_its_mails(ready: Run, relay: FakeRelay) -> None:
    relay.answers = {"RCPT": ["550 no such user", "250 OK"]}
    to = ["--to", "a@example.com", "--to", "b@example.com"]
    made = ready("shares", "new", "a/b.txt", *to, "--json").facts
    assert [one["mail"] for one in made["recipients"]] == ["waiting", "waiting"]
    ready("housekeep")
    shown = ready("shares", "show", made["id"], "--json").facts
    assert [(one["mail"], one["mail_words"]) for one in shown["recipients"]] == [
        ("refused", "550 no such user"),
        ("accepted", "250 queued as 1"),
    ]
    lines = ready("shares", "show", made["id"]).out.splitlines()
    assert lines[-2].endswith("a@example.com  mail refused  550 no such user")


def test_a_share_is_mailed_again(ready: Run, relay: FakeRelay) -> None:
    """Not to those whose mail is on its way."""
    to = ["--to", "a@example.com", "--to", "b@example.com"]
    made = ready("shares", "new", "a/b.txt", *to, "--json").facts
    waiting = ready("shares", "resend", made["id"])
    ready("housekeep")
    one = made["recipients"][1]["id"]
    again = ready("shares", "resend", made["id"], "--recipient", one)
    ready("housekeep")
    assert (waiting.status, waiting.out) == (0, "")
    assert (again.status, again.out) == (0, "b@example.com\n")
    assert [mail.rcpt_tos[0] for mail in relay.mails] == [
        "a@example.com",
        "b@example.com",
        "b@example.com",
    ]
    assert [entry["action"] for entry in ready("audit", "--json").facts] == [
        "mailed",
        "mailed",
        "created",
    ]


def test_a_relay_that_is_away_is_a_fault_of_housekeeping(
    ready: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    ready("shares", "new", "a/b.txt", "--to", "a@example.com")
    away = free_port()
    monkeypatch.setenv("GATEWAY_MAIL_URL", f"smtp://127.0.0.1:{away}?tls=none")
    ran = ready("housekeep")
    fault = f"mails wait: mail relay 127.0.0.1, port {away}: Connection refused"
    assert (ran.status, ran.out.splitlines()[-1]) == (1, fault)


def test_without_a_relay_links_are_made_and_nothing_is_sent(
    ready: Run, relay: FakeRelay, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GATEWAY_MAIL_URL")
    made = ready("shares", "new", "a/b.txt", "--to", "a@example.com", "--json").facts
    assert made["recipients"][0]["mail"] == "none"
    assert ready("housekeep").status == 0
    refused = ready("shares", "resend", made["id"])
    assert (refused.status, refused.out) == (1, "")
    assert relay.connections == 0


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
