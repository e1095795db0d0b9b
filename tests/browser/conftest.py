"""Debian's Chromium in front of the running stacks."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from tests.browser.browser import Browser
from tests.lacking import lacking

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.live.stack import Stack

PROGRAMS = ("chromium", "chromedriver")


@pytest.fixture(scope="session")
def programs() -> tuple[str, ...]:
    """Return the paths of the programs; skip, or fail where they are required."""
    paths = tuple(filter(None, map(shutil.which, PROGRAMS)))
    if len(paths) < len(PROGRAMS):
        reason = "Debian's chromium and chromium-driver are not installed"
        lacking(reason, required="REQUIRE_BROWSER")
    return paths


def _open(
    stack: Stack, programs: tuple[str, ...], profile: Path, *, is_scripted: bool
) -> Iterator[Browser]:
    opened = Browser(stack, programs, profile, is_scripted=is_scripted)
    try:
        opened.log_in()
        yield opened
        assert opened.policy_violations() == []
    finally:
        opened.close()


@pytest.fixture
def browser(
    stack: Stack, programs: tuple[str, ...], tmp_path: Path
) -> Iterator[Browser]:
    """Give a browser with somebody new logged in."""
    yield from _open(stack, programs, tmp_path / "profile", is_scripted=True)


@pytest.fixture
def plain_browser(
    stack: Stack, programs: tuple[str, ...], tmp_path: Path
) -> Iterator[Browser]:
    """Give one that runs no script."""
    yield from _open(stack, programs, tmp_path / "profile", is_scripted=False)
