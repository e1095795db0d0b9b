"""Check whether a verified signed URL permits a request: time and client."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
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

#: Seconds that a minting host's clock may be ahead of the gateway's.  There is no
#: leeway for the expiry: an expired link must be expired everywhere.
EARLY_LEEWAY: Final = 60
_NAT64: Final = IPv6Network("64:ff9b::/96")


def check_key(link: SignedURL, *, now: float) -> None:
    """Raise BeyondKeyError for a link of a key with ``max_life``, issued after *now*.

    Otherwise the key's holder could mint links in advance, each for a later period.
    """
    restriction = link.restriction
    if (
        restriction is not None
        and restriction.max_life is not None
        and link.claims.issued > now + EARLY_LEEWAY
    ):
        raise BeyondKeyError("issued-later")


def check(claims: Claims, *, now: float, client: str) -> None:
    """Raise an error if *claims* do not permit the request.

    *now* is in Unix seconds; *client* is the address of the peer as text.  Raise
    ExpiredLinkError, EarlyLinkError or ForeignClientError.
    """
    check_time(claims, now=now)
    if claims.networks and not _is_inside(client, claims):
        raise ForeignClientError(client)


def check_time(claims: Claims, *, now: float) -> None:
    """Raise ExpiredLinkError or EarlyLinkError if the link is not valid at *now*."""
    if claims.expires is not None and now >= claims.expires:
        raise ExpiredLinkError(claims.expires)
    if claims.not_before is not None and now < claims.not_before - EARLY_LEEWAY:
        raise EarlyLinkError(claims.not_before)


def _is_inside(client: str, claims: Claims) -> bool:
    try:
        address: IPv4Address | IPv6Address = ip_address(client)
    except ValueError:  # a unix socket has no address
        return False
    address = without_translation(address)
    return any(address in network for network in claims.networks)


def without_translation(
    address: IPv4Address | IPv6Address,
) -> IPv4Address | IPv6Address:
    """Return the IPv4 address embedded in an IPv6 address, or else *address*.

    IPv4-mapped addresses (RFC 4291 section 2.5.5.2) and NAT64 addresses (RFC 6052)
    embed one.
    """
    if not isinstance(address, IPv6Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address
