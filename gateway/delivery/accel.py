"""The only writer of ``X-Accel-*``: a Delivery becomes headers for nginx.

nginx passes on only a few headers of such an answer; the internal location
(``nginx/snippets/delivery.conf``) sets all other headers of a delivery.
For a site's own views it is that of ``nginx/snippets/internal.conf``.
https://nginx.org/en/docs/http/ngx_http_proxy_module.html#proxy_ignore_headers
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from gateway.delivery.disposition import content_disposition
from gateway.storage.content import BucketObject

if TYPE_CHECKING:
    from gateway.delivery.verdict import Delivery
    from gateway.storage.content import BucketPut, DiskFile


class Way(Enum):
    """How nginx sends a file: the value begins the names of its internal locations."""

    PLAIN = "/_"
    SMALL = "/_small_"
    """Read and written without ``sendfile``."""
    SHOWN = "/_shown_"
    """Compressed if it is text: for files that a browser shows."""
    LARGE = "/_large_"
    """Read in threads."""


#: nginx's internal location that stores a request's body
#: (``nginx/snippets/store.conf``).
STORE: Final = "@gateway_store"
#: nginx's internal location for objects in buckets (``nginx/bucket.jinja``).
OBJECT: Final = "@gateway_object"
#: Header with the URLs by which nginx requests an object.
OBJECT_URLS: Final = "X-Accel-Object"
#: Headers for the client, if there is such an object.
_OBJECTS: Final = {
    "Content-Disposition": "X-Accel-Disposition",
    "Cache-Control": "X-Accel-Cache-Control",
}
#: What precedes these URLs in a verdict that nginx may cache, instead of a path.
OBJECT_MARK: Final = "object:"
#: Headers of the answer to an unreadable request.  If it was a subrequest, nginx looks
#: at the first of the refusal's headers, the type (``nginx/conf.d/refusals.conf``).
UNFIT: Final = {
    "X-Accel-Redirect": "/_unfit",
    "X-Refusal-Headers": "unfit",
    "X-Gateway-Reason": "unreadable",
}
#: Headers of a verdict on a counted download: nginx then asks the app pool whether the
#: download may start (``nginx/snippets/begin.conf``).
BEGIN: Final = {
    "X-Accel-Redirect": "@gateway_begin",
    "X-Refusal-Headers": "begin",
}
#: Header with the text that nginx writes to the ledger (``nginx/conf.d/ledger.conf``).
LEDGER: Final = "X-Gateway-Ledger"
#: Files of at most this many bytes are sent without ``sendfile``.  nginx's time per
#: request, of the time with it: 0.87 for 4 KiB, 0.92 for 16 KiB, 1.03 for 32 KiB.
SMALL: Final = 16 * 1024
#: Files of at least this many bytes are read in threads.  For smaller files, the
#: hand-over to a thread costs more than the rest; reading one from disk is one access.
LARGE: Final = 256 * 1024


def location(way: Way, folder: str) -> str:
    """Return the path of an internal location for files in *folder*.

    Both the location and its alias end in ``/``: without it, a header could name a
    sibling folder with the same prefix.
    """
    return f"{way.value}{folder}/"


def store_headers(put: BucketPut) -> dict[str, str]:
    """Return the headers that make nginx send a request's body to a bucket."""
    return {
        "X-Accel-Redirect": STORE,
        "X-Accel-Put": put.url,
        "X-Accel-Checksum": put.checksum,
        "X-Accel-Blob": put.blob,
    }


def accel_headers(delivery: Delivery) -> dict[str, str]:
    """Return the headers that make nginx send the file.

    nginx percent-decodes the location once and cuts it at ``?``: only this function
    encodes it, and only once.
    """
    content = delivery.content
    headers = _facts(delivery)
    if isinstance(content, BucketObject):
        # nginx would keep both headers even for its page that there is no such object,
        # which a browser would then save.
        for name, renamed in _OBJECTS.items():
            headers[renamed] = headers.pop(name)
        return {"X-Accel-Redirect": OBJECT, OBJECT_URLS: _urls(content)} | headers
    target = _prefix(delivery, content) + quote(content.path)
    return {"X-Accel-Redirect": target} | headers


def verdict_headers(delivery: Delivery) -> dict[str, str]:
    """Return the headers of a verdict that nginx may cache and use without Flask.

    The target of a file on disk is not encoded, since nothing decodes it.  A ``/`` is
    appended, because nginx trims header values.  nginx caches the answer through the
    second in X-Accel-Expires.  Cache-Control is for nginx: it says how long nginx may
    use the cached answer while it asks again.  The client's Cache-Control is in
    X-Accel-Cache-Control.
    """
    content = delivery.content
    if isinstance(content, BucketObject):
        target = f"{OBJECT_MARK}{_urls(content)}"
    else:
        target = f"{_prefix(delivery, content)}{content.path}/"
    headers = _facts(delivery)
    headers["X-Accel-Cache-Control"] = headers.pop("Cache-Control")
    headers["X-Accel-Target"] = target.encode().decode("latin-1")
    if delivery.valid_until is not None and delivery.renew_from is not None:
        headers["X-Accel-Expires"] = f"@{delivery.renew_from - 1}"
        if overlap := delivery.valid_until - delivery.renew_from:
            headers["Cache-Control"] = f"stale-while-revalidate={overlap}"
    return headers


def client_headers(delivery: Delivery) -> dict[str, str]:
    """Return the headers for the client that nginx passes on."""
    return {
        "Content-Disposition": content_disposition(
            delivery.name, is_inline=delivery.is_inline
        ),
        "Cache-Control": _cache_control(delivery),
    }


def _prefix(delivery: Delivery, file: DiskFile) -> str:
    if file.size >= LARGE:
        way = Way.LARGE
    elif delivery.is_inline:
        way = Way.SHOWN
    else:
        way = Way.SMALL if file.size <= SMALL else Way.PLAIN
    return location(way, file.folder)


def _urls(content: BucketObject) -> str:
    return f"{content.get} {content.head}"


def _facts(delivery: Delivery) -> dict[str, str]:
    """Return the client's headers and the rate; nginx sets the Content-Type."""
    headers = client_headers(delivery)
    if delivery.ledger:
        headers[LEDGER] = delivery.ledger
    if delivery.rate is not None:
        headers["X-Accel-Limit-Rate"] = str(delivery.rate)
    return headers


def _cache_control(delivery: Delivery) -> str:
    """Return the client's Cache-Control; shared caches ignore its ``max-age``."""
    if not delivery.shared_max_age:
        return f"private, max-age={delivery.max_age}"
    return f"public, max-age={delivery.max_age}, s-maxage={delivery.shared_max_age}"
