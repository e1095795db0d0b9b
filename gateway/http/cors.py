"""CORS: which methods and headers scripts of the allowed origins may use.

There is one list for all URLs: a URL ignores headers that it does not use.
https://fetch.spec.whatwg.org/#http-cors-protocol
"""

from __future__ import annotations

from typing import Final

from gateway.http.families import FAMILIES

METHODS: Final = sorted({method for family in FAMILIES for method in family.methods})
#: Request headers, besides those that are always allowed without a preflight.
REQUEST_HEADERS: Final = (
    "Authorization",
    "Content-Digest",
    "Content-Type",
    "Idempotency-Key",
    "If-Match",
    "If-Modified-Since",
    "If-None-Match",
    "If-Range",
    "If-Unmodified-Since",
    "Range",
    "Repr-Digest",
    "Tus-Resumable",
    "Upload-Checksum",
    "Upload-Concat",
    "Upload-Defer-Length",
    "Upload-Length",
    "Upload-Metadata",
    "Upload-Offset",
    # For tus-js-client's options overridePatchMethod and addRequestId.
    "X-HTTP-Method-Override",
    "X-Request-ID",
)
#: Response headers, besides those that every script may read.
RESPONSE_HEADERS: Final = (
    "Accept-Ranges",
    "Content-Disposition",
    "Content-Encoding",
    "Content-Location",
    "Content-Range",
    "ETag",
    "Location",
    "Retry-After",
    "Tus-Checksum-Algorithm",
    "Tus-Extension",
    "Tus-Max-Size",
    "Tus-Resumable",
    "Tus-Version",
    "Upload-Concat",
    "Upload-Defer-Length",
    "Upload-Expires",
    "Upload-Length",
    "Upload-Metadata",
    "Upload-Offset",
    "WWW-Authenticate",
    "X-Request-ID",
)
