"""Content-Disposition for any Unicode name (RFC 6266, RFC 8187)."""

from __future__ import annotations

import re
import unicodedata
from typing import Final
from urllib.parse import quote

# Names that need neither escapes nor ``filename*``.
_PLAIN: Final = re.compile(r"[ !#$&-.0-\[\]-~]+")
# RFC 8187 attr-char, without the characters that quote() never encodes.
_ATTR_CHAR: Final = "!#$&+-.^_`|~"


def content_disposition(name: str, *, is_inline: bool) -> str:
    r"""Return the header's value, ASCII only.

    ``filename`` is for clients that do not support ``filename*``.  It has ``_`` in
    place of non-ASCII characters; of ``%``, which some clients decode; of quotes and
    backslashes, whose escapes browsers read differently; and of the ``/`` in the plain
    form of some letters.  ``filename*`` has the whole name, with ``?`` for a lone
    surrogate, and is left out if both are equal.
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
