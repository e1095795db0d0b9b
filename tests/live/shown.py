"""Code blocks of the documentation, for tests that run them."""

from __future__ import annotations

import re
from textwrap import dedent
from typing import Final

from tests.live.stack import ROOT

#: The gateway's address in the documentation.
PLACE: Final = "https://files.example.com"


def blocks(page: str, language: str, *, section: str = "") -> list[str]:
    """Return the code blocks in *language* of a page, or of one of its sections.

    Blocks in lists are dedented, and all addresses of the gateway become PLACE.
    """
    text = (ROOT / page).read_text("utf-8").replace("http://127.0.0.1:8080", PLACE)
    shown = text.partition(section)[2].partition("\n## ")[0] if section else text
    fence = rf"^( *)```{language}\n(.*?)^ *```"
    found = re.finditer(fence, shown, re.MULTILINE | re.DOTALL)
    return [dedent(block[2]) for block in found]
