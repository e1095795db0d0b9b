"""``gateway keys``: made, listed, and never shown by accident."""

from __future__ import annotations

import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from gateway.catalog import bookings
from gateway.catalog.bookings import Effects
from gateway.catalog.database import Database
from gateway.cli.keys import add_key
from gateway.links import Key, KeyRing
from gateway.links.restriction import Kind, Restriction
from tests.unit.command import RING, Ran, Run

if TYPE_CHECKING:
    from collections.abc import Callable

FREE: dict[str, object] = {
    "prefixes": [],
    "max_life": None,
    "only": None,
    "shared": True,
}
UNUSED: dict[str, object] = {"last_used": None, "asked": 0}


def test_a_new_key_fits_the_setting(run: Run) -> None:
    """What is printed can be pasted into GATEWAY_KEYS, and is new each time."""
    first, second = run("keys", "new"), run("keys", "new")
    assert (first.status, first.err, first.out.count("\n")) == (0, "", 1)
    assert KeyRing.parse(first.out + second.out).newest.id == first.out.split(":")[0]
    assert first.out.split(":")[1] != second.out.split(":")[1]


def test_a_printed_key_is_kept_nowhere(run: Run) -> None:
    """Without --add the data folder is not touched."""
    run("keys", "new")
    assert not Path("var").exists()


