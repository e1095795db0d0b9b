"""Housekeeping beside the running gateway, and what fsck says of it."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from tests.live.stack import NativeStack, Stack, wait_until

if TYPE_CHECKING:
    from pathlib import Path


def put(stack: Stack, token: str, content: bytes) -> dict[str, Any]:
    answer = stack.ask(
        f"{stack.url}/api/v1/files/kept.bin",
        "PUT",
        data=content,
        headers={"Authorization": f"Bearer {token}"},
    )
    assert answer.status_code == 201
    made: dict[str, Any] = answer.json()
    return made


@pytest.mark.docker
@pytest.mark.database
def test_it_runs_beside_the_gateway_and_a_reload_wakes_it(stack: Stack) -> None:
    before = stack.log().count("housekeeping: digests recorded")
    put(stack, stack.new_token("upload"), os.urandom(10))
    stack.reload()
    wait_until(
        lambda: stack.log().count("housekeeping: digests recorded") > before,
        seconds=60,
        what="the housekeeper has read the upload",
    )


def test_a_round_by_hand_says_what_it_did(stack: Stack) -> None:
    token = stack.new_token("upload")

    def has_work_to_do() -> bool:
        # The gateway's own round may come first.
        put(stack, token, os.urandom(10))
        report = json.loads(stack.gateway("housekeep", "--json"))
        assert report["faults"] == []
        return "digests recorded" in report["done"]

    wait_until(has_work_to_do, what="a round by hand writes a digest down")


@pytest.mark.docker
@pytest.mark.database
def test_nothing_is_wrong_with_what_was_uploaded(stack: Stack) -> None:
    put(stack, stack.new_token("upload"), os.urandom(10))
    stack.gateway("housekeep")
    report = json.loads(stack.gateway("fsck", "--digest", "--json"))
    assert report["findings"] == []
    assert report["looked_at"]["digests"] >= 1
    assert report["looked_at"]["unknown"] == 0


def copy_catalog(stack: NativeStack, copy: Path) -> None:
    catalog = stack.home / "data" / "catalog.sqlite3"
    with (
        closing(sqlite3.connect(catalog)) as source,
        closing(sqlite3.connect(copy)) as target,
    ):
        source.backup(target)


def swap_catalog(stack: NativeStack, copy: Path) -> None:
    """Put a copy of the catalog in its place, as an operator would."""
    stack.kill()
    for path in (stack.home / "data").glob("catalog.sqlite3*"):
        path.unlink()
    shutil.copy(copy, stack.home / "data" / "catalog.sqlite3")
    stack.start()


@pytest.mark.extra
def test_the_catalog_of_yesterday_costs_no_file(tmp_path: Path) -> None:
    with NativeStack().running() as stack:
        token = stack.new_token("upload", "read")
        bearer = {"Authorization": f"Bearer {token}"}
        old = put(stack, token, b"of yesterday")
        copy_catalog(stack, tmp_path / "yesterday")
        new = put(stack, token, b"of today")
        copy_catalog(stack, tmp_path / "today")

        swap_catalog(stack, tmp_path / "yesterday")
        stack.gateway("housekeep", "--grace", "0")
        there = stack.ask(f"{stack.url}{old['url']}", headers=bearer)
        gone = stack.ask(f"{stack.url}{new['url']}", headers=bearer)
        (kept,) = [path for path in stack.store() if path.startswith("trash/")]
        assert (there.content, gone.status_code) == (b"of yesterday", 404)
        assert new["id"] in kept

        swap_catalog(stack, tmp_path / "today")
        stack.gateway("fsck", "--repair", "--digest")
        back = stack.ask(f"{stack.url}{new['url']}", headers=bearer)
        assert back.content == b"of today"
        assert not any(path.startswith("trash/") for path in stack.store())
