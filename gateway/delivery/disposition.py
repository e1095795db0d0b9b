"""Content-Disposition for any Unicode name (RFC 6266, RFC 8187)."""

from __future__ import annotations

import re
import unicodedata
from typing import Final
from urllib.parse import quote

# What needs neither an escape nor a second form.
_PLAIN: Final = re.compile(r"[ !#$&-.0-\[\]-~]+")
# RFC 8187 attr-char, less what quote() keeps anyway.
_ATTR_CHAR: Final = "!#$&+-.^_`|~"


def content_disposition(name: str, *, is_inline: bool) -> str:
    r"""Return the header's value, ASCII only.

    ``filename`` is for clients that know no better: what ASCII can't say, and
    ``%``, which some decode, becomes ``_``; quotes and backslashes too, whose
    escapes browsers read differently, and the ``/`` that the plain form of
    some letters has.  ``filename*`` carries the whole name, with ``?`` for a
    lone surrogate, and is left out where both would say the same.
    """
    kind = "inline" if is_inline else "attachment"
    if _PLAIN.fullmatch(name):
        return f'{kind}; filename="{name}"'
    plain = unicodedata.normalize("NFKD", name)
    plain = "".join(c for c in plain if not unicodedata.combining(c))
    fallback = "".join(
        c if " " <= c <= "~" and c not in '"\\%/' else "_" for c in plain
    )
    value = f'{kind}; filename="{fallback}"'
    if fallback != name:
        value += f"; filename*=UTF-8''{quote(name, safe=_ATTR_CHAR, errors='replace')}"
    return value
