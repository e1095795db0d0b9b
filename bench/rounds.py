"""Interleaved rounds: all that is compared is measured within the same minute.

The machine is shared, and what it gives changes by the minute.  A ratio is therefore
taken within a round, and its median over the rounds is what counts; the least and the
most of them show how far that can be trusted.
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
#: Seconds in which servers notice that their clients have gone.
_QUIET = 0.1


@dataclass(frozen=True)
class Ratio:
    """The median of the rounds' ratios, with the least and the most."""

    median: float
    least: float
    most: float

    def __str__(self) -> str:
        if self.least == math.inf:
            return digits(self.least)
        return f"{digits(self.median)} ({digits(self.least)}-{digits(self.most)})"


def ratio(measured: Sequence[float], base: Sequence[float]) -> Ratio:
    """Compare two series, round by round."""
    each = [one / other for one, other in zip(measured, base, strict=True)]
    return Ratio(statistics.median(each), min(each), max(each))


def interleaved(
    contestants: Mapping[Key, Callable[[], Figure]], rounds: int, what: str
) -> dict[Key, list[Figure]]:
    """Measure each contestant once a round; return its figures, round by round.

    The order is drawn anew each round, and each has a moment of quiet before it: what
    one leaves behind is nobody's in particular.
    """
    figures: dict[Key, list[Figure]] = {key: [] for key in contestants}
    drawing = random.Random(what)  # noqa: S311 -- the same each time
    for number in range(rounds):
        say(f"{what}: round {number + 1} of {rounds}")
        for key in drawing.sample(list(contestants), len(contestants)):
            time.sleep(_QUIET)
            figures[key].append(contestants[key]())
    return figures


def digits(number: float) -> str:
    """Return a number with the digits that a noisy machine has to offer."""
    if number == math.inf:
        return "no end"
    if number >= 100:  # noqa: PLR2004
        return f"{number:,.0f}"
    return f"{number:.1f}" if number >= 10 else f"{number:.2f}"  # noqa: PLR2004


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table of Markdown; the first column is text, all others are numbers."""
    lines = [head, ["---", *["--:"] * (len(head) - 1)], *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def say(text: str) -> None:
    """Print how far it is."""
    sys.stderr.write(f"{text}\n")
