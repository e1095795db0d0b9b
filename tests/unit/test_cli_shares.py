"""``gateway shares`` and ``audit``: what is printed, and what each option does."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from gateway.links import codes
from gateway.links.server_secret import ServerSecret, Use
from tests.unit.command import SITE

if TYPE_CHECKING:
    from tests.unit.command import Run

SECRET = ServerSecret.generate()


@pytest.fixture
def ready(run: Run, migrated: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return a way to run commands beside an empty catalog."""
    monkeypatch.setenv("GATEWAY_SECRET", str(SECRET))
    monkeypatch.setenv("GATEWAY_FILES", str(Path("files").absolute()))
    Path("var").mkdir()
    shutil.copyfile(migrated, "var/catalog.sqlite3")
    return run


def test_one_line_is_the_link_alone(ready: Run) -> None:
    ran = ready(
        "shares", "new", "a/b.txt", "--expires", "14d", "--max", "1", "--label", "Ann"
    )
    base, _, code = ran.out.strip().rpartition("/d/")
    assert (ran.status, ran.err, base, ran.out.count("\n")) == (0, "", SITE, 1)
    assert codes.verify(SECRET, Use.SHARE, code) == code[:16]


def test_each_recipient_has_a_line_with_link_and_address(ready: Run) -> None:
    to = ("--to", "reader@example.com", "--to", "editor@example.com")
    lines = ready("shares", "new", "a/b.txt", *to).out.splitlines()
    links, addresses = zip(*(line.split("\t") for line in lines), strict=True)
    assert addresses == ("reader@example.com", "editor@example.com")
    assert len(set(links)) == 2


@pytest.mark.parametrize(
    ("options", "field", "value"),
    [
        pytest.param(["--max", "3"], "max", 3, id="max"),
        pytest.param(["--title", "a\n b"], "title", "a b", id="title"),
        pytest.param(["--message", "m"], "message", "m", id="message"),
        pytest.param(["--message-file", "note"], "message", "from a file", id="file"),
        pytest.param(["--lang", "de"], "lang", "de", id="lang"),
        pytest.param(["--no-expiry"], "expires", None, id="no end"),
        pytest.param(["--expires", "2990-01-31"], "expires", 32190739200, id="end"),
        pytest.param(
            ["--expires", "2990-02-01", "--not-before", "2990-01-31"],
            "not_before",
            32190739200,
            id="beginning",
        ),
        pytest.param(["--password", "secret"], "has_password", True, id="password"),
    ],
)
def test_each_option_is_the_share_s(
    ready: Run, options: list[str], field: str, value: object
) -> None:
    Path("note").write_text("from a file\n", "utf-8")
    made = ready("shares", "new", "a/b.txt", *options, "--json").facts
    shown = ready("shares", "show", made["id"], "--json").facts
    assert (made[field], shown) == (value, made)


