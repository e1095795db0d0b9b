"""``gateway secrets``: made, rotated, and never shown by accident."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from gateway.cli.secrets import ensure_secret
from gateway.links.server_secret import ServerSecret

if TYPE_CHECKING:
    from tests.unit.command import Run

FILE = Path("var/secret")


def kept() -> tuple[str, ...]:
    return ServerSecret.parse(FILE.read_text()).secrets


def test_a_new_secret_fits_the_setting(run: Run) -> None:
    """What is printed can be pasted into GATEWAY_SECRET, and is kept nowhere."""
    first, second = run("secrets", "new"), run("secrets", "new")
    assert len(ServerSecret.parse(f"{first.out},{second.out}").secrets) == 2
    assert first.out != second.out
    assert not Path("var").exists()


def test_a_new_secret_is_printed_as_json_when_asked(run: Run) -> None:
    """Under its name, as the setting takes it."""
    made = run("secrets", "new", "--json").facts
    assert list(made) == ["secret"]
    assert len(ServerSecret.parse(made["secret"]).secrets) == 1


@pytest.mark.parametrize(
    ("options", "older"),
    [
        pytest.param([], 2, id="keep"),
        pytest.param(["--forget"], 0, id="forget"),
    ],
)
def test_a_rotation_puts_a_new_one_in_front(
    run: Run, options: list[str], older: int
) -> None:
    """For its owner's eyes alone, and without a word."""
    ensure_secret(FILE)
    first = kept()
    run("secrets", "rotate")
    second = kept()
    ran = run("secrets", "rotate", *options)
    assert (ran.status, ran.out, ran.err) == (0, "", "")
    assert second[1:] == first
    assert kept()[1:] == second[2 - older :][:older]
    assert kept()[0] not in second
    assert FILE.stat().st_mode & 0o777 == 0o600


def test_secrets_that_are_made_at_once_are_one(tmp_path: Path) -> None:
    """Two gateways that start at the same moment agree."""
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: ensure_secret(tmp_path / "secret"), range(16)))
    assert made.count(True) == 1
    assert (tmp_path / "secret").stat().st_mode & 0o777 == 0o600


def test_nothing_is_rotated_before_there_is_one(run: Run) -> None:
    """The line says where it looked."""
    ran = run("secrets", "rotate")
    assert (ran.status, ran.out) == (1, "")
    assert f"there is no {FILE.absolute()}; is GATEWAY_DATA right?" in ran.err


def test_a_secret_is_not_rotated_where_it_would_not_be_used(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With GATEWAY_SECRET set the file is not read."""
    ensure_secret(FILE)
    before = kept()
    monkeypatch.setenv("GATEWAY_SECRET", str(ServerSecret.generate()))
    ran = run("secrets", "rotate")
    assert (ran.status, ran.err.split(":")[1]) == (1, " GATEWAY_SECRET")
    assert kept() == before
