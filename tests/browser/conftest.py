"""Debian's Chromium in front of the running stacks."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.browser.browser import Browser, start
from tests.lacking import lacking

if TYPE_CHECKING:
    from collections.abc import Iterator

    from selenium.webdriver import Chrome

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


@contextmanager
def _chromium(programs: tuple[str, ...], *, is_scripted: bool) -> Iterator[Chrome]:
    with tempfile.TemporaryDirectory(prefix="gw-") as profile:
        driver = start(programs, Path(profile), is_scripted=is_scripted)
        yield driver
        driver.quit()


@pytest.fixture(scope="session")
def chromium(programs: tuple[str, ...]) -> Iterator[Chrome]:
    with _chromium(programs, is_scripted=True) as driver:
        yield driver


@pytest.fixture(scope="session")
def plain_chromium(programs: tuple[str, ...]) -> Iterator[Chrome]:
    """Start a browser without JavaScript."""
    with _chromium(programs, is_scripted=False) as driver:
        yield driver


def _open(stack: Stack, driver: Chrome) -> Iterator[Browser]:
    opened = Browser(stack, driver)
    try:
        opened.log_in()
        yield opened
        assert opened.policy_violations() == []
    finally:
        opened.leave()


@pytest.fixture
def browser(stack: Stack, chromium: Chrome) -> Iterator[Browser]:
    """Yield a browser with a new user who is logged in."""
    yield from _open(stack, chromium)


@pytest.fixture
def plain_browser(stack: Stack, plain_chromium: Chrome) -> Iterator[Browser]:
    """Yield a browser without JavaScript."""
    yield from _open(stack, plain_chromium)
