"""Sizes and durations as people write them: ``10G``, ``7d``."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Final

#: The maximum of a column in the catalog and of a size in nginx, in bytes.
MAXIMUM_SIZE: Final = 2**63 - 1
_BYTES: Final = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}
_SIZE: Final = re.compile(r"([0-9]{1,15})([KMGT]?)(?:i?B)?", re.ASCII | re.IGNORECASE)
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_DURATION: Final = re.compile(r"(?:[0-9]{1,9}[smhdw])+", re.ASCII)
_PART: Final = re.compile(r"([0-9]{1,9})([smhdw])", re.ASCII)


def is_size(text: str) -> bool:
    """Return whether *text* has the form of a size."""
    return _SIZE.fullmatch(text) is not None


def size(text: str) -> int:
    """Return the number of bytes in *text*: ``1000``, ``500M``, ``1GiB``.

    The units are powers of 1024.  Raise ValueError for any other text, and for
    more than MAXIMUM_SIZE.
    """
    match = _SIZE.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not a size like 500M or 1G")
    count = int(match[1]) * _BYTES[match[2].upper()]
    if count > MAXIMUM_SIZE:
        raise ValueError(f"{text!r} is more than the maximum, 2^63 - 1 bytes")
    return count


def is_duration(text: str) -> bool:
    """Return whether *text* has the form of a duration."""
    return _DURATION.fullmatch(text) is not None


def duration(text: str) -> timedelta:
    """Return the duration in *text*: ``45s``, ``7d``, ``1h30m``.

    Raise ValueError for any other text, and for more than a timedelta can hold.
    """
    if not is_duration(text):
        raise ValueError(f"{text!r} is not a duration like 45s, 90m, 12h, 7d")
    parts = _PART.findall(text)
    try:
        return timedelta(seconds=sum(int(n) * _SECONDS[unit] for n, unit in parts))
    except OverflowError:
        raise ValueError(f"{text!r} is too long") from None
