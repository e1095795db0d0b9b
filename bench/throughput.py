"""The throughput of all contestants for different file sizes and concurrency."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench import load
from bench.contestants import BARE, BASE, Contestant
from bench.rounds import Ratio, interleaved, ratio

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

KIB, MIB = 1 << 10, 1 << 20
#: From this size on, the figures are bytes per second instead of requests.
LARGE = MIB


@dataclass(frozen=True)
class Cell:
    """A file size in bytes, and the number of connections."""

    size: int
    connections: int

    @property
    def is_large(self) -> bool:
        """Return whether its figures are bytes per second instead of requests."""
        return self.size >= LARGE

    @property
    def file(self) -> str:
        """The name of the file of this size."""
        return f"{size_name(self.size).replace(' ', '-')}.bin"


@dataclass(frozen=True)
class Result:
    """The figures of each contestant in a cell, round by round."""

    cell: Cell
    figures: dict[str, list[float]]

    def ratio(self, name: str, base: str = BASE) -> Ratio:
        """Return the ratio of two contestants."""
        return ratio(self.figures[name], self.figures[base])


def size_name(size: int) -> str:
    """Return a size with its unit."""
    for unit, name in ((1 << 30, "GiB"), (MIB, "MiB"), (KIB, "KiB")):
        if size >= unit:
            return f"{size // unit} {name}"
    return f"{size} B"


def make_files(files: Path, sizes: Sequence[int]) -> None:
    """Write a file of random bytes for each size, named like Cell.file."""
    for size in sizes:
        with (files / Cell(size, 1).file).open("wb") as file:
            for start in range(0, size, MIB):
                file.write(os.urandom(min(MIB, size - start)))


def check(contestants: Sequence[Contestant], files: Path, size: int) -> None:
    """Abort the benchmark unless all contestants send the exact bytes of a file."""
    name = Cell(size, 1).file
    content = (files / name).read_bytes()
    for contestant in contestants:
        expected = b"" if contestant.name == BARE else content
        load.check(contestant.urls(name)[0], expected)


def measure(
    contestants: Sequence[Contestant],
    cells: Sequence[Cell],
    rounds: int,
    seconds: float,
) -> list[Result]:
    """Measure every cell; skip the empty Flask view, which sends no file, if large."""
    return [_measure(contestants, cell, rounds, seconds) for cell in cells]


def _measure(
    contestants: Sequence[Contestant], cell: Cell, rounds: int, seconds: float
) -> Result:
    def runner(contestant: Contestant) -> float:
        measured = load.run(
            contestant.urls(cell.file), connections=cell.connections, seconds=seconds
        )
        return measured.throughput if cell.is_large else measured.rate

    selected = [c for c in contestants if not (cell.is_large and c.name == BARE)]
    what = f"{size_name(cell.size)}, {cell.connections} at a time"
    runners = {c.name: lambda c=c: runner(c) for c in selected}
    return Result(cell, interleaved(runners, rounds, what))
