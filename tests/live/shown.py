"""What a page of the documentation shows, to be typed."""

from __future__ import annotations

import re
from textwrap import dedent
from typing import Final

from tests.live.stack import ROOT

#: The address that pages give the gateway.
PLACE: Final = "https://files.example.com"


def blocks(page: str, language: str, *, section: str = "") -> list[str]:
    """Return what a page, or a section of it, shows in *language*.

    Indented in a list or not; another address of the gateway's is PLACE, too.
    """
    text = (ROOT / page).read_text("utf-8").replace("http://127.0.0.1:8080", PLACE)
    shown = text.partition(section)[2].partition("\n## ")[0] if section else text
    fence = rf"^( *)```{language}\n(.*?)^ *```"
    found = re.finditer(fence, shown, re.MULTILINE | re.DOTALL)
    return [dedent(block[2]) for block in found]
