"""The only writer of ``X-Accel-*``: a Delivery becomes headers for nginx.

nginx keeps just a few headers of such an answer; everything else that a
delivery promises is set in its internal location
(``nginx/snippets/delivery.conf``).
https://nginx.org/en/docs/http/ngx_http_proxy_module.html#proxy_ignore_headers
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from gateway.delivery.disposition import content_disposition
from gateway.delivery.verdict import Source

if TYPE_CHECKING:
    from gateway.delivery.verdict import Delivery

#: The internal locations, in ``nginx/snippets/gateway.conf``.  They end in ``/`` on
#: both sides: without it a header could name a neighbour.
LOCATIONS: Final = {Source.FILES: "/_files/", Source.BLOBS: "/_blobs/"}


def accel_headers(delivery: Delivery) -> dict[str, str]:
    """Return the headers that make nginx send the file.

    nginx percent-decodes the location once and cuts it at ``?``: it is
    encoded here, once, and nowhere else.  There is no Content-Type: nginx
    gives it, by the table that the verdict was made by.
    """
    headers = {
        "X-Accel-Redirect": LOCATIONS[delivery.source] + quote(delivery.target),
        "Content-Disposition": content_disposition(
            delivery.name, is_inline=delivery.is_inline
        ),
        "Cache-Control": f"private, max-age={delivery.max_age}",
    }
    if delivery.rate is not None:
        headers["X-Accel-Limit-Rate"] = str(delivery.rate)
    return headers
