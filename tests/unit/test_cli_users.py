"""``gateway users``: sessions, new passwords, and tries that are forgotten."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from gateway.catalog import login_attempts, login_sessions, tokens, users
from gateway.catalog.database import Database
from gateway.catalog.revision import NEWEST
from gateway.catalog.tokens import Scope
from gateway.cli import times
from gateway.errors import NotAuthenticatedError, TooManyAttemptsError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.unit.command import Run

PASSWORD = "a long password"


@pytest.fixture
def ready(run: Run, migrated: Path) -> Run:
    """Return a way to run commands beside a catalog that knows ann and bob."""
    Path("var").mkdir()
    shutil.copyfile(migrated, "var/catalog.sqlite3")
    for name in ("ann", "bob"):
        assert run("users", "add", name, "--password", PASSWORD).status == 0
    return run


@pytest.fixture
def database(ready: Run) -> Iterator[Database]:
    del ready
    opened = Database.open("sqlite:///var/catalog.sqlite3")
    yield opened
    opened.engine.dispose()


def log_in(database: Database, name: str = "ann") -> str:
    with database.write() as connection:
        return login_sessions.begin(
            connection,
            users.by_name(connection, name),
            agent="Firefox on Linux",
            network="192.0.2.0/24",
            now=times.now(),
            life=3600,
        )


def listed(ready: Run, name: str = "ann") -> list[str]:
    return [row["id"] for row in ready("users", "sessions", name, "--json").facts]


def test_sessions_are_listed_with_browser_and_network(
    ready: Run, database: Database
) -> None:
    """Their secrets are not."""
    text = log_in(database)
    log_in(database, "bob")
    (row,) = ready("users", "sessions", "ann", "--json").facts
    ran = ready("users", "sessions", "ann")
    assert row["id"] == text.partition("_")[0]
    assert (row["agent"], row["network"]) == ("Firefox on Linux", "192.0.2.0/24")
    assert ran.out.startswith(f"{row['id']}  Firefox on Linux  192.0.2.0/24  since ")
    assert text.partition("_")[2] not in ran.out


def test_one_session_is_ended_by_its_id(ready: Run, database: Database) -> None:
    """What is left is listed."""
    first, second = (log_in(database).partition("_")[0] for _ in range(2))
    ran = ready("users", "sessions", "ann", "--end", first)
    assert (ran.status, ran.out.count("\n")) == (0, 1)
    assert listed(ready) == [second]


def test_all_sessions_of_one_user_are_ended(ready: Run, database: Database) -> None:
    """Nobody else is logged out."""
    for name in ("ann", "ann", "bob"):
        log_in(database, name)
    assert ready("users", "sessions", "ann", "--all").out == ""
    assert (listed(ready), len(listed(ready, "bob"))) == ([], 1)


def test_the_session_of_somebody_else_is_not_ended(
    ready: Run, database: Database
) -> None:
    """A mistyped name must not log another person out."""
    session_id = log_in(database, "bob").partition("_")[0]
    ran = ready("users", "sessions", "ann", "--end", session_id)
    assert (ran.status, ran.err) == (
        1,
        f"gateway: ann has no session {session_id}\n",
    )
    assert listed(ready, "bob") == [session_id]


@pytest.mark.parametrize("options", [[], ["--revoke-tokens"]], ids=["kept", "revoked"])
def test_a_new_password_ends_sessions_and_tokens_if_asked(
    ready: Run, database: Database, options: list[str]
) -> None:
    """Tokens are of programs, which would stop."""
    log_in(database)
    with database.write() as connection:
        ann = users.by_name(connection, "ann")
        token = tokens.new(connection, ann, scopes=[Scope.READ], expires=None, now=1)
    ran = ready("users", "passwd", "ann", "--password", "another password", *options)
    assert (ran.status, listed(ready)) == (0, [])
    assert is_good(database, token) is not bool(options)


def is_good(database: Database, token: str) -> bool:
    try:
        with database.read() as connection:
            tokens.authenticate(connection, token, now=2)
    except NotAuthenticatedError:
        return False
    return True


UNLOCKING = [
    pytest.param(["unlock", "ann"], id="unlock"),
    pytest.param(["passwd", "ann", "--password", "another password"], id="passwd"),
]


@pytest.mark.parametrize("arguments", UNLOCKING)
def test_the_tries_of_an_account_are_forgotten(
    ready: Run,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
) -> None:
    """Of that one, and of no other."""
    monkeypatch.setattr(times, "now", lambda: 1_900_000_000)
    subjects = {name: subjects_of(database, name) for name in ("ann", "bob")}
    for subject in (*subjects["ann"], *subjects["bob"]):
        spend(database, subject, 30)
    assert ready("users", *arguments).status == 0
    assert [spend(database, subject, 1) for subject in subjects["ann"]] == [0, 0, 0]
    assert all(spend(database, subject, 1) for subject in subjects["bob"])


def subjects_of(database: Database, name: str) -> list[login_attempts.Counter]:
    with database.read() as connection:
        account = login_attempts.account(users.by_name(connection, name).id, name)
    return [
        login_attempts.by_account(account),
        login_attempts.by_network(account, "192.0.2.0/24"),
        login_attempts.by_browser(account, "x"),
    ]


def spend(database: Database, subject: login_attempts.Counter, count: int) -> int:
    """Spend so many tries at once; return after how long to come again."""
    wait = 0
    for _ in range(count):
        try:
            with database.write() as connection:
                login_attempts.spend(connection, [subject], now=times.now())
        except TooManyAttemptsError as error:
            wait = error.retry_after
    return wait


def test_the_first_password_is_in_a_file_until_it_is_changed(run: Run) -> None:
    """The command prints the path, and the password nowhere."""
    made = run("db", "upgrade", "--make-admin")
    path = Path("var/first-password")
    password = path.read_text().strip()
    assert f"the first password is in {path.resolve()}" in made.out
    assert password not in made.out + made.err
    assert path.stat().st_mode & 0o777 == 0o600
    assert run("users", "passwd", "admin", "--password", PASSWORD).status == 0
    assert not path.exists()


def test_an_upgrade_tells_programs_where_the_first_password_is(run: Run) -> None:
    """Once: afterwards there is nothing that was made."""
    upgrade = ("db", "upgrade", "--json")
    plain = run(*upgrade).facts
    made, again = (run(*upgrade, "--make-admin").facts for _ in range(2))
    path = Path("var/first-password").resolve()
    assert plain == {"schema": NEWEST, "made": None}
    assert made["made"] == {"user": "admin", "password_file": str(path)}
    assert again == plain


def test_an_unknown_user_is_not_unlocked(ready: Run) -> None:
    """One clear line."""
    ran = ready("users", "unlock", "nobody")
    assert (ran.status, ran.err) == (1, "gateway: there is no user nobody\n")


@pytest.mark.parametrize(
    ("options", "mails"),
    [
        pytest.param([], [True, True], id="as-at-first"),
        pytest.param([["--off"]], [False, True], id="off"),
        pytest.param([["--off"], []], [True, True], id="on-again"),
    ],
)
def test_mails_of_one_account_can_be_turned_off(
    ready: Run, options: list[list[str]], mails: list[bool]
) -> None:
    assert [ready("users", "mail", "ann", *each).status for each in options] == [
        0
    ] * len(options)
    listed = ready("users", "list", "--json").facts
    assert [user["may_send_mail"] for user in listed] == mails
