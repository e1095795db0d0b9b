"""Encode and decode single values of claims.

Decoders raise ValueError for invalid text.  To check that a text is canonical,
``claims`` encodes it again.
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from ipaddress import IPv4Network, IPv6Network, ip_network

Network = IPv4Network | IPv6Network

_NUMBER = re.compile(r"0|[1-9][0-9]{0,15}", re.ASCII)


def read_number(text: str) -> int:
    """Parse a number without leading zeros."""
    if not _NUMBER.fullmatch(text):
        raise ValueError(text)
    return int(text)


def pack(text: str) -> str:
    """Encode free text in base64url, without padding."""
    return urlsafe_b64encode(text.encode()).rstrip(b"=").decode("ascii")


def unpack(text: str) -> str:
    """Decode text that ``pack`` has encoded."""
    return urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode()


def read_networks(text: str) -> tuple[Network, ...]:
    """Decode a packed, comma-separated list of networks."""
    return tuple(ip_network(network) for network in unpack(text).split(","))
