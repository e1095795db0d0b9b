"""``gateway inspect``: what a link says, in words and as facts."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.cli.inspection import WORDS, Inspection
from gateway.errors import LinkError, NotServableError, RefusedError
from gateway.links import Key, KeyRing, LinkSigner
from tests.unit.command import HOUR, NOON, RING, SITE, Run


def signer_at(moment: datetime, ring: KeyRing = RING) -> LinkSigner:
    return LinkSigner(ring, SITE, clock=moment.timestamp)


def inspected(url: str, ring: KeyRing | None = RING) -> Inspection:
    return Inspection.of(url, ring, now=NOON.timestamp())


GOOD = signer_at(NOON - HOUR).sign("a/b.txt", expires=2 * HOUR)


def test_the_file_of_a_valid_link_is_looked_up() -> None:
    url = signer_at(NOON - HOUR).sign("a/b.txt", expires=2 * HOUR)
    asked: list[str] = []

    def look_up(path: str) -> str:
        asked.append(path)
        return "is gone"

    now = NOON.timestamp()
    good = Inspection.of(url, RING, now=now, look_up=look_up)
    Inspection.of(url, RING, now=now + 9 * 3600, look_up=look_up)
    assert good.lines[:2] == ("valid now", "but a/b.txt: is gone")
    assert (good.facts["verifies"], good.facts["file_fault"]) == (True, "is gone")
    assert asked == ["a/b.txt"]


@pytest.mark.parametrize(
    ("url", "why", "line"),
    [
        pytest.param(GOOD, None, "valid now", id="valid"),
        pytest.param(
            signer_at(NOON - HOUR).sign("a/b.txt", expires=HOUR),
            "expired",
            "invalid now: it expired on 2990-01-31 12:00:00 UTC",
            id="expired-this-second",
        ),
        pytest.param(
            signer_at(NOON).sign("a/b.txt", expires=3 * HOUR, not_before=NOON + HOUR),
            "early",
            "invalid now: it is valid from 2990-01-31 13:00:00 UTC",
            id="not-yet",
        ),
        pytest.param(
            GOOD.replace("b.txt", "c.txt"),
            "forged",
            "invalid: its signature does not match; the path, the claims or the key "
            "is wrong",
            id="other-path",
        ),
        pytest.param(
            signer_at(NOON, KeyRing((Key("retired", Key.generate().secret),))).sign(
                "a/b.txt", expires=HOUR
            ),
            "unknown-key",
            "invalid: its key retired is not on the key ring (retired, or never added)",
            id="unknown-key",
        ),
    ],
)
def test_whether_a_link_verifies_is_the_first_line(
    url: str, why: str | None, line: str
) -> None:
    """People read the verdict in words, programs the reason that logs show too."""
    inspection = inspected(url)
    assert inspection.lines[0] == line
    assert inspection.facts["why"] == why
    assert inspection.facts["verifies"] is (why is None)


@pytest.mark.parametrize(
    "url",
    [
        pytest.param("", id="nothing"),
        pytest.param(f"{SITE}/d/abc.def/a", id="other-family"),
        pytest.param(GOOD.split("/a/")[0], id="cut-before-the-path"),
        pytest.param(f"{SITE}/s/rubbish/a", id="no-claims"),
        pytest.param(GOOD.replace("b.txt", "%ff"), id="path-not-UTF-8"),
        pytest.param("http://[", id="half-a-host"),
        pytest.param("http://\u2100.com/s/a/b", id="host-that-normalizes-to-a-slash"),
    ],
)
def test_what_is_no_signed_url_is_said_so(url: str) -> None:
    """Any text can be inspected, and what is no link is called none."""
    inspection = inspected(url)
    assert len(inspection.lines) == 1
    assert inspection.lines[0].startswith("invalid: not a signed URL (")
    assert inspection.facts == {"verifies": False, "why": "malformed"}


@pytest.mark.parametrize(
    ("path", "fact"),
    [
        pytest.param(".hidden", "dot-segment-or-hidden", id="hidden"),
        pytest.param("a%0Ab", "control-character", id="control-character"),
        pytest.param("sub/", "empty-segment", id="folder-in-the-folder"),
    ],
)
def test_a_path_that_is_never_served_is_said_so(path: str, fact: str) -> None:
    """A true signature does not help where the gateway always answers 404."""
    folder = signer_at(NOON).sign("a", folder=True, expires=HOUR)
    inspection = inspected(folder + path)
    assert inspection.lines[0] == (f"invalid: no file is served at this path ({fact})")
    assert inspection.facts["why"] == f"not-servable:{fact}"
    assert not inspection.is_good


@pytest.mark.parametrize("path", ["", "a", "a/b"], ids=["whole-tree", "one", "two"])
def test_a_folder_link_is_good_for_what_lies_below(path: str) -> None:
    """What ``sign --folder`` prints is a beginning, and no file by itself."""
    inspection = inspected(signer_at(NOON).sign(path, folder=True, expires=HOUR))
    assert inspection.lines[0] == (
        "valid now, for the files below; the folder itself is not a file"
    )
    assert inspection.is_good


def test_a_link_to_a_hidden_folder_is_never_good() -> None:
    """Nothing below it is served either."""
    inspection = inspected(signer_at(NOON).sign(".git", folder=True, expires=HOUR))
    assert inspection.facts["why"] == "not-servable:dot-segment-or-hidden"


def test_there_are_words_for_every_reason() -> None:
    """Whatever the gateway refuses a link for can be said to its maker."""
    refusals: list[type[RefusedError]] = [NotServableError, *LinkError.__subclasses__()]
    # The one who asks is not the client that the link is for.
    reasons = {cls.reason for cls in refusals} - {"foreign-client"}
    assert set(WORDS) == {*reasons, "not-servable:no-upload"}


def test_without_keys_the_claims_can_still_be_read() -> None:
    """A link can be read anywhere, but only keys can tell whether it is genuine."""
    inspection = inspected(GOOD, ring=None)
    assert inspection.lines[0].startswith("can't be verified")
    assert "allows: the file a/b.txt" in inspection.lines
    assert inspection.facts["why"] == "no-keys"
    assert not inspection.is_good


@pytest.mark.parametrize(
    ("claims", "line"),
    [
        pytest.param({}, "allows: the file a/b.txt", id="file"),
        pytest.param({"folder": True}, "allows: everything below a/b.txt/", id="dir"),
        pytest.param({}, "expires on 2990-01-31 13:00:00 UTC (in 60 minutes)", id="in"),
        pytest.param({"expires": "never"}, "never expires", id="never"),
        pytest.param(
            {"expires": timedelta(days=7)},
            "expires on 2990-02-07 12:00:00 UTC (in 7 days)",
            id="in-days",
        ),
        pytest.param(
            {"not_before": NOON + timedelta(minutes=1)},
            "valid from 2990-01-31 12:01:00 UTC",
            id="begins",
        ),
        pytest.param(
            {"presentation": "inline"},
            "the browser shows the file, if its type is safe to show",
            id="inline",
        ),
        pytest.param(
            {"presentation": "attachment"},
            "the browser saves the file",
            id="attachment",
        ),
        pytest.param({"name": "Q3 \u2713.pdf"}, "saved as Q3 \u2713.pdf", id="name"),
        pytest.param({"rate": 9}, "at most 9 bytes per second", id="rate"),
        pytest.param(
            {"shared": True},
            "shared caches may store the file, for as long as GATEWAY_SHARED_MAX_AGE "
            "permits",
            id="shared",
        ),
        pytest.param(
            {"networks": ["192.0.2.0/24", "2001:db8::/32"]},
            "only from 192.0.2.0/24, 2001:db8::/32",
            id="networks",
        ),
    ],
)
def test_every_claim_is_said_in_words(claims: dict[str, Any], line: str) -> None:
    """All that a link allows can be read, none of it only in its token."""
    url = signer_at(NOON).sign("a/b.txt", **{"expires": HOUR, **claims})
    assert line in inspected(url).lines


def test_a_link_to_everything_is_said_so() -> None:
    """The whole tree is named as such, not as a folder without a name."""
    url = signer_at(NOON).sign("", folder=True, expires=HOUR)
    assert "allows: every file" in inspected(url).lines


def test_how_long_a_link_is_over_is_said() -> None:
    """Beside the date of the end stands how long ago that was."""
    url = signer_at(NOON - 50 * HOUR).sign("a", expires=HOUR)
    assert "expires on 2990-01-29 11:00:00 UTC (2 days ago)" in inspected(url).lines


def test_a_claim_that_is_not_made_is_not_said() -> None:
    """A plain link has four lines: verdict, path, key and end."""
    assert len(inspected(GOOD).lines) == 4


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        pytest.param("%0Avalid%20now", r"\nvalid now", id="line-end"),
        pytest.param("%1B[2J", r"\x1b[2J", id="escape"),
        pytest.param("%E2%80%AEtxt.exe", r"\u202etxt.exe", id="right-to-left"),
        pytest.param("\udcff", r"\udcff", id="stray-byte"),
    ],
)
def test_a_link_can_not_write_lines_of_its_own(text: str, shown: str) -> None:
    """Whoever sends a link to be inspected must not steer the terminal."""
    lines = inspected(GOOD.replace("b.txt", text)).lines
    assert f"allows: the file a/{shown}" in lines


def test_inspecting_prints_words(run: Run) -> None:
    """A person gets the verdict first, then what the link allows."""
    url = run("sign", "a/b.txt", "--expires", "7d", "--ip", "192.0.2.0/24").out.strip()
    ran = run("inspect", url)
    assert (ran.status, ran.err) == (0, "")
    assert ran.out.splitlines()[:2] == ["valid now", "allows: the file a/b.txt"]
    assert ran.out.splitlines()[-1] == "only from 192.0.2.0/24"


def test_where_there_are_no_keys_it_is_said_where_they_were_looked_for(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the wrong folder no link verifies; the claims are told all the same."""
    monkeypatch.delenv("GATEWAY_KEYS")
    ran = run("inspect", GOOD)
    assert (ran.status, ran.out.splitlines()[0]) == (
        1,
        "can't be verified: no keys are set",
    )
    assert f"no {Path.cwd()}/var/keys; is GATEWAY_DATA right?" in ran.err


