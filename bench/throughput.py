"""Every contestant, for small, middling and large files, one client or many."""

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
#: From this size on bytes are counted and not answers.
LARGE = MIB


@dataclass(frozen=True)
class Cell:
    """A size in bytes, and how many ask at a time."""

    size: int
    connections: int

    @property
    def is_large(self) -> bool:
        """Tell whether its figures are bytes a second; else they are requests."""
        return self.size >= LARGE

    @property
    def file(self) -> str:
        """The name of the file of this size."""
        return f"{size_name(self.size).replace(' ', '-')}.bin"


@dataclass(frozen=True)
class Result:
    """What each contestant did in a cell, round by round."""

    cell: Cell
    figures: dict[str, list[float]]

    def ratio(self, name: str, base: str = BASE) -> Ratio:
        """Compare two of them."""
        return ratio(self.figures[name], self.figures[base])


def size_name(size: int) -> str:
    """Return a size as people write it."""
    for unit, name in ((1 << 30, "GiB"), (MIB, "MiB"), (KIB, "KiB")):
        if size >= unit:
            return f"{size // unit} {name}"
    return f"{size} B"


def make_files(files: Path, sizes: Sequence[int]) -> None:
    """Write a file of random bytes for each size, as Cell.file names them."""
    for size in sizes:
        with (files / Cell(size, 1).file).open("wb") as file:
            for start in range(0, size, MIB):
                file.write(os.urandom(min(MIB, size - start)))


def check(contestants: Sequence[Contestant], files: Path, size: int) -> None:
    """End the benchmark unless all send the very bytes of a file."""
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
    """Measure every cell; in one with a large file who sends none is left out."""
    return [_measure(contestants, cell, rounds, seconds) for cell in cells]


def _measure(
    contestants: Sequence[Contestant], cell: Cell, rounds: int, seconds: float
) -> Result:
    def runner(contestant: Contestant) -> float:
        made = load.run(
            contestant.urls(cell.file), connections=cell.connections, seconds=seconds
        )
        return made.throughput if cell.is_large else made.rate

    taking_part = [c for c in contestants if not (cell.is_large and c.name == BARE)]
    what = f"{size_name(cell.size)}, {cell.connections} at a time"
    runners = {c.name: lambda c=c: runner(c) for c in taking_part}
    return Result(cell, interleaved(runners, rounds, what))
