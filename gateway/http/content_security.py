"""Content-Security-Policies: Flask and nginx send the same texts."""

from __future__ import annotations

from typing import Final

#: A page for people.
#: (!) Style and scripts come from files of ours alone.  With 'unsafe-inline' any
#: name or text that a page shows unescaped by mistake could run script.
PAGE: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
#: A page that says why a request is refused.  It carries its own style, so that it
#: shows where all else is down, and has no script.  Its form takes a damaged link.
REFUSAL: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'"
)
#: A delivery that is opened as a page: it can run nothing and load nothing, and has
#: an origin of its own.
#: (!) Loosened, an uploaded HTML page acts with the rights of everyone who opens it.
DELIVERY: Final = "sandbox; default-src 'none'"
#: A delivery that plays sound or film: the browser makes a page for it, which must be
#: allowed to load the file, as its own origin; it can still run nothing.
PLAYED_DELIVERY: Final = (
    "sandbox allow-same-origin; default-src 'none'; media-src 'self'; "
    "style-src 'unsafe-inline'"
)