def test_inspecting_prints_json_when_asked(run: Run) -> None:
    """A program gets every claim under its name, times in Unix seconds."""
    url = run("sign", "a/b.txt", "--expires", "2990-01-31T12:00").out.strip()
    ran = run("inspect", "--json", url)
    issued = ran.facts.pop("issued")
    assert isinstance(issued, int)
    assert ran.status == 0
    assert ran.facts | {"issued": issued} == {
        "verifies": True,
        "why": None,
        "file_fault": None,
        "path": "a/b.txt",
        "folder_depth": None,
        "key_id": RING.newest.id,
        "issued": issued,
        "expires": int(NOON.timestamp()),
        "not_before": None,
        "presentation": None,
        "name": None,
        "rate": None,
        "shared": False,
        "networks": [],
        "upload": None,
    }


@pytest.mark.parametrize(
    ("url", "why"),
    [
        pytest.param(
            LinkSigner(RING, SITE, clock=lambda: 1_000_000_000).sign("a", expires=HOUR),
            "expired",
            id="expired",
        ),
        pytest.param(
            LinkSigner(RING, SITE).sign("a", expires=HOUR) + "b", "forged", id="forged"
        ),
        pytest.param("rubbish", "malformed", id="malformed"),
    ],
)
def test_a_link_that_does_not_verify_is_status_1(run: Run, url: str, why: str) -> None:
    """A script can ask by the status alone, and in both forms gets the answer."""
    words = run("inspect", url)
    facts = run("inspect", "--json", url)
    assert (words.status, facts.status) == (1, 1)
    assert (words.err, facts.err) == ("", "")
    assert words.out.startswith("invalid")
    assert facts.facts["why"] == why


def test_an_older_key_still_verifies(run: Run) -> None:
    """Rotation keeps links good until their key is taken off the ring."""
    older = LinkSigner(KeyRing(RING.keys[1:]), SITE).sign("a", expires=HOUR)
    assert run("inspect", older).status == 0
