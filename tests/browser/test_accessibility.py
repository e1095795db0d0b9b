"""What axe finds on each page, in each state: nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.browser.tour import tour
from tests.live.stack import ROOT, NativeStack
from tests.mail.relays import FakeRelay

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.browser.browser import Browser
    from tests.live.stack import Stack

AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"
#: Without the style sheets once more, which a page's policy keeps scripts from reading.
RUN = """
const done = arguments[0];
axe.run(document, {preload: false}).then((found) => done(
  found.violations.flatMap((rule) => rule.nodes.map(
    (node) => `${rule.id}: ${node.target} ${node.failureSummary}`))));
"""


@pytest.fixture
def stack() -> Iterator[Stack]:
    """Return a stack with a relay: some pages are there only where mail goes out."""
    with (
        FakeRelay().running() as relay,
        NativeStack(**relay.settings).running() as stack,
    ):
        yield stack


def test_axe_finds_nothing_on_any_page(
    stack: Stack, browser: Browser, tmp_path: Path
) -> None:
    axe = AXE.read_text("utf-8")
    faults: dict[str, Any] = {}
    for name in tour(browser, stack, tmp_path):
        browser.driver.execute_script(axe)
        for is_dark, width in ((False, 1280), (True, 390)):
            browser.look(is_dark=is_dark, width=width)
            found = browser.driver.execute_async_script(RUN)
            if found:
                faults[f"{name}, {width} wide"] = found
    assert faults == {}
