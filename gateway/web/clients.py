"""Whether a person asks or a program: who gets a page, and who problem JSON or bytes.

A client that does not name ``text/html`` in Accept counts as a program, as ``curl`` and
every HTTP library do unless told otherwise; browsers name it.  nginx judges its own
pages by the same rule (``nginx/conf.d/pages.conf``).
"""

from __future__ import annotations

import re
from typing import Final

from flask import request

from gateway.web.nginx import family

#: A member of Accept (RFC 9110, 12.5.1), whatever its parameters.
_HTML: Final = re.compile(r"(?i)(?:^|,)[ \t]*text/html[ \t]*(?:[,;]|$)", re.ASCII)


def names_html() -> bool:
    """Tell whether the client names ``text/html`` in Accept."""
    return _HTML.search(request.headers.get("Accept", "")) is not None


def is_program() -> bool:
    """Tell whether the client gets errors as problem JSON.

    In families for programs, such as the API, every client does.
    """
    named = family.current_family()
    return (named is not None and named.is_for_programs) or not names_html()
