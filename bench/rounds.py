"""Interleaved rounds: all contestants are measured within the same minute.

The machine is shared, and its speed changes by the minute.  A ratio is therefore taken
within a round, and the result is the median of the rounds; the minimum and the maximum
show how reliable it is.
"""

from __future__ import annotations

import math
import random
import statistics
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

Key = TypeVar("Key")
Figure = TypeVar("Figure")
#: Seconds for servers to notice that their clients have disconnected.
_QUIET = 0.1


@dataclass(frozen=True)
class Ratio:
    """The median of the rounds' ratios or differences, with minimum and maximum."""

    median: float
    least: float
    most: float

    def __str__(self) -> str:
        if self.least == math.inf:
            return digits(self.least)
        return f"{digits(self.median)} ({digits(self.least)}-{digits(self.most)})"


def ratio(measured: Sequence[float], base: Sequence[float]) -> Ratio:
    """Return the ratio of two series, compared round by round."""
    each = [one / other for one, other in zip(measured, base, strict=True)]
    return Ratio(statistics.median(each), min(each), max(each))


def difference(measured: Sequence[float], base: Sequence[float]) -> Ratio:
    """Return the difference of two series, compared round by round."""
    each = [one - other for one, other in zip(measured, base, strict=True)]
    return Ratio(statistics.median(each), min(each), max(each))


def interleaved(
    contestants: Mapping[Key, Callable[[], Figure]], rounds: int, what: str
) -> dict[Key, list[Figure]]:
    """Measure each contestant once per round; return its figures, round by round.

    The order is random in each round, with a pause before each contestant, so that no
    contestant always suffers from the after-effects of another one.
    """
    figures: dict[Key, list[Figure]] = {key: [] for key in contestants}
    drawing = random.Random(what)  # noqa: S311 -- reproducible, not secret
    for number in range(rounds):
        log_progress(f"{what}: round {number + 1} of {rounds}")
        for key in drawing.sample(list(contestants), len(contestants)):
            time.sleep(_QUIET)
            figures[key].append(contestants[key]())
    return figures


def digits(number: float) -> str:
    """Return a number with as many digits as are significant on a noisy machine."""
    if number == math.inf:
        return "no end"
    if number >= 100:  # noqa: PLR2004
        return f"{number:,.0f}"
    return f"{number:.1f}" if number >= 10 else f"{number:.2f}"  # noqa: PLR2004


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table; the first column is text, all others are numbers."""
    lines = [head, ["---", *["--:"] * (len(head) - 1)], *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def log_progress(text: str) -> None:
    """Print the progress to stderr."""
    sys.stderr.write(f"{text}\n")