def test_an_added_key_signs_and_the_older_verify(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The ring grows at its head, for its owner's eyes alone."""
    monkeypatch.delenv("GATEWAY_KEYS")
    older = run("keys", "new", "--add").out.strip()
    newer = run("keys", "new", "--add").out.strip()
    listed = run("keys", "list")
    assert listed.out == f"{newer}  signs\n{older}  verifies\n"
    assert Path("var/keys").stat().st_mode & 0o777 == 0o600
    assert {path.name for path in Path("var").iterdir()} == {"keys", "keys.lock"}
    assert Path("var/keys.lock").read_bytes() == b""


def test_adding_prints_the_id_and_no_secret(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A key that went into the file must not stand in a terminal's history."""
    monkeypatch.delenv("GATEWAY_KEYS")
    ran = run("keys", "new", "--add")
    assert ran.out.strip() == KeyRing.parse(Path("var/keys").read_text()).newest.id


def test_a_new_key_is_printed_as_json_when_asked(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With its text where it is to be pasted, without it where it is on the ring."""
    made = run("keys", "new", "--json", "--prefix", "reports/").facts
    key = KeyRing.parse(made["key"]).newest
    limits = {"prefixes": ["reports/"], "shared": False}
    assert made == {**FREE, "id": key.id, "key": str(key), **limits}
    monkeypatch.delenv("GATEWAY_KEYS")
    add = ("keys", "new", "--add", "--if-none", "--json")
    added, again = run(*add).facts, run(*add).facts
    newest = KeyRing.parse(Path("var/keys").read_text()).newest
    assert added == {"id": newest.id, **FREE}
    assert again is None


def test_a_ring_that_is_there_is_left_alone_when_asked(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A container's start makes one key, not one at each start."""
    monkeypatch.delenv("GATEWAY_KEYS")
    run("keys", "new", "--add", "--if-none")
    made = Path("var/keys").read_bytes()
    again = run("keys", "new", "--add", "--if-none")
    assert (again.status, again.out) == (0, "")
    assert Path("var/keys").read_bytes() == made


def test_keys_that_are_added_at_once_are_all_kept(tmp_path: Path) -> None:
    """Two deployments at the same moment must not lose each other's key."""
    made = [Key.generate() for _ in range(24)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda key: add_key(tmp_path / "keys", key), made))
    kept = KeyRing.parse((tmp_path / "keys").read_text()).keys
    assert {key.id for key in kept} == {key.id for key in made}


@pytest.mark.parametrize(
    "leave",
    [
        pytest.param(lambda path: path.touch(0o666), id="a-file-for-all"),
        pytest.param(lambda path: path.symlink_to("elsewhere"), id="a-link"),
    ],
)
def test_what_a_crash_left_is_no_part_of_the_ring(
    tmp_path: Path, leave: Callable[[Path], None]
) -> None:
    """The new ring is a file of its own, whatever stood at its temporary name."""
    leave(tmp_path / "keys.part")
    add_key(tmp_path / "keys", Key.generate())
    assert (tmp_path / "keys").lstat().st_mode & 0o777 == 0o600
    assert not (tmp_path / "keys").is_symlink()
    assert not (tmp_path / "elsewhere").exists()


def test_an_added_key_is_on_disk_before_it_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file is synced under its temporary name, the folder under its own."""
    synced: list[Path] = []
    monkeypatch.setattr(
        os, "fsync", lambda fd: synced.append(Path(f"/proc/self/fd/{fd}").readlink())
    )
    add_key(tmp_path / "keys", Key.generate())
    assert synced == [tmp_path / "keys.part", tmp_path]


def test_if_none_says_nothing_by_itself(run: Run) -> None:
    """It must not pass for --add and print a secret instead."""
    ran = run("keys", "new", "--if-none")
    assert (ran.status, ran.out) == (2, "")
    assert "--add" in ran.err.splitlines()[-1]


def test_a_key_is_not_added_where_it_would_not_be_used(run: Run) -> None:
    """With GATEWAY_KEYS set the file is not read, and writing it would mislead."""
    ran = run("keys", "new", "--add")
    assert (ran.status, ran.out) == (1, "")
    assert ran.err == (
        "gateway: GATEWAY_KEYS: is set, so the key ring in the data folder is not "
        "used\n"
    )
    assert not Path("var").exists()


def test_keys_are_listed_by_id_newest_first(run: Run) -> None:
    """The list tells which key signs, and never a secret."""
    ran = run("keys", "list")
    newest, older = RING.keys
    assert ran == Ran(0, f"{newest.id}  signs\n{older.id}  verifies\n", "")


def test_keys_are_listed_as_json_when_asked(run: Run) -> None:
    """A program gets the same list, and never a secret either."""
    ran = run("keys", "list", "--json")
    newest, older = RING.keys
    assert (ran.status, ran.err) == (0, "")
    assert ran.facts == [
        {"id": newest.id, "signs": True, "verifies": True, **UNUSED, **FREE},
        {"id": older.id, "signs": False, "verifies": True, **UNUSED, **FREE},
    ]


def test_a_key_is_restricted_by_options(run: Run) -> None:
    """The printed key reads as it was asked for; a folder may lack its slash."""
    options = ["--prefix", "reports", "--prefix", "a b/", "--max-life", "7d"]
    ran = run("keys", "new", *options, "--only", "files")
    key = KeyRing.parse(ran.out).newest
    assert (ran.status, ran.out.partition(":")[0]) == (
        0,
        f"{key.id}?prefix=reports/&prefix=a%20b/&max-life=604800&only=files",
    )
    assert key.restriction == Restriction(
        prefixes=("reports/", "a b/"), max_life=604_800, only=Kind.FILES
    )


@pytest.mark.parametrize(
    ("options", "restriction"),
    [
        pytest.param([], None, id="a-free-key"),
        pytest.param(
            ["--only", "files"],
            Restriction(only=Kind.FILES, shared=True),
            id="a-restricted-key",
        ),
    ],
)
def test_a_key_for_shared_links_is_asked_for(
    run: Run, options: list[str], restriction: Restriction | None
) -> None:
    """A key that is not restricted needs no permission."""
    key = KeyRing.parse(run("keys", "new", "--shared", *options).out).newest
    assert key.restriction == restriction


@pytest.mark.parametrize(
    "options",
    [
        pytest.param(["--prefix", ""], id="no-folder"),
        pytest.param(["--prefix", "../a"], id="above"),
        pytest.param(["--prefix", "a/", "--only", "uploads"], id="uploads-in-a-folder"),
        pytest.param(["--only", "folders"], id="unknown-kind"),
        pytest.param(["--max-life", "soon"], id="no-duration"),
    ],
)
def test_a_senseless_restriction_is_wrong_usage(run: Run, options: list[str]) -> None:
    """Nothing is made."""
    ran = run("keys", "new", *options)
    assert (ran.status, ran.out) == (2, "")


def test_a_restricted_key_is_added_and_listed_beside_the_one_that_signs(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The gateway goes on signing with the key that may sign everything."""
    monkeypatch.delenv("GATEWAY_KEYS")
    free = run("keys", "new", "--add").out.strip()
    bound = run("keys", "new", "--add", "--prefix", "reports/").out.strip()
    listed = run("keys", "list", "--json").facts
    assert run("keys", "list").out == (
        f"{bound}  verifies  prefix=reports/\n{free}  signs\n"
    )
    assert [row["prefixes"] for row in listed] == [["reports/"], []]


def test_listing_no_keys_is_one_clear_line(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The line says how to come by a key."""
    monkeypatch.delenv("GATEWAY_KEYS")
    ran = run("keys", "list")
    assert (ran.status, ran.out) == (1, "")
    assert ran.err == (
        f"gateway: GATEWAY_KEYS: is not set, and there is no {Path.cwd()}/var/keys; is "
        "GATEWAY_DATA right? For a new gateway, create it with: "
        "gateway keys new --add\n"
    )


def test_the_first_key_of_a_ring_asks_whether_the_folder_is_right(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the wrong folder it begins a second ring, whose links are dead."""
    monkeypatch.delenv("GATEWAY_KEYS")
    first, second = run("keys", "new", "--add"), run("keys", "new", "--add")
    assert first.err == (
        f"gateway: there was no {Path.cwd()}/var/keys: created a new key ring; is "
        "GATEWAY_DATA right?\n"
    )
    assert (first.status, second.status, second.err) == (0, 0, "")


def test_a_key_is_listed_with_the_last_day_of_its_links(
    run: Run, migrated: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So an old key is taken off when nobody uses it any more."""
    newest, oldest = Key.generate(), Key.generate()
    monkeypatch.setenv("GATEWAY_KEYS", str(KeyRing((newest, oldest))))
    Path("var").mkdir()
    shutil.copyfile(migrated, "var/catalog.sqlite3")
    effects = Effects(keys={(oldest.id, 20_000): 3, (oldest.id, 20_100): 4})
    database = Database.open("sqlite:///var/catalog.sqlite3")
    with database.write() as connection:
        bookings.apply(connection, effects, gateway="g", now=1)
    database.engine.dispose()
    assert run("keys", "list").out == (
        f"{newest.id}  signs\n{oldest.id}  verifies  last used 2025-01-12\n"
    )
    rows = run("keys", "list", "--json").facts
    assert [row["asked"] for row in rows] == [0, 7]
