"""How one value of a claim is written, and read again.

The readers raise ValueError for what no writer writes; that a text is the
canonical one, ``claims`` sees by writing it again.
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from ipaddress import IPv4Network, IPv6Network, ip_network

Network = IPv4Network | IPv6Network

_NUMBER = re.compile(r"0|[1-9][0-9]{0,15}", re.ASCII)


def read_number(text: str) -> int:
    """Read a number without leading zeros."""
    if not _NUMBER.fullmatch(text):
        raise ValueError(text)
    return int(text)


def pack(text: str) -> str:
    """Write free text in letters that a token may have."""
    return urlsafe_b64encode(text.encode()).rstrip(b"=").decode("ascii")


def unpack(text: str) -> str:
    """Read what ``pack`` writes."""
    return urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode()


def read_networks(text: str) -> tuple[Network, ...]:
    """Read the networks of a packed list."""
    return tuple(ip_network(network) for network in unpack(text).split(","))
