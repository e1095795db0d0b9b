"""The bytes of a file that were sent, as sorted, disjoint ranges."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import Final, NamedTuple

#: Maximum number of ranges that are stored for a file.
MAXIMUM: Final = 100


class Range(NamedTuple):
    """The bytes from ``first`` up to, but not including, ``end``."""

    first: int
    end: int


class Ranges:
    """A growing set of bytes; its size is bounded even for many tiny ranges."""

    def __init__(self) -> None:
        self._ranges: list[Range] = []

    @classmethod
    def parse(cls, text: str) -> Ranges:
        """Parse the output of ``str``."""
        ranges = cls()
        for pair in filter(None, text.split(",")):
            first, _, end = pair.partition("-")
            ranges._ranges.append(Range(int(first), int(end)))
        return ranges

    def __str__(self) -> str:
        return ",".join(f"{first}-{end}" for first, end in self._ranges)

    @property
    def bytes(self) -> int:
        """The number of bytes in the set."""
        return sum(end - first for first, end in self._ranges)

    def add(self, first: int, end: int) -> None:
        """Add the bytes from *first* up to *end*; past MAXIMUM drop the shortest."""
        if first >= end:
            return
        low = bisect_left(self._ranges, first, key=lambda known: known.end)
        high = bisect_right(self._ranges, end, key=lambda known: known.first)
        if low < high:
            first = min(first, self._ranges[low].first)
            end = max(end, self._ranges[high - 1].end)
        self._ranges[low:high] = [Range(first, end)]
        if len(self._ranges) > MAXIMUM:
            self._ranges.remove(min(self._ranges, key=lambda r: r.end - r.first))

    def update(self, other: Ranges) -> None:
        """Add all bytes of another set."""
        for first, end in other._ranges:
            self.add(first, end)