def test_codes_are_mailed_where_mail_is_set_up(
    ready: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    to = ("--to", "bob@example.com", "--json")
    refused = ready("shares", "new", "a/b.txt", "--otp", *to)
    monkeypatch.setenv("GATEWAY_MAIL_URL", "smtp://relay.example")
    monkeypatch.setenv("GATEWAY_MAIL_FROM", "files@example.com")
    made = ready("shares", "new", "a/b.txt", "--otp", *to).facts
    off = ready("shares", "edit", made["id"], "--no-otp", "--json").facts
    assert (refused.status, "otp: mail is not set up" in refused.err) == (1, True)
    assert (made["otp"], off["otp"]) == (True, False)


def test_a_share_is_edited_under_the_same_links(ready: Run) -> None:
    Path("files/c.txt").touch()
    made = ready("shares", "new", "a/b.txt", "--password", "secret", "--json").facts
    options = ["--max", "2", "--password", "", "--path", "c.txt"]
    edited = ready(
        "shares", "edit", made["id"], *options, "--to", "bob@example.com", "--json"
    ).facts
    assert (edited["max"], edited["has_password"]) == (2, False)
    assert [item["path"] for item in edited["items"]] == ["c.txt"]
    assert edited["recipients"][0] == made["recipients"][0]
    assert edited["recipients"][1]["address"] == "bob@example.com"


def test_one_link_or_all_are_revoked(ready: Run) -> None:
    to = ("--to", "a@example.com", "--to", "b@example.com")
    made = ready("shares", "new", "a/b.txt", *to, "--json").facts
    share, first = made["id"], made["recipients"][0]["id"]
    assert ready("shares", "revoke", share, "--recipient", first).status == 0
    one = ready("shares", "show", share, "--json").facts
    assert ready("shares", "revoke", share).status == 0
    states = [each["state"] for each in one["recipients"]]
    assert (one["state"], states) == ("open", ["over", "unopened"])
    assert ready("shares", "show", share, "--json").facts["state"] == "revoked"
    actions = [entry["action"] for entry in ready("audit", share, "--json").facts]
    assert actions == ["revoked", "recipient-revoked", "created"]


def test_lists_are_for_people_and_programs(ready: Run) -> None:
    said = (
        "--title",
        "Reports",
        "--expires",
        "2100-01-01",
        "--max",
        "1",
        "--label",
        "Ann",
    )
    made = ready("shares", "new", "a", *said, "--json").facts
    (link,) = made["recipients"]
    listed = ready("shares", "list")
    assert ready("shares", "list", "--json").facts == [made]
    assert listed.out.split()[:3] == [made["id"], "open", "1"]
    assert ready("shares", "show", made["id"]).out.splitlines() == [
        "Reports: open, until 2100-01-01, 1 download of each link",
        "  a/",
        f"{link['id']}  unopened  taken 0  sent 0  {link['url']}\tAnn",
    ]
    assert "operator  created" in ready("audit").out


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        pytest.param(["new"], 2, "give a PATH or --upload", id="nothing to share"),
        pytest.param(["new", "none.txt"], 1, "no file or folder", id="no such file"),
        pytest.param(
            ["new", "--upload", "x"], 1, "there is no upload x", id="no such upload"
        ),
        pytest.param(
            ["new", "a/b.txt", "--to", "bob"], 1, "'bob'", id="no mail address"
        ),
        pytest.param(
            ["new", "a/b.txt", "--expires", "7d", "--no-expiry"],
            2,
            "not both",
            id="ends",
        ),
        pytest.param(
            ["new", "a/b.txt", "--password", "abc"],
            1,
            "4 to 1024",
            id="short password",
        ),
        pytest.param(["show", "x"], 1, "there is no share x", id="no such share"),
        pytest.param(["edit", "x", "--max", "1"], 1, "no share x", id="edit none"),
        pytest.param(["revoke", "x"], 1, "there is no share x", id="revoke none"),
        pytest.param(["show", "\udcff"], 1, "not valid UTF-8", id="an id of bytes"),
        pytest.param(
            ["new", "a/b.txt", "--label", "\udcff"], 1, "label:", id="a label of bytes"
        ),
        pytest.param(
            ["new", "a/b.txt", "--message-file", "bytes"],
            2,
            "not valid UTF-8",
            id="a message of bytes",
        ),
        pytest.param(["list", "--limit", "9" * 20], 2, "--limit", id="a list of all"),
    ],
)
def test_what_is_wrong_is_one_clear_line(
    ready: Run, arguments: list[str], status: int, words: str
) -> None:
    Path("bytes").write_bytes(b"\xff")
    ran = ready("shares", *arguments)
    assert (ran.status, ran.out) == (status, "")
    assert words in ran.err


def test_nothing_is_given_back_that_was_not_taken(ready: Run) -> None:
    made = ready("shares", "new", "a/b.txt", "--max", "1", "--json").facts
    link = made["recipients"][0]["id"]
    none = ready("shares", "edit", made["id"], "--give-back", link)
    wrong = ready("shares", "edit", made["id"], "--give-back", "nobody")
    assert (none.status, "nothing was downloaded" in none.err) == (1, True)
    assert (wrong.status, "there is no recipient nobody" in wrong.err) == (1, True)


def test_what_was_sent_is_printed_as_a_table(ready: Run) -> None:
    made = ready("shares", "new", "a/b.txt", "--json").facts
    ran = ready("shares", "show", made["id"], "--csv")
    both = ready("shares", "show", made["id"], "--csv", "--json")
    assert (ran.status, ran.err, ran.out.count("\n")) == (0, "", 1)
    assert ran.out.startswith("recipient,address,label,lease,")
    assert both.status == 2


def test_what_was_done_with_no_share_is_a_fault(ready: Run) -> None:
    ran = ready("audit", "x")
    assert (ran.status, ran.out) == (1, "")
    assert "there is no share x" in ran.err
