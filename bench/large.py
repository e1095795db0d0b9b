"""1 GiB through the gateway and from nginx alone: one, sixteen, and a video's seeks."""

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
#: What a player asks for after a seek.
PIECE = MIB
SEEKS = 4096


@dataclass(frozen=True)
class Large:
    """What was asked, the bytes a second of both, and the gateway's share."""

    what: str
    static: list[float]
    gateway: list[float]

    @property
    def ratio(self) -> Ratio:
        """The gateway's throughput relative to nginx's."""
        return ratio(self.gateway, self.static)


def measure(
    contestants: Sequence[Contestant], rounds: int, seconds: float
) -> list[Large]:
    """Measure whole downloads and seeks."""
    both = [c for c in contestants if c.name in {BASE, HOT}]

    def compare(
        what: str, connections: int, asked: Callable[[str], list[str]]
    ) -> Large:
        def runner(contestant: Contestant) -> float:
            [url] = contestant.urls(Cell(SIZE, 1).file)
            made = load.run(asked(url), connections=connections, seconds=seconds)
            return made.throughput

        runners = {c.name: lambda c=c: runner(c) for c in both}
        figures = interleaved(runners, rounds, f"1 GiB, {what}")
        return Large(what, figures[BASE], figures[HOT])

    return [
        compare("one download", 1, _whole),
        compare("16 at a time", 16, _whole),
        compare("seeks of 1 MiB, 16 viewers", 16, _seeks),
    ]


def _whole(url: str) -> list[str]:
    return [url]


def _seeks(url: str) -> list[str]:
    """Return *url* with one Range after the other, the same ones each time."""
    choice = random.Random(1)  # noqa: S311 -- no secret
    starts = [choice.randrange(0, SIZE - PIECE) for _ in range(SEEKS)]
    return [f"{url} bytes={start}-{start + PIECE - 1}" for start in starts]
