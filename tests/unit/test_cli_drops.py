"""``gateway drops``: each option becomes its limit, and only the URL is printed."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from gateway.links import codes
from gateway.links.server_secret import ServerSecret, Use
from tests.unit.command import SITE

if TYPE_CHECKING:
    from tests.unit.command import Ran, Run


SECRET = ServerSecret.generate()


@pytest.fixture
def ready(run: Run, migrated: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return a way to run commands beside a catalog that knows ann."""
    monkeypatch.setenv("GATEWAY_SECRET", str(SECRET))
    Path("var").mkdir()
    shutil.copyfile(migrated, "var/catalog.sqlite3")
    assert run("users", "add", "ann", "--password", "a long password").status == 0
    return run


def make(run: Run, *options: str) -> Ran:
    return run("drops", "new", "ann", *(options or ("--no-expiry",)))


def test_making_one_prints_its_url_and_nothing_else(ready: Run) -> None:
    """The output can be piped: one line, whose code verifies."""
    ran = make(ready, "--expires", "7d")
    assert (ran.status, ran.err) == (0, "")
    base, _, code = ran.out.strip().rpartition("/u/")
    code_id = codes.verify(SECRET, Use.DROP, code)
    (listed,) = ready("drops", "list", "--json").facts
    assert (base, ran.out.count("\n")) == (SITE, 1)
    assert (listed["owner"], listed["state"]) == ("ann", "open")
    assert listed["id"] not in code_id


@pytest.mark.parametrize(
    ("options", "limit", "value"),
    [
        pytest.param([], "max_uploads", None, id="any number"),
        pytest.param(["--max-size", "1G"], "max_size", 2**30, id="gibibyte"),
        pytest.param(["--max-total", "2G"], "max_total", 2**31, id="of all files"),
        pytest.param(
            ["--type", "image/*", "--type", "text/csv"],
            "types",
            ["image/*", "text/csv"],
            id="types",
        ),
        pytest.param(["--title", "a\n b\x1b"], "title", "a b", id="title"),
    ],
)
def test_each_option_becomes_its_limit(
    ready: Run, options: list[str], limit: str, value: object
) -> None:
    """What was said is what the catalog has."""
    make(ready, "--no-expiry", *options)
    (listed,) = ready("drops", "list", "--json").facts
    assert listed[limit] == value


@pytest.mark.parametrize(
    ("options", "status", "words"),
    [
        pytest.param(["--title", "x"], 2, "--no-expiry", id="no end"),
        pytest.param(["--no-expiry", "--expires", "1d"], 2, "one of", id="two ends"),
        pytest.param(["--no-expiry", "--max-size", "big"], 2, "1G", id="no size"),
        pytest.param(["--no-expiry", "--max-size", "0"], 1, "max_size", id="nothing"),
        pytest.param(["--no-expiry", "--max-size", "999T"], 1, "max_size", id="huge"),
        pytest.param(["--no-expiry", "--max-total", "0"], 1, "max_total", id="no room"),
        pytest.param(["--no-expiry", "--type", "x"], 1, "image/*", id="no type"),
        pytest.param(["--expires", "2000-01-01"], 1, "future", id="long ago"),
    ],
)
def test_what_makes_no_sense_is_said(
    ready: Run, options: list[str], status: int, words: str
) -> None:
    """The fault is named, and nothing is made."""
    ran = make(ready, *options)
    assert (ran.status, ran.out) == (status, "")
    assert words in ran.err
    assert ready("drops", "list").out == ""


def test_a_list_is_a_line_for_each(ready: Run) -> None:
    """A person sees whose it is, how many came, until when, and what for."""
    make(ready, "--expires", "2990-01-31", "--max-uploads", "3", "--title", "Photos")
    make(ready, "--no-expiry")
    endless, ending = sorted(ready("drops", "list").out.splitlines(), key=len)
    assert ending[12:] == "  ann  open  0/3  until 2990-01-31  Photos"
    assert endless[12:].rstrip() == "  ann  open  0  until revoked"


def test_one_is_revoked(ready: Run) -> None:
    """Twice is no fault; another id is."""
    make(ready)
    (listed,) = ready("drops", "list", "--json").facts
    ended = [ready("drops", "revoke", listed["id"]).status for _ in range(2)]
    (after,) = ready("drops", "list", "--json", "--user", "ann").facts
    unknown = ready("drops", "revoke", "a" * 12)
    assert (ended, after["state"]) == ([0, 0], "revoked")
    assert (unknown.status, unknown.err) == (
        1,
        f"gateway: there is no drop link {'a' * 12}\n",
    )


def test_making_one_prints_json_when_asked(ready: Run) -> None:
    """A program gets the URL and what the list says, in one object."""
    made = make(ready, "--expires", "7d", "--title", "Photos", "--json").facts
    (listed,) = ready("drops", "list", "--json").facts
    url = made.pop("url")
    assert url.startswith(f"{SITE}/u/")
    assert codes.verify(SECRET, Use.DROP, url.rpartition("/")[2]) is not None
    assert made == listed


def test_without_a_catalog_it_is_said_where_it_was_looked_for(run: Run) -> None:
    """In the wrong folder a second catalog would know nobody."""
    ran = make(run)
    assert (ran.status, ran.out) == (1, "")
    assert ran.err == (
        f"gateway: GATEWAY_DATABASE: there is no catalog {Path.cwd()}/var/"
        "catalog.sqlite3; is GATEWAY_DATA right? A new gateway makes it with: gateway "
        "db upgrade\n"
    )


def test_a_new_user_is_printed_as_json_when_asked(ready: Run) -> None:
    """Without, a command that has done its work says nothing."""
    words = ("users", "add", "bob", "--role", "admin", "--password", "a long password")
    ran = ready(*words, "--json")
    assert (ran.status, ran.facts) == (0, {"name": "bob", "role": "admin"})


def test_a_new_token_is_printed_as_json_when_asked(ready: Run) -> None:
    """A program gets the token beside what the list says of it."""
    words = ("tokens", "new", "ann", "--scope", "read", "--expires", "7d", "--json")
    made = ready(*words).facts
    (listed,) = ready("tokens", "list", "--json").facts
    assert made.pop("token").startswith(f"gwt_{made['id']}_")
    assert made == {name: listed[name] for name in made}
    assert set(made) == {"id", "user", "scopes", "created", "expires"}


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, id=name) for name in ("GATEWAY_KEYS", "GATEWAY_SECRET")],
)
def test_without_keys_or_secret_there_is_no_link(
    ready: Run, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """The fault names the setting, and nothing is made."""
    monkeypatch.delenv(name)
    ran = make(ready)
    assert (ran.status, f"{name}: is not set" in ran.err) == (1, True)
    assert ready("drops", "list").out == ""
