"""Which bytes of a file were sent: ranges that do not touch, in order."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import Final, NamedTuple

#: Ranges that are remembered of one file, at most.
MOST: Final = 100


class Range(NamedTuple):
    """From one byte up to, and without, another one."""

    first: int
    end: int


class Ranges:
    """A set of bytes that grows; a client's many tiny ranges do not make it endless."""

    def __init__(self) -> None:
        self._ranges: list[Range] = []

    @classmethod
    def parse(cls, text: str) -> Ranges:
        """Read what ``str`` wrote."""
        ranges = cls()
        for pair in filter(None, text.split(",")):
            first, _, end = pair.partition("-")
            ranges._ranges.append(Range(int(first), int(end)))
        return ranges

    def __str__(self) -> str:
        return ",".join(f"{first}-{end}" for first, end in self._ranges)

    @property
    def bytes(self) -> int:
        """How many bytes there are."""
        return sum(end - first for first, end in self._ranges)

    def add(self, first: int, end: int) -> None:
        """Add the bytes from *first* up to *end*; past MOST the shortest range goes."""
        if first >= end:
            return
        low = bisect_left(self._ranges, first, key=lambda known: known.end)
        high = bisect_right(self._ranges, end, key=lambda known: known.first)
        if low < high:
            first = min(first, self._ranges[low].first)
            end = max(end, self._ranges[high - 1].end)
        self._ranges[low:high] = [Range(first, end)]
        if len(self._ranges) > MOST:
            self._ranges.remove(min(self._ranges, key=lambda r: r.end - r.first))

    def update(self, other: Ranges) -> None:
        """Add all bytes of another set."""
        for first, end in other._ranges:
            self.add(first, end)
