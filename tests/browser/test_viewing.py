"""Deliveries that a browser shows by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tests.live.stack import wait_until

if TYPE_CHECKING:
    from tests.browser.browser import Browser
    from tests.live.stack import Stack

RED: Final = b"\xff\x00\x00"
#: One page, red all over; a reader rebuilds the table that is missing at its end.
RED_PAGE: Final = b"""%PDF-1.4
1 0 obj <</Type /Catalog /Pages 2 0 R>> endobj
2 0 obj <</Type /Pages /Kids [3 0 R] /Count 1>> endobj
3 0 obj <</Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] /Contents 4 0 R>> endobj
4 0 obj <</Length 26>> stream
1 0 0 rg 0 0 600 800 re f
endstream endobj
trailer <</Root 1 0 R>>
%%EOF
"""


def test_a_pdf_shows_in_its_sandbox(browser: Browser, stack: Stack) -> None:
    stack.put("b/red.pdf", RED_PAGE)
    url = stack.sign("b/red.pdf", presentation="inline")
    policy = stack.ask(url).headers["Content-Security-Policy"]
    browser.driver.get(url)
    wait_until(
        lambda: browser.colour_at(650, 450) == RED, seconds=30, what="the page is red"
    )
    assert policy == "sandbox; default-src 'none'"


def test_a_page_runs_no_script_that_got_into_it(browser: Browser) -> None:
    """And says so where every other test sees that nothing broke its policy."""
    browser.driver.execute_script(
        """
        const script = document.createElement('script');
        script.textContent = 'document.title = "run"';
        document.body.append(script);
        """
    )
    wait_until(browser.policy_violations, what="the violation is reported")
    assert browser.driver.title != "run"
