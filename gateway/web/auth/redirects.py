"""Check redirect destinations in requests: only paths of this site are permitted."""

from __future__ import annotations

import re
from typing import Final

#: Browsers drop tabs and line ends from a URL and read "\" as "/": "/\t/evil" and
#: "/\evil" would both lead to another host, as "//evil" does.
_LOCAL: Final = re.compile(r"/(?![/\\])[^\\\x00-\x20\x7f]*")
_MAXIMUM: Final = 2048


def local(text: str | None, default: str = "/") -> str:
    """Return *text* if it is a path of this site, else *default*."""
    is_local = text and len(text) <= _MAXIMUM and _LOCAL.fullmatch(text)
    return text if text and is_local else default
