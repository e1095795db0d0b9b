"""Drop links at a browser: somebody makes one, somebody without an account sends."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest
from selenium.webdriver.common.by import By

from tests.live.stack import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.browser.browser import Browser
    from tests.live.stack import Stack

#: More than one chunk of the script's.
LARGE = 34 * 2**20


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "Urlaub фото.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + os.urandom(200_000))
    return path


def make(browser: Browser, title: str, max_uploads: str = "") -> str:
    """Make a drop link by the form and return its URL."""
    browser.driver.get(f"{browser.url}/drops")
    before = links(browser)
    browser.find("#title").send_keys(title)
    browser.find("#max_uploads").send_keys(max_uploads)
    browser.find("input[value='image/*']").click()
    browser.find("#new button").click()
    browser.wait_for(".done", "The drop link was created")
    # Of two that were created in one second, any is the first one of the list.
    [link] = links(browser) - before
    return link


def links(browser: Browser) -> set[str]:
    """Return the drop links on the page."""
    inputs = browser.driver.find_elements(By.CSS_SELECTOR, "#drops .link-box input")
    return {str(each.get_attribute("value")) for each in inputs}


def leave(browser: Browser, stack: Stack, url: str) -> None:
    """Become somebody without an account, at the link."""
    stack.tokens.add(url.rpartition("/")[2])
    browser.driver.delete_all_cookies()
    browser.driver.get(url)


def test_a_stranger_sends_without_script(
    stack: Stack, plain_browser: Browser, file: Path
) -> None:
    url = make(plain_browser, "Photos", max_uploads="1")
    leave(plain_browser, stack, url)
    assert plain_browser.find("h1").text == "Photos"
    plain_browser.choose(file)
    plain_browser.find("#upload button").click()
    plain_browser.wait_for(".thanks", "Thank you. The file was uploaded.")
    assert not plain_browser.has("form")
    assert plain_browser.driver.get_cookies() == []
    plain_browser.log_in()
    assert plain_browser.names() == [file.name]
    assert plain_browser.fetch(file.name) == file.read_bytes()
    assert plain_browser.says("#uploads .facts", "from Photos")


def test_a_stranger_sends_by_the_script(
    stack: Stack, browser: Browser, file: Path, tmp_path: Path
) -> None:
    large = tmp_path / "large.png"
    large.write_bytes(b"\x89PNG\r\n\x1a\n" + os.urandom(LARGE))
    leave(browser, stack, make(browser, "Photos"))
    browser.choose(large, file)
    wait_until(
        lambda: (
            len(browser.driver.find_elements(By.CSS_SELECTOR, ".transfer")) == 2
            and not browser.has(".transfer .actions")
        ),
        seconds=60,
        what="both are stored",
    )
    assert browser.find("#upload-status").text == "Thank you. 2 files were uploaded."
    assert browser.remembered() == []
    assert browser.driver.get_cookies() == []
    browser.log_in()
    assert browser.names() == [file.name, large.name]
    assert browser.fetch(large.name) == large.read_bytes()


def test_the_page_counts_down_as_files_arrive(
    stack: Stack, browser: Browser, file: Path
) -> None:
    leave(browser, stack, make(browser, "Photos", max_uploads="2"))
    before = browser.find("#limits").text
    browser.choose(file)
    browser.wait_for("#limits", "1 more file.")
    assert before.replace("2 more files", "1 more file") == browser.find("#limits").text
    browser.choose(file)
    browser.wait_for("#limits", "This drop link accepts no more uploads.")
    assert not browser.find("#upload").is_displayed()
    assert browser.find("#upload-status").text == "Thank you. 2 files were uploaded."


def test_the_page_of_a_link_that_was_ended_meanwhile_says_so(
    stack: Stack, browser: Browser, file: Path
) -> None:
    url = make(browser, "Photos")
    leave(browser, stack, url)
    browser.slow_down(20_000)
    browser.choose(file)
    browser.wait_for(".transfer .state", "Uploading")
    drops = json.loads(stack.gateway("drops", "list", "--user", browser.name, "--json"))
    stack.gateway("drops", "revoke", drops[0]["id"])
    browser.speed_up()
    browser.wait_for(
        ".transfer.failed .state", "This drop link accepts no more uploads."
    )
    browser.wait_for("#limits", "This drop link accepts no more uploads")
    assert not browser.find(".transfer .pause").is_displayed()
    assert not browser.find("#upload").is_displayed()


def test_a_file_that_is_not_taken_says_why_and_can_not_be_resumed(
    stack: Stack, browser: Browser, tmp_path: Path
) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("no picture")
    leave(browser, stack, make(browser, "Photos"))
    browser.choose(path)
    browser.wait_for(".transfer.failed .state", "File type not allowed.")
    assert not browser.find(".transfer .pause").is_displayed()
    assert browser.find(".transfer .cancel").is_displayed()


def test_what_was_begun_by_one_link_is_not_gone_on_with_by_another(
    stack: Stack, browser: Browser, file: Path
) -> None:
    first, second = make(browser, "First"), make(browser, "Second")
    leave(browser, stack, first)
    browser.slow_down(20_000)
    browser.choose(file)
    wait_until(browser.remembered, what="the upload is made")
    browser.find(".transfer .pause").click()
    browser.wait_for(".transfer .state", "Paused")
    leave(browser, stack, second)
    browser.speed_up()
    browser.choose(file)
    browser.wait_for(".transfer .state", "Uploaded")
    browser.log_in()
    assert browser.says("#uploads .facts", "from Second")


def test_a_link_is_ended_by_its_maker(stack: Stack, plain_browser: Browser) -> None:
    url = make(plain_browser, "Photos")
    plain_browser.find("#drops summary").click()
    plain_browser.find("#drops .danger").click()
    plain_browser.wait_for(".done", "Photos was revoked.")
    leave(plain_browser, stack, url)
    assert plain_browser.find("h1").text == "This drop link accepts no more uploads"
