"""The only writer of ``X-Accel-*``: a Delivery becomes headers for nginx.

nginx keeps just a few headers of such an answer; everything else that a
delivery promises is set in its internal location
(``nginx/snippets/delivery.conf``).
https://nginx.org/en/docs/http/ngx_http_proxy_module.html#proxy_ignore_headers
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from gateway.delivery.disposition import content_disposition
from gateway.delivery.verdict import Source

if TYPE_CHECKING:
    from gateway.delivery.verdict import Delivery


class Way(Enum):
    """How nginx sends a file."""

    PLAIN = "plain"
    SHOWN = "shown"
    """Compressed if it is text: for what a browser shows at once."""
    LARGE = "large"
    """Read in threads."""


#: nginx's internal locations.  They end in ``/`` on both sides: without it a header
#: could name a neighbour.
LOCATIONS: Final = {
    (Source.FILES, Way.PLAIN): "/_files/",
    (Source.FILES, Way.SHOWN): "/_shown_files/",
    (Source.FILES, Way.LARGE): "/_large_files/",
    (Source.BLOBS, Way.PLAIN): "/_blobs/",
    (Source.BLOBS, Way.SHOWN): "/_shown_blobs/",
    (Source.BLOBS, Way.LARGE): "/_large_blobs/",
}
#: What answers a request that can't be read.  Where nginx asks beside a request, it
#: goes by the type, the first of the headers (``nginx/conf.d/refusals.conf``).
UNFIT: Final = {
    "X-Accel-Redirect": "/_unfit",
    "X-Refusal-Headers": "unfit",
    "X-Gateway-Reason": "unreadable",
}
#: What a verdict answers where the application has to be asked first whether the
#: download may begin (``nginx/snippets/begin.conf``).
BEGIN: Final = {
    "X-Accel-Redirect": "@gateway_begin",
    "X-Refusal-Headers": "begin",
}
#: What nginx is to write into the ledger (``nginx/conf.d/ledger.conf``).
LEDGER: Final = "X-Gateway-Ledger"
#: Bytes from which a file is read in threads.  For a smaller one the hand-over costs
#: more than all else; should it have to come from a disk, that is one access.
LARGE: Final = 256 * 1024


def accel_headers(delivery: Delivery) -> dict[str, str]:
    """Return the headers that make nginx send the file.

    nginx percent-decodes the location once and cuts it at ``?``: it is
    encoded here, once, and nowhere else.
    """
    location = _prefix(delivery) + quote(delivery.target)
    return {"X-Accel-Redirect": location, **_facts(delivery)}


def verdict_headers(delivery: Delivery) -> dict[str, str]:
    """Return the headers of a verdict that nginx may keep, and acts on by itself.

    The target is not encoded, since nothing decodes it; as nginx trims a header,
    a ``/`` stands behind it.  nginx keeps an answer through the second that
    X-Accel-Expires names, and while it asks anew for as long as Cache-Control says,
    which here is nginx's own: the client's travels beside it.
    """
    target = f"{_prefix(delivery)}{delivery.target}/"
    headers = _facts(delivery)
    headers["X-Accel-Cache-Control"] = headers.pop("Cache-Control")
    headers["X-Accel-Target"] = target.encode().decode("latin-1")
    if delivery.stands_until is not None and delivery.renew_from is not None:
        headers["X-Accel-Expires"] = f"@{delivery.renew_from - 1}"
        if overlap := delivery.stands_until - delivery.renew_from:
            headers["Cache-Control"] = f"stale-while-revalidate={overlap}"
    return headers


def _prefix(delivery: Delivery) -> str:
    way = Way.SHOWN if delivery.is_inline else Way.PLAIN
    return LOCATIONS[delivery.source, Way.LARGE if delivery.size >= LARGE else way]


def _facts(delivery: Delivery) -> dict[str, str]:
    """Return what the client is told, and how fast; the type is nginx's to tell."""
    headers = {
        "Content-Disposition": content_disposition(
            delivery.name, is_inline=delivery.is_inline
        ),
        "Cache-Control": f"private, max-age={delivery.max_age}",
    }
    if delivery.ledger:
        headers[LEDGER] = delivery.ledger
    if delivery.rate is not None:
        headers["X-Accel-Limit-Rate"] = str(delivery.rate)
    return headers
