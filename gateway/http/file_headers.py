"""Headers of a file that a site's own view sends, by its nginx or by its framework.

They are those of the gateway's deliveries (``nginx/snippets/headers.conf``), without
what belongs to the gateway's origin: CORS, HSTS, tus and the request id.
"""

from __future__ import annotations

from typing import Final

HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex",
    "Cross-Origin-Resource-Policy": "same-site",
}
