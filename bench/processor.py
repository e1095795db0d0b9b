"""The processor time of an answer, of nginx and of the application behind it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench import load
from bench.processes import command_line, descendants
from bench.rounds import interleaved
from bench.throughput import KIB, Cell

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from bench.contestants import Contestant

CELL = Cell(4 * KIB, 16)
_NANOSECONDS = 1e9


@dataclass(frozen=True)
class Spent:
    """Seconds of processor time, user and kernel time together."""

    nginx: float
    others: float

    def __sub__(self, earlier: Spent) -> Spent:
        """Return the time since *earlier*."""
        return Spent(self.nginx - earlier.nginx, self.others - earlier.others)

    def __truediv__(self, number: float) -> Spent:
        """Return the time per answer of *number* answers."""
        return Spent(self.nginx / number, self.others / number)


def nginx(figures: Sequence[Spent]) -> list[float]:
    """Return nginx's part, round by round."""
    return [spent.nginx for spent in figures]


def others(figures: Sequence[Spent]) -> list[float]:
    """Return the part of the application behind nginx, round by round."""
    return [spent.others for spent in figures]


def both(figures: Sequence[Spent]) -> list[float]:
    """Return the sum, round by round."""
    return [spent.nginx + spent.others for spent in figures]


def measure(
    contestants: Sequence[Contestant], rounds: int, seconds: float
) -> dict[str, list[Spent]]:
    """Return the processor time per answer of each contestant, round by round."""

    def runner(contestant: Contestant) -> Spent:
        urls = contestant.urls(CELL.file)
        before = spent()
        measured = load.run(urls, connections=CELL.connections, seconds=seconds)
        return (spent() - before) / measured.requests

    runners = {c.name: lambda c=c: runner(c) for c in contestants}
    return interleaved(runners, rounds, "processor time")


def spent() -> Spent:
    """Return the processor time that all child processes have used so far."""
    nginx = others = 0.0
    for pid in descendants(os.getpid()):
        if command_line(pid).startswith("nginx:"):
            nginx += seconds([pid])
        else:
            others += seconds([pid])
    return Spent(nginx, others)


def seconds(pids: Iterable[int]) -> float:
    """Return the processor time that processes have used so far.

    It is that of their threads, in nanoseconds: a process's own figure is rounded to
    hundredths of a second.
    """
    threads = (t for pid in pids for t in Path(f"/proc/{pid}/task").iterdir())
    used = ((t / "schedstat").read_text().split()[0] for t in threads)
    return sum(map(int, used)) / _NANOSECONDS
