"""What axe finds on each page, in each state: nothing."""

from __future__ import annotations

from itertools import cycle, islice
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

#: Whether it is dark, and its width: all pages share their style.
LOOKS = ((False, 1280), (True, 390))
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


@pytest.mark.parametrize(
    "looks",
    [
        pytest.param(1, id="one look of each page"),
        pytest.param(len(LOOKS), id="all looks", marks=pytest.mark.extra),
    ],
)
def test_axe_finds_nothing_on_any_page(
    stack: Stack, browser: Browser, tmp_path: Path, looks: int
) -> None:
    """With one look of each page, light and wide and dark and narrow take turns."""
    axe = AXE.read_text("utf-8")
    faults: dict[str, Any] = {}
    every = cycle(LOOKS)
    for name in tour(browser, stack, tmp_path):
        browser.driver.execute_script(axe)
        for is_dark, width in islice(every, looks):
            browser.look(is_dark=is_dark, width=width)
            found = browser.driver.execute_async_script(RUN)
            if found:
                faults[f"{name}, {width} wide"] = found
    assert faults == {}
