"""The checks from outside."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from gateway.doctor import addresses, answers, delivery, tls, uploads
from gateway.doctor.examination import Check
from gateway.doctor.results import Code

if TYPE_CHECKING:
    from gateway.doctor.site import Site


def checks(site: Site) -> list[Check]:
    """Return the checks of a gateway that was reached."""
    plain = partial(tls.check_plain_http, site, tls.plain_client(site.client))
    table = (
        (tls.CERTIFICATE_CODES, tls.check_certificate),
        ((Code.PUBLIC_URL,), tls.check_public_url),
        ((Code.FORWARDED_PROTO,), tls.check_forwarded_proto),
        ((Code.CLOCK,), answers.check_clock),
        ((Code.HEADERS_STRIPPED,), answers.check_headers),
        ((Code.COMPRESSED,), answers.check_compression),
        ((Code.CACHED,), answers.check_caches),
        (delivery.CODES, delivery.check),
        (addresses.CODES, addresses.check),
        ((Code.METRICS_REACHABLE,), addresses.check_metrics),
        ((Code.INTERNAL_REACHABLE,), answers.check_internal),
        ((Code.METHODS_BLOCKED,), uploads.check_methods),
        (uploads.CODES, uploads.check),
    )
    found = [Check(codes, partial(check, site)) for codes, check in table]
    return [Check((Code.PLAIN_HTTP,), plain), *found]
