"""What somebody at a browser does: log in, upload, fetch, delete, change a password."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from selenium.webdriver.common.keys import Keys

from tests.browser.browser import PASSWORD
from tests.live.stack import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.browser.browser import Browser
    from tests.live.stack import Stack

#: More than one chunk of the script's.
LARGE = 91 * 2**20
#: In the access log: a new resumable upload.
CREATION = '"method":"POST","uri":"/tus/"'


@pytest.fixture
def small(tmp_path: Path) -> Path:
    path = tmp_path / "Bericht фото.pdf"
    path.write_bytes(b"%PDF-1.4 small")
    return path


def test_the_form_uploads_without_script(
    plain_browser: Browser, small: Path, tmp_path: Path
) -> None:
    second = tmp_path / "second.bin"
    second.write_bytes(os.urandom(3_000_000))
    plain_browser.choose(small, second)
    plain_browser.find("#upload button").click()
    plain_browser.wait_for(".done", "2 files were uploaded.")
    assert plain_browser.names() == [small.name, second.name]
    assert plain_browser.fetch(second.name) == second.read_bytes()
    assert plain_browser.fetch(small.name) == small.read_bytes()


def test_without_script_nothing_is_promised_that_needs_it(
    plain_browser: Browser,
) -> None:
    said = plain_browser.find("#upload").text
    assert "drop" not in said
    assert "in total" in said


def test_an_upload_is_deleted_by_the_keyboard_alone(
    plain_browser: Browser, small: Path
) -> None:
    plain_browser.choose(small)
    plain_browser.find("#upload button").send_keys(Keys.ENTER)
    plain_browser.wait_for(".done", "was uploaded.")
    plain_browser.find("#uploads summary").send_keys(Keys.ENTER)
    plain_browser.press(Keys.TAB, Keys.ENTER)
    plain_browser.wait_for(".done", "was deleted.")
    assert plain_browser.names() == []


def test_a_new_password_is_set_and_the_person_stays(plain_browser: Browser) -> None:
    plain_browser.driver.get(f"{plain_browser.url}/password")
    plain_browser.find("#current").send_keys(PASSWORD)
    plain_browser.find("#new").send_keys("another long one")
    plain_browser.find("#again").send_keys("another long one", Keys.ENTER)
    plain_browser.wait_for(".done", "Your password was changed.")


def test_logging_out_leads_to_the_login(plain_browser: Browser) -> None:
    plain_browser.find(".top summary").click()
    plain_browser.find(".top button").click()
    wait_until(lambda: plain_browser.has("#password"), what="the login")
    plain_browser.driver.get(plain_browser.url)
    assert plain_browser.has("#password")


def test_the_script_uploads_in_chunks_and_shows_the_list(
    browser: Browser, small: Path, tmp_path: Path
) -> None:
    large = tmp_path / "large.bin"
    large.write_bytes(os.urandom(LARGE))
    browser.choose(large, small)
    wait_until(
        lambda: browser.names() == [small.name, large.name],
        seconds=60,
        what="both are listed",
    )
    assert browser.fetch(large.name) == large.read_bytes()
    assert not browser.has("#transfers li")


def test_a_dropped_file_is_uploaded(browser: Browser) -> None:
    browser.drop("dropped.txt", "from elsewhere")
    browser.wait_for("#uploads .name", "dropped.txt")
    assert browser.fetch("dropped.txt") == b"from elsewhere"


def test_a_paused_upload_goes_on(browser: Browser, tmp_path: Path) -> None:
    path = tmp_path / "paused.bin"
    path.write_bytes(os.urandom(3_000_000))
    browser.slow_down(500_000)
    browser.choose(path)
    browser.wait_for(".transfer .state", "Uploading")
    browser.find(".transfer .pause").click()
    browser.wait_for(".transfer .state", "Paused")
    browser.speed_up()
    browser.find(".transfer .pause").click()
    browser.wait_for("#uploads .name", path.name)
    assert browser.fetch(path.name) == path.read_bytes()


def test_a_file_that_was_changed_meanwhile_is_not_gone_on_with(
    browser: Browser, tmp_path: Path
) -> None:
    path = tmp_path / "changed.bin"
    path.write_bytes(os.urandom(3_000_000))
    browser.slow_down(500_000)
    browser.choose(path)
    browser.wait_for(".transfer .state", "Uploading")
    browser.find(".transfer .pause").click()
    browser.wait_for(".transfer .state", "Paused")
    path.write_bytes(b"another one")
    browser.speed_up()
    browser.find(".transfer .pause").click()
    browser.wait_for(".transfer.failed .state", "Choose it again.")
    assert not browser.find(".transfer .pause").is_displayed()


def test_a_cancelled_upload_is_gone(browser: Browser, tmp_path: Path) -> None:
    path = tmp_path / "cancelled.bin"
    path.write_bytes(os.urandom(3_000_000))
    browser.slow_down(500_000)
    browser.choose(path)
    browser.wait_for(".transfer .state", "Uploading")
    browser.find(".transfer .cancel").click()
    wait_until(lambda: not browser.has("#transfers li"), what="the row is gone")
    browser.driver.get(browser.url)
    assert browser.names() == []


def test_what_broke_off_goes_on_after_a_reload(
    stack: Stack, browser: Browser, tmp_path: Path
) -> None:
    path = tmp_path / "resumed.bin"
    path.write_bytes(os.urandom(3_000_000))
    before = stack.whole_log().count(CREATION)
    browser.slow_down(500_000)
    browser.choose(path)
    wait_until(browser.remembered, what="the upload is made")
    browser.find(".transfer .pause").click()
    browser.wait_for(".transfer .state", "Paused")
    browser.driver.get(browser.url)
    browser.speed_up()
    browser.choose(path)
    browser.wait_for("#uploads .name", path.name)
    assert browser.fetch(path.name) == path.read_bytes()
    assert stack.whole_log().count(CREATION) == before + 1
    assert browser.remembered() == []


def test_who_is_logged_out_is_told_and_goes_on_after_a_login(
    browser: Browser, small: Path
) -> None:
    browser.driver.delete_all_cookies()
    browser.choose(small)
    browser.wait_for(".transfer.failed .state", "You are logged out.")
    here = browser.driver.current_window_handle
    browser.driver.switch_to.new_window("tab")
    browser.log_in()
    browser.driver.switch_to.window(here)
    browser.find(".transfer .pause").click()
    browser.wait_for("#uploads .name", small.name)
