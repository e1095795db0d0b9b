"""Counts verdicts, whose number makes every microsecond matter.

A verdict takes 65 us in the process.  prometheus-client's counter and histogram would
add 11 us, and numbers in shared memory 2.5 us.  So each process counts in lists, which
adds 1 us, and a thread copies them to shared memory once a second: a process that is
killed loses the counts of its last second.
"""

from __future__ import annotations

import atexit
import threading
import zlib
from typing import TYPE_CHECKING, Final, NamedTuple

from gateway.http import families
from gateway.http.explanations import BUSY, BY_NAME, BY_STATUS
from gateway.http.pools import Pool

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

#: The files in the ledger's folder, by family, whose sizes are the numbers of
#: deliveries with a cached verdict, which Flask does not see
#: (``nginx/snippets/ledger.conf``).
KEPT: Final = {
    families.SIGNED.name: "kept",
    families.AUTHORIZED.name: "kept-authorized",
}
#: Families whose requests get a verdict, by name.
FAMILIES: Final = tuple(
    family.name
    for family in families.FAMILIES
    if family.pool is Pool.VERDICTS and family is not families.HEALTH
)
#: Seconds between two copies of the counts.
_EVERY: Final = 1.0
#: The number of bits of the longest duration in nanoseconds.
_BITS: Final = 63


class Outcome(NamedTuple):
    """The result of a request, and the public class of its refusal, else empty."""

    result: str
    refusal: str


DELIVER: Final = Outcome("deliver", "")
#: A counted download, about which nginx asks the app pool next.
BEGIN: Final = Outcome("begin", "")
#: A redirect to the repaired link.
REDIRECT: Final = Outcome("redirect", "")
#: The answers of the gateway's own faults.
_FAULTS: Final = frozenset({BUSY.name, BY_STATUS[500].name})


def refused(name: str) -> Outcome:
    """Return the outcome of a request that is refused with the class *name*."""
    return Outcome("fail" if name in _FAULTS else "refuse", name)


#: All outcomes but DELIVER.
_OTHERS: Final = (BEGIN, REDIRECT, *map(refused, sorted(BY_NAME)))
_NUMBERS: Final = {outcome: number for number, outcome in enumerate(_OTHERS)}
#: The cells of one family: a count for each other outcome and for each number of bits,
#: and the sum of all durations in nanoseconds.
_WIDTH: Final = len(_OTHERS) + (_BITS + 1) + 1
#: The number of cells.
CELLS: Final = _WIDTH * len(FAMILIES)
#: Identifies the meaning of each cell: after an update, an old file may have another.
LAYOUT: Final = zlib.crc32(repr((FAMILIES, _OTHERS, _BITS)).encode())


class FamilyCounts:
    """One family's verdicts of this process.

    (!) Not for several threads: two verdicts at a time may count as one.
    """

    __slots__ = ("_durations", "_others", "_sum")

    def __init__(self) -> None:
        self._others = [0] * len(_OTHERS)
        self._durations = [0] * (_BITS + 1)
        self._sum = 0

    def delivered(self, nanoseconds: int) -> None:
        """Count a delivery whose verdict took *nanoseconds*."""
        # A search for the right one of freely chosen buckets takes longer.
        self._durations[nanoseconds.bit_length()] += 1
        self._sum += nanoseconds

    def add(self, outcome: Outcome, nanoseconds: int) -> None:
        """Count a verdict that took *nanoseconds*."""
        self.delivered(nanoseconds)
        if outcome != DELIVER:
            self._others[_NUMBERS[outcome]] += 1

    def numbers(self) -> Iterator[int]:
        """Yield the counts in the order of the cells."""
        yield from self._others
        yield from self._durations
        yield self._sum


class VerdictCounts:
    """The verdicts of this process, on some *families*; ``cells`` is shared memory."""

    def __init__(self, cells: memoryview[int], families: Collection[str]) -> None:
        self.by_family = {name: FamilyCounts() for name in FAMILIES if name in families}
        self._cells = cells
        #: The counts of earlier processes.
        self._before = list(cells)

    def publish(self) -> None:
        """Copy the counts to the shared memory."""
        for name, counts in self.by_family.items():
            first = FAMILIES.index(name) * _WIDTH
            for number, count in enumerate(counts.numbers(), first):
                self._cells[number] = self._before[number] + count

    def keep_published(self) -> None:
        """Copy the counts once a second until the process ends, and then once more."""
        atexit.register(self.publish)
        threading.Thread(target=self._publish_regularly, daemon=True).start()

    def _publish_regularly(self) -> None:
        never = threading.Event()
        while not never.wait(_EVERY):
            self.publish()


class Counted(NamedTuple):
    """The verdicts on one family, of all processes.

    ``durations`` has the number of verdicts whose nanoseconds have 0, 1, 2... bits, and
    ``seconds`` the sum of all durations.
    """

    family: str
    outcomes: dict[Outcome, int]
    durations: list[int]
    seconds: float


def counted(sums: Sequence[int]) -> list[Counted]:
    """Return the counts of all families; *sums* are the cells of all processes."""
    found = []
    for number, family in enumerate(FAMILIES):
        cells = sums[number * _WIDTH : (number + 1) * _WIDTH]
        others = dict(zip(_OTHERS, cells, strict=False))
        durations = list(cells[len(_OTHERS) : -1])
        outcomes = {DELIVER: sum(durations) - sum(others.values()), **others}
        found.append(Counted(family, outcomes, durations, cells[-1] / 1e9))
    return found
