"""From version 0.1.0 to the present release, and back.

Version 0.1.0 had no catalog: its data are the key ring and the links that it signed.
``record.py`` has recorded both, with the answers of 0.1.0.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.upgrade.record import RECORDED, answer, put_files
from tests.upgrade.releases import FIRST, Machine, unpack

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import requests

LINKS: Final[list[dict[str, Any]]] = json.loads((RECORDED / "links.json").read_text())
KEYS: Final = (RECORDED / "data" / "keys").read_text()
IDS: Final = [line.partition(":")[0] for line in KEYS.split()]


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the source of version 0.1.0."""
    return unpack(FIRST, tmp_path_factory.mktemp("first"))


@pytest.fixture(scope="module")
def upgraded() -> Iterator[Machine]:
    machine = with_recorded(Machine())
    with machine.serving():
        yield machine
    machine.remove()


def with_recorded(machine: Machine) -> Machine:
    """Give *machine* the recorded files and the recorded data folder."""
    put_files(machine)
    shutil.copytree(RECORDED / "data", machine.data)
    machine.data.chmod(0o700)
    (machine.data / "keys").chmod(0o600)
    return machine


def answers(machine: Machine) -> list[dict[str, Any]]:
    """Return the recorded links with the answers that they get now."""
    return [
        {**link, "answer": answer(machine.ask(machine.url + link["path"]))}
        for link in LINKS
    ]


def ids(machine: Machine) -> list[str]:
    """Return the ids of the keys, the newest first."""
    return [key["id"] for key in json.loads(machine.said("keys", "list", "--json"))]


def keep(machine: Machine, *key_ids: str) -> None:
    """Leave only these keys on the ring, as an operator does with an editor."""
    ring = machine.data / "keys"
    lines = ring.read_text().splitlines(keepends=True)
    ring.write_text("".join(k for k in lines if k.partition(":")[0] in key_ids))


@pytest.mark.parametrize("link", [pytest.param(a, id=a["name"]) for a in LINKS])
def test_a_link_of_the_first_release_gets_the_same_answer(
    upgraded: Machine, link: dict[str, Any]
) -> None:
    assert answer(upgraded.ask(upgraded.url + link["path"])) == link["answer"]


def test_a_start_keeps_the_key_ring(upgraded: Machine) -> None:
    assert (upgraded.data / "keys").read_text() == KEYS
    assert ids(upgraded) == IDS


def test_keys_of_the_first_release_are_rotated(machine: Machine) -> None:
    with with_recorded(machine).serving():
        added = machine.said("keys", "new", "--add")
        keep(machine, added, IDS[0])
        machine.said("reload")
        signed = machine.said("sign", "hello.txt", "--expires", "1h")
        sent = machine.ask(signed)
        found = answers(machine)
    assert ids(machine) == [added, IDS[0]]
    assert f"/s/k{added}." in signed
    assert sent.text == "hello\n"
    assert found == [
        link
        if f"/s/k{IDS[0]}." in link["path"]
        else {**link, "answer": {"status": 404}}
        for link in LINKS
    ]


@dataclass(frozen=True)
class Journey:
    """A folder that went from the first release to the present one, and back."""

    before: list[dict[str, Any]]
    between: list[dict[str, Any]]
    after: list[dict[str, Any]]
    added: str
    listed: list[str]
    #: What the first release answers to links that the present release signed.
    signed: requests.Response
    shared: requests.Response
    revoked: requests.Response


@pytest.fixture(scope="module")
def journey(first: Path) -> Iterator[Journey]:
    machine = with_recorded(Machine())
    with machine.serving(first):
        before = answers(machine)
    with machine.serving():
        between = answers(machine)
        added = machine.said("keys", "new", "--add")
        machine.said("reload")
        signed, revoked = (
            machine.said("sign", name, "--expires", "1h")
            for name in ("hello.txt", "reports/q3.txt")
        )
        shared = machine.said("sign", "hello.txt", "--expires", "1h", "--shared")
        machine.said("revoke", revoked)
        machine.let_verdicts_end()
        assert machine.ask(revoked).status_code == 410
    with machine.serving(first):
        yield Journey(
            before=before,
            between=between,
            after=answers(machine),
            added=added,
            listed=ids(machine),
            signed=machine.send(signed),
            shared=machine.send(shared),
            revoked=machine.send(revoked),
        )
    machine.remove()


def test_the_first_release_answers_as_recorded(journey: Journey) -> None:
    assert journey.before == LINKS


def test_links_get_the_same_answers_after_each_step(journey: Journey) -> None:
    assert journey.between == LINKS
    assert journey.after == LINKS


def test_the_first_release_uses_a_key_that_the_present_one_added(
    journey: Journey,
) -> None:
    assert journey.listed == [journey.added, *IDS]
    assert journey.signed.text == "hello\n"


def test_the_first_release_knows_no_revocation(journey: Journey) -> None:
    """docs/update.md warns of it."""
    assert journey.revoked.text == "third quarter\n"


def test_the_first_release_refuses_links_for_shared_caches(journey: Journey) -> None:
    assert journey.shared.status_code == 404


def test_the_first_release_refuses_a_restricted_key_until_it_is_removed(
    machine: Machine, first: Path
) -> None:
    with_recorded(machine).said("keys", "new", "--add", "--prefix", "reports/")
    machine.source = first
    refused = machine.run("serve", "--bind", f"127.0.0.1:{machine.port}")
    keep(machine, *IDS)
    assert refused.returncode == 1
    assert "key 1: its id must be 1 to 16 letters" in refused.stderr
    assert ids(machine) == IDS
