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
    from collections.abc import Sequence

    from bench.contestants import Contestant

CELL = Cell(4 * KIB, 16)
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Spent:
    """Seconds of processor time, user and kernel time together."""

    nginx: float
    others: float


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
        after = spent()
        return Spent(
            (after.nginx - before.nginx) / measured.requests,
            (after.others - before.others) / measured.requests,
        )

    runners = {c.name: lambda c=c: runner(c) for c in contestants}
    return interleaved(runners, rounds, "processor time")


def spent() -> Spent:
    """Return the processor time that all child processes have used so far."""
    nginx = others = 0.0
    for pid in descendants(os.getpid()):
        # The name in brackets may contain blanks; the user and kernel ticks are the
        # twelfth and thirteenth field after it.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        seconds = sum(map(int, fields[11:13])) / _TICKS
        if command_line(pid).startswith("nginx:"):
            nginx += seconds
        else:
            others += seconds
    return Spent(nginx, others)
