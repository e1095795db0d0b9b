"""From a release with an earlier schema of the catalog to the present one, and back."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from tests.upgrade.releases import SCHEMA_0012, SCHEMA_0014, Machine, unpack

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow


def upload(machine: Machine, content: str) -> str:
    """Store a file; return a link to it."""
    token = machine.said("tokens", "new", "admin", "--scope", "upload")
    machine.tokens.add(token)
    stored = machine.ask(
        f"{machine.url}/api/v1/files/a.txt",
        "PUT",
        data=content.encode(),
        headers={"Authorization": f"Bearer {token}"},
    )
    assert stored.status_code == 201, stored.text
    signed = machine.said("sign", "--upload", stored.json()["id"], "--expires", "1h")
    return signed.removeprefix(machine.url)


def fetched(machine: Machine, *links: str) -> list[str]:
    """Return what the links deliver."""
    return [machine.ask(machine.url + link).text for link in links]


def test_a_release_that_fits_the_new_schema_continues_with_it(
    machine: Machine, tmp_path: Path
) -> None:
    earlier = unpack(SCHEMA_0014, tmp_path)
    with machine.serving(earlier):
        first = upload(machine, "first")
    with machine.serving():
        second = upload(machine, "second")
        upgraded = fetched(machine, first, second)
    with machine.serving(earlier):
        third = upload(machine, "third")
        back = fetched(machine, first, second, third)
    assert upgraded == ["first", "second"]
    assert back == ["first", "second", "third"]


def test_a_release_that_does_not_fit_comes_back_by_its_backup(
    machine: Machine, tmp_path: Path
) -> None:
    earlier = unpack(SCHEMA_0012, tmp_path / "earlier")
    backup = str(tmp_path / "backup")
    with machine.serving(earlier):
        first = upload(machine, "first")
        machine.said("backup", backup)
    with machine.serving():
        second = upload(machine, "second")
        upgraded = fetched(machine, first, second)
    machine.source = earlier
    refused = machine.run("serve", "--bind", f"127.0.0.1:{machine.port}")
    shutil.rmtree(machine.data)
    machine.said("restore", backup)
    with machine.serving(earlier):
        back = fetched(machine, first)
        lost = machine.ask(machine.url + second)
    assert upgraded == ["first", "second"]
    assert refused.returncode == 1
    assert "the catalog has schema 0015, and this release works with 0012" in (
        refused.stderr
    )
    assert (back, lost.status_code) == (["first"], 404)
