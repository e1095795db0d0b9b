"""Whether a client is a person, who gets pages, or a program, which gets problem JSON.

A client that does not name ``text/html`` in Accept counts as a program: browsers name
it, ``curl`` and HTTP libraries by default do not.  nginx uses the same rule for its own
pages (``nginx/conf.d/pages.conf``).
"""

from __future__ import annotations

import re
from typing import Final

from flask import request

from gateway.web.nginx import family

#: ``text/html`` as a member of Accept (RFC 9110, 12.5.1), with any parameters.
_HTML: Final = re.compile(r"(?i)(?:^|,)[ \t]*text/html[ \t]*(?:[,;]|$)", re.ASCII)


def names_html() -> bool:
    """Return whether the client names ``text/html`` in Accept."""
    return _HTML.search(request.headers.get("Accept", "")) is not None


def is_program() -> bool:
    """Return whether the client gets errors as problem JSON.

    In families for programs, such as the API, every client does.
    """
    current = family.current_family()
    return (current is not None and current.is_for_programs) or not names_html()
