"""Check redirect destinations in requests: only the gateway's paths are permitted."""

from __future__ import annotations

import re
from typing import Final

#: Browsers drop tabs and line ends from a URL and read "\" as "/": "/\t/evil" and
#: "/\evil" would both lead to another host, as "//evil" does.
_LOCAL: Final = re.compile(r"/(?![/\\])[^\\\x00-\x20\x7f]*")
# (!) A browser resolves dot segments: `/media/../x` is not below `/media/`.
_DOT_SEGMENT: Final = re.compile(
    r"[^?#]*/(?:\.|%2e){1,2}(?:[/?#].*)?", re.IGNORECASE | re.DOTALL
)
_MAXIMUM: Final = 2048


def local(text: str | None, home: str) -> str:
    """Return *text* if it is a path below *home*, the start page, else *home*."""
    if text is None or len(text) > _MAXIMUM or not text.startswith(home):
        return home
    is_local = _LOCAL.fullmatch(text) and not _DOT_SEGMENT.fullmatch(text)
    return text if is_local else home
