"""Whether a genuine signed URL permits this request: time and client."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import TYPE_CHECKING, Final

from gateway.errors import (
    BeyondKeyError,
    EarlyLinkError,
    ExpiredLinkError,
    ForeignClientError,
)

if TYPE_CHECKING:
    from gateway.links.claims import Claims
    from gateway.links.signed_url import SignedURL

#: Seconds that a minting host's clock may run ahead of the gateway's.  Expiry
#: is never forgiven: a link that is over must be over everywhere.
EARLY_LEEWAY: Final = 60


def check_key(link: SignedURL, *, now: float) -> None:
    """Raise BeyondKeyError for a link that its key could not have signed by *now*.

    A key with a maximal life would else mint links for later, one after another.
    """
    restriction = link.restriction
    if (
        restriction is not None
        and restriction.max_life is not None
        and link.claims.issued > now + EARLY_LEEWAY
    ):
        raise BeyondKeyError("issued-later")


def check(claims: Claims, *, now: float, client: str) -> None:
    """Raise the reason why *claims* don't permit a request, if there is one.

    *now* in Unix seconds; *client* is the address of the peer as text.  Raise
    ExpiredLinkError, EarlyLinkError or ForeignClientError.
    """
    check_time(claims, now=now)
    if claims.networks and not _is_inside(client, claims):
        raise ForeignClientError(client)


def check_time(claims: Claims, *, now: float) -> None:
    """Raise ExpiredLinkError or EarlyLinkError if it is not the link's time."""
    if claims.expires is not None and now >= claims.expires:
        raise ExpiredLinkError(claims.expires)
    if claims.not_before is not None and now < claims.not_before - EARLY_LEEWAY:
        raise EarlyLinkError(claims.not_before)


def _is_inside(client: str, claims: Claims) -> bool:
    try:
        address: IPv4Address | IPv6Address = ip_address(client)
    except ValueError:  # a unix socket has no address
        return False
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    return any(address in network for network in claims.networks)
