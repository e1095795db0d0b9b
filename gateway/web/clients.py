"""Tell browsers, which get pages, from programs, which get problem JSON or bytes.

A client that does not name ``text/html`` in Accept counts as a program.  Browsers name
it; ``curl`` and HTTP libraries do not by default.  nginx uses the same rule for its own
error pages (``nginx/conf.d/pages.conf``).
"""

from __future__ import annotations

import re
from typing import Final

from flask import request

from gateway.web.nginx import family

#: A member of Accept with any parameters (RFC 9110, section 12.5.1).
_HTML: Final = re.compile(r"(?i)(?:^|,)[ \t]*text/html[ \t]*(?:[,;]|$)", re.ASCII)


def names_html() -> bool:
    """Return whether the client names ``text/html`` in Accept."""
    return _HTML.search(request.headers.get("Accept", "")) is not None


def is_program() -> bool:
    """Return whether the client gets errors as problem JSON.

    In families for programs, such as the API, this is true for every client.
    """
    current = family.current_family()
    return (current is not None and current.is_for_programs) or not names_html()
