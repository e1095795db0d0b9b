"""Content-Security-Policies, which Flask and nginx share."""

from __future__ import annotations

from typing import Final

#: A page for people.
#: (!) Styles and scripts are only loaded from the gateway's own files.  With
#: 'unsafe-inline', any name or text that a page fails to escape could run script.
PAGE: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
#: A page that explains a refusal.  It has inline styles, so that it displays when
#: everything else is down, and no script.  Its form takes a damaged link.
REFUSAL: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'"
)
#: A delivered file that is opened as a page: it can't run scripts or load anything, and
#: has an opaque origin.
#: (!) If this is loosened, an uploaded HTML page acts with the rights of everyone who
#: opens it.
DELIVERY: Final = "sandbox; default-src 'none'"
#: A delivered audio or video file: the browser creates a page for it, which must be
#: allowed to load the file from its own origin; it still can't run scripts.
PLAYED_DELIVERY: Final = (
    "sandbox allow-same-origin; default-src 'none'; media-src 'self'; "
    "style-src 'unsafe-inline'"
)


def of_delivery(media_type: str) -> str:
    """Return the policy of a delivered file, as ``nginx/conf.d/delivery.conf`` does."""
    is_played = media_type.startswith(("audio/", "video/"))
    return PLAYED_DELIVERY if is_played else DELIVERY
