"""A user with a browser."""

from __future__ import annotations

import os
import zlib
from base64 import b64decode
from typing import TYPE_CHECKING, Any, Final

import requests
from selenium import webdriver
from selenium.common.exceptions import (
    StaleElementReferenceException,
    WebDriverException,
)
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from tests.live.stack import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from selenium.webdriver.remote.webelement import WebElement

    from tests.live.stack import Stack

PASSWORD: Final = "a long password"
FLAGS: Final = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--window-size=1000,900",
)


def start(
    programs: tuple[str, ...], profile: Path, *, is_scripted: bool
) -> webdriver.Chrome:
    """Start Chromium with an empty *profile*."""
    chromium, driver = programs
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in (*FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    blocked = {"profile.managed_default_content_settings.javascript": 2}
    options.add_experimental_option("prefs", {} if is_scripted else blocked)
    return webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))


class Browser:
    """Chromium, which later tests may reuse, and a user with a separate account.

    ``leave`` restores the state that it had at the start.
    """

    def __init__(self, stack: Stack, driver: webdriver.Chrome, name: str = "") -> None:
        self.url = stack.url
        self.driver = driver
        self.name = name or f"u{os.urandom(4).hex()}"
        stack.gateway("users", "add", self.name, "--password", PASSWORD)

    def leave(self) -> None:
        """Delete all traces of this user, and stop everything that still runs."""
        first, *others = self.driver.window_handles
        for other in others:
            self.driver.switch_to.window(other)
            self.driver.close()
        self.driver.switch_to.window(first)
        self.driver.get("about:blank")
        self._command("Storage.clearDataForOrigin", origin=self.url, storageTypes="all")
        self._command("Network.clearBrowserCookies")
        self._command("Network.clearBrowserCache")
        self._command("Emulation.setEmulatedMedia", features=[])
        self._command("Emulation.clearDeviceMetricsOverride")
        self.speed_up()
        self.policy_violations()  # discard them: each is reported only once

    def log_in(self) -> None:
        self.driver.get(self.url)
        self.find("#name").send_keys(self.name)
        self.find("#password").send_keys(PASSWORD, Keys.ENTER)
        wait_until(lambda: self.has("#uploads"), what="the page of uploads")

    def find(self, selector: str) -> WebElement:
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def has(self, selector: str) -> bool:
        return bool(self.all(selector))

    def all(self, selector: str) -> list[WebElement]:
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def open_all(self) -> None:
        """Open all folded sections of the page, except menus."""
        for summary in self.all("details.fold:not([open]) > summary"):
            summary.click()

    def look(self, *, is_dark: bool, width: int) -> None:
        """Change the size of the screen."""
        scheme = {
            "name": "prefers-color-scheme",
            "value": "dark" if is_dark else "light",
        }
        self._command("Emulation.setEmulatedMedia", features=[scheme])
        self._command(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=900,
            deviceScaleFactor=1,
            mobile=False,
        )

    def press(self, *keys: str) -> None:
        for key in keys:
            self.driver.switch_to.active_element.send_keys(key)

    def choose(self, *paths: Path) -> None:
        """Choose files, as the dialog does."""
        self.find("#files").send_keys("\n".join(map(str, paths)))

    def names(self) -> list[str]:
        """Return the names of the uploads that the page shows, sorted."""
        return sorted(self._texts("#uploads .name"))

    def says(self, selector: str, text: str) -> bool:
        """Tell whether something on the page holds *text* now."""
        return any(text in found for found in self._texts(selector))

    def wait_for(self, selector: str, text: str) -> None:
        wait_until(
            lambda: self.says(selector, text), seconds=60, what=f"{selector}: {text}"
        )

    def fetch(self, name: str) -> bytes:
        """Return the content of the upload with that name, through its link."""
        link = self.driver.find_element(By.LINK_TEXT, name).get_attribute("href")
        cookies = {c["name"]: c["value"] for c in self.driver.get_cookies()}
        answer = requests.get(str(link), cookies=cookies, timeout=60)
        answer.raise_for_status()
        return answer.content

    def slow_down(self, bytes_per_second: int) -> None:
        """Limit the speed of the connection."""
        self._command("Network.enable")
        self._conditions(bytes_per_second)

    def speed_up(self) -> None:
        self._conditions(-1)

    def download_to(self, folder: Path) -> None:
        """Save downloaded files to this folder, without a dialog."""
        self._command(
            "Browser.setDownloadBehavior", behavior="allow", downloadPath=str(folder)
        )

    def drop(self, name: str, content: str) -> None:
        """Drop a file on the page, as a file manager does."""
        self.driver.execute_script(
            """
            const carried = new DataTransfer();
            carried.items.add(new File([arguments[1]], arguments[0]));
            document.getElementById("upload").dispatchEvent(new DragEvent(
              "drop", {dataTransfer: carried, bubbles: true, cancelable: true}));
            """,
            name,
            content,
        )

    def send_plainly(self, *files: tuple[str, str]) -> None:
        """Send files with the form, as without JavaScript."""
        self.driver.execute_script(
            """
            const carried = new DataTransfer();
            for (const [name, content] of arguments[0])
              carried.items.add(new File([content], name));
            document.getElementById("files").files = carried.files;
            document.getElementById("upload").submit();
            """,
            files,
        )

    def remembered(self) -> list[str]:
        """Return the state that the script stores to resume after a reload."""
        keys: list[str] = self.driver.execute_script(
            "return Object.keys(localStorage);"
        )
        return keys

    def colour_at(self, x: int, y: int) -> bytes:
        """Return one pixel of the shown image, as red, green and blue."""
        place = {"x": x, "y": y, "width": 1, "height": 1, "scale": 1}
        shot = self.driver.execute_cdp_cmd("Page.captureScreenshot", {"clip": place})
        png = b64decode(shot["data"])
        start = png.index(b"IDAT")
        size = int.from_bytes(png[start - 4 : start])
        row = zlib.decompressobj().decompress(png[start + 4 : start + 4 + size])
        # The first byte of a row is its filter, which does not change the first pixel.
        return row[1:4]

    def policy_violations(self) -> list[str]:
        log: list[dict[str, str]] = self.driver.get_log(  # type: ignore[no-untyped-call]
            "browser"
        )
        return [e["message"] for e in log if "Content Security Policy" in e["message"]]

    def _texts(self, selector: str) -> list[str]:
        found = self.driver.find_elements(By.CSS_SELECTOR, selector)
        try:
            return [element.text for element in found]
        except WebDriverException as error:
            # The list, or the whole page, has just been replaced.
            if not isinstance(error, StaleElementReferenceException) and (
                "does not belong to the document" not in str(error)
            ):
                raise
            return []

    def _conditions(self, upload: int) -> None:
        self._command(
            "Network.emulateNetworkConditions",
            offline=False,
            latency=0,
            downloadThroughput=-1,
            uploadThroughput=upload,
        )

    def _command(self, name: str, **facts: Any) -> None:
        self.driver.execute_cdp_cmd(name, facts)
