"""The path of the gateway's public URL: the prefix of all its paths.

It is ``/media`` if the public URL is ``https://www.example.com/media``, and empty if
the gateway has a host name of its own.  A proxy passes it on.  nginx's locations have
it, and Flask's routes do not: it is the ``SCRIPT_NAME`` of WSGI
(``gateway/web/path_prefix.py``).
"""

from __future__ import annotations

import re
from typing import Final

from gateway.http.families import FAMILIES

#: The maximum length, in characters.
MAXIMUM: Final = 100
#: (!) nginx's locations and patterns contain the text as it is: no segment is empty or
#:     has an encoded character; none begins with a dot, as dot segments do, or with
#:     ``_``, as nginx's internal locations do.
FORM: Final = re.compile(r"(?:/[A-Za-z0-9][A-Za-z0-9._~-]*)*")
#: The first segments of the pages' paths, which are not in the table of families.
PAGES: Final = frozenset(
    {
        *("delete", "drops", "login", "logout", "open", "password", "problems"),
        *("sessions", "shares", "static"),
    }
)
#: The first segments of all paths of the gateway.
OWN: Final = PAGES | {
    path.split("/")[1] for family in FAMILIES for path in family.paths if path != "/*"
}
#: Families whose next segment is a token.
_WITH_TOKEN: Final = frozenset(segment for segment in OWN if len(segment) == 1)


def reserved_segment(prefix: str) -> str | None:
    """Return a segment of *prefix* that is reserved for the gateway; None without one.

    The first segment must not be the first segment of one of the gateway's own paths:
    ``/shares`` would name a page as well as the prefix of all pages.  No segment may be
    one that a token follows, in small or capital letters: the gateway redacts tokens in
    logs, and finds damaged links in texts, by the segment before the token.
    """
    segments = prefix[1:].split("/")
    for segment in segments:
        if segment.lower() in _WITH_TOKEN:
            return segment
    return segments[0] if segments[0].lower() in OWN else None
