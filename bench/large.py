"""1 GiB from the gateway and from nginx: one download, sixteen, and video seeks."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench import load
from bench.contestants import BASE, HOT
from bench.rounds import Ratio, interleaved, ratio
from bench.throughput import MIB, Cell

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bench.contestants import Contestant

SIZE = 1 << 30
#: The size of a player's range request after a seek.
RANGE = MIB
SEEKS = 4096


@dataclass(frozen=True)
class Large:
    """The kind of request, and the bytes per second of nginx and of the gateway."""

    what: str
    static: list[float]
    gateway: list[float]

    @property
    def ratio(self) -> Ratio:
        """The gateway's throughput, relative to nginx's."""
        return ratio(self.gateway, self.static)


def measure(
    contestants: Sequence[Contestant], rounds: int, seconds: float
) -> list[Large]:
    """Measure whole downloads and seeks."""
    both = [c for c in contestants if c.name in {BASE, HOT}]

    def compare(
        what: str, connections: int, requests_of: Callable[[str], list[str]]
    ) -> Large:
        def runner(contestant: Contestant) -> float:
            [url] = contestant.urls(Cell(SIZE, 1).file)
            measured = load.run(
                requests_of(url), connections=connections, seconds=seconds
            )
            return measured.throughput

        runners = {c.name: lambda c=c: runner(c) for c in both}
        figures = interleaved(runners, rounds, f"1 GiB, {what}")
        return Large(what, figures[BASE], figures[HOT])

    return [
        compare("one download", 1, _whole),
        compare("16 at a time", 16, _whole),
        compare("seeks of 1 MiB, 16 viewers", 16, seeks),
    ]


def _whole(url: str) -> list[str]:
    return [url]


def seeks(url: str, size: int = SIZE) -> list[str]:
    """Return *url* with random ranges of *size* bytes, the same ones in each run."""
    choice = random.Random(1)  # noqa: S311 -- not a secret
    starts = [choice.randrange(0, size - RANGE) for _ in range(SEEKS)]
    return [f"{url} bytes={start}-{start + RANGE - 1}" for start in starts]
