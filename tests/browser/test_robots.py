"""Robots that run scripts, at links of shares that can be used once."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from tests.live.stack import wait_until
from tests.live.test_shares import leased, link

if TYPE_CHECKING:
    from pathlib import Path

    from tests.browser.browser import Browser
    from tests.live.stack import Stack

CONTENT = os.urandom(100_000)
PRESS = "document.querySelector('form.offer button').click();"
#: What a form sends, and no step further than to where it leads.
PRESS_AND_LEAVE = """
    const form = document.querySelector("form.offer");
    const body = new URLSearchParams(new FormData(form));
    fetch(form.action, {method: "POST", body, redirect: "manual"})
      .finally(() => location.replace("about:blank"));
"""


def test_a_script_that_presses_the_button_and_leaves_uses_nothing_up(
    browser: Browser, stack: Stack
) -> None:
    stack.put("robots/left.bin", CONTENT)
    url = link(stack, "robots/left.bin", "--max", "1")
    before = leased(stack, url)
    browser.driver.get(url)
    browser.driver.execute_script(PRESS_AND_LEAVE)
    wait_until(
        lambda: stack.send(before, "HEAD").status_code == 410,
        what="the robot has the place",
    )
    assert stack.send(leased(stack, url)).content == CONTENT


def test_a_robot_s_download_is_labelled_and_given_back_by_one_click(
    browser: Browser, stack: Stack, tmp_path: Path
) -> None:
    """Chromium without a screen says so in its name."""
    made = share(browser, stack)
    url = made["recipients"][0]["url"]
    page = f"{browser.url}/shares/{made['id']}"
    browser.download_to(tmp_path)
    browser.driver.get(url)
    browser.driver.execute_script(PRESS)
    file = tmp_path / "a.bin"
    wait_until(file.exists, what="the robot has the file")

    def is_labelled() -> bool:
        browser.driver.get(page)
        label = "1 download was probably made by a mail scanner"
        return browser.says("#links .facts", label)

    wait_until(is_labelled, what="the ledger is booked")
    pressed = stack.ask(url, "POST").status_code
    browser.find("#links details.menu summary").click()
    browser.find("#links form[action$='/give-back'] button").click()
    wait_until(
        lambda: not browser.has("form[action$='/give-back']"), what="it is given back"
    )
    assert (file.read_bytes() == CONTENT, pressed) == (True, 410)
    assert stack.send(leased(stack, url)).content == CONTENT


def share(browser: Browser, stack: Stack) -> Any:
    """Share an upload of the browser's person, for one download."""
    token = stack.new_token("upload", "share", user=browser.name)
    headers = {"Authorization": f"Bearer {token}"}
    put = f"{stack.url}/api/v1/files/a.bin"
    upload = stack.ask(put, "PUT", headers=headers, data=CONTENT).json()
    asked = {"items": [{"upload": upload["id"]}], "max": 1}
    shares = f"{stack.url}/api/v1/shares"
    made = stack.ask(shares, "POST", headers=headers, json=asked).json()
    stack.tokens.add(made["recipients"][0]["url"].rpartition("/")[2])
    return made
