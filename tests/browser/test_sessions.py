"""Where a person is logged in, as they see and end it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import requests

from tests.browser.browser import PASSWORD
from tests.live.test_pages import Person

if TYPE_CHECKING:
    from tests.browser.browser import Browser
    from tests.live.stack import Stack


def test_a_session_elsewhere_is_seen_and_ended(
    plain_browser: Browser, stack: Stack
) -> None:
    phone = Person(stack, plain_browser.name)
    phone.session.headers["User-Agent"] = "Mozilla/5.0 (iPhone) Safari/605"
    with phone.session:
        assert phone.log_in(PASSWORD).status_code == 303
        plain_browser.driver.get(f"{plain_browser.url}/sessions")
        plain_browser.wait_for("#sessions .name", "Safari on iPhone")
        plain_browser.wait_for("#sessions strong", "this browser")
        plain_browser.find("#sessions li button").click()
        plain_browser.wait_for(".done", "The session was ended.")
        assert not plain_browser.says("#sessions .name", "iPhone")
        assert phone.get("/").status_code == requests.codes.see_other
