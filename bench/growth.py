"""How the cost of a verdict grows with the number of revocations, files and so on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench import plenty
from bench.rounds import Ratio, interleaved, log_progress, ratio
from bench.verdicts import Site, upload_id

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

COUNTS = (1_000, 100_000, 1_000_000)
KEYS = (1, 10, 100)


@dataclass(frozen=True)
class Growth:
    """The seconds of a verdict for each count of ``what``, round by round."""

    what: str
    figures: dict[int, list[float]]

    def ratios(self) -> dict[int, Ratio]:
        """Compare each count with the smallest count."""
        least = self.figures[min(self.figures)]
        return {count: ratio(one, least) for count, one in self.figures.items()}


def measure(home: Path, rounds: int, counts: Sequence[int] = COUNTS) -> list[Growth]:
    """Measure verdicts for each kind of data and each count."""
    kinds: dict[str, tuple[Sequence[int], Callable[[Path, int], Callable[[], float]]]]
    kinds = {
        "revocations": (counts, _revocations),
        "uploads": (counts, _uploads),
        f"shares, each with {plenty.BOOKINGS} bookings": (counts, _shares),
        "files in a folder": (counts, _files),
        "keys on the ring": (KEYS, _keys),
    }
    return [
        _measure(home / str(number), what, each, make, rounds)
        for number, (what, (each, make)) in enumerate(kinds.items())
    ]


def _measure(
    home: Path,
    what: str,
    counts: Sequence[int],
    make: Callable[[Path, int], Callable[[], float]],
    rounds: int,
) -> Growth:
    contestants = {}
    for count in counts:
        log_progress(f"growth: making {count:,} {what}")
        contestants[count] = make(home / str(count), count)
    return Growth(what, interleaved(contestants, rounds, f"growth, {what}"))


def _revocations(home: Path, count: int) -> Callable[[], float]:
    site = Site(home).revoke(count)
    return site.ask(site.link())


def _uploads(home: Path, count: int) -> Callable[[], float]:
    site = Site(home).upload(count)
    middle = upload_id(count // 2)
    return site.ask(site.link(path="q3.pdf", upload=middle))


def _shares(home: Path, count: int) -> Callable[[], float]:
    site = Site(home).fill(plenty.booked, count)
    return site.ask(site.lease(plenty.lease_id(count // 2)))


def _files(home: Path, count: int) -> Callable[[], float]:
    site = Site(home).crowd(count)
    return site.ask(site.link(path=f"reports/{count // 2}.pdf"))


def _keys(home: Path, count: int) -> Callable[[], float]:
    site = Site(home, keys=count)
    return site.ask(site.link())
