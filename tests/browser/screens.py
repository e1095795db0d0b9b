"""Pictures of each page in each state, light and dark, on a phone and a wide screen.

    python -m tests.browser.screens [NAME ...]    into docs/screens

They are taken from a running gateway, on the same tour as in the tests.
"""

from __future__ import annotations

import io
import os
import shutil
import sys
import tempfile
from base64 import b64decode
from pathlib import Path
from typing import Final

from PIL import Image

from tests.browser.browser import Browser, start
from tests.browser.conftest import PROGRAMS
from tests.browser.tour import tour
from tests.live.stack import ROOT, NativeStack
from tests.mail.relays import FakeRelay

FOLDER: Final = ROOT / "docs" / "screens"
WIDTHS: Final = (390, 1280)
#: Maximum height in pixels.
TALLEST: Final = 2000
#: Few colours make a page's picture a quarter as large.
COLOURS: Final = 128


#: The system's font differs between machines.
FONTS: Final = """<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "urn:fontconfig:fonts.dtd">
<fontconfig>
<include>/etc/fonts/fonts.conf</include>
<match>
<edit name="family" mode="prepend" binding="strong"><string>Inter</string></edit>
</match>
</fontconfig>
"""


def main(names: list[str]) -> None:
    """Make the pictures of these names, or of all."""
    programs = tuple(map(str, map(shutil.which, PROGRAMS)))
    FOLDER.mkdir(exist_ok=True)
    with (
        FakeRelay().running() as relay,
        NativeStack(
            GATEWAY_NAME="Northern Survey", **relay.settings
        ).running() as stack,
        tempfile.TemporaryDirectory() as folder,
    ):
        fonts = Path(folder, "fonts.conf")
        fonts.write_text(FONTS)
        os.environ["FONTCONFIG_FILE"] = str(fonts)
        driver = start(programs, Path(folder, "profile"), is_scripted=True)
        try:
            browser = Browser(stack, driver, name="anna")
            for name in tour(browser, stack, Path(folder)):
                if not names or name in names:
                    take(browser, name)
        finally:
            driver.quit()


def take(browser: Browser, name: str) -> None:
    """Take the pictures of what the browser shows."""
    for is_dark in (False, True):
        for width in WIDTHS:
            browser.look(is_dark=is_dark, width=width)
            picture = Image.open(io.BytesIO(shot(browser, width)))
            scheme = "dark" if is_dark else "light"
            picture.convert("RGB").quantize(COLOURS).save(
                FOLDER / f"{name}-{scheme}-{width}.png", optimize=True
            )


def shot(browser: Browser, width: int) -> bytes:
    metrics = browser.driver.execute_cdp_cmd("Page.getLayoutMetrics", {})
    height = min(TALLEST, metrics["cssContentSize"]["height"])
    clip = {"x": 0, "y": 0, "width": width, "height": height, "scale": 1}
    options = {"clip": clip, "captureBeyondViewport": True}
    taken = browser.driver.execute_cdp_cmd("Page.captureScreenshot", options)
    return b64decode(taken["data"])


if __name__ == "__main__":
    main(sys.argv[1:])
