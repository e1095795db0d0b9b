"""Write the results as the page docs/benchmarks.md."""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING

from bench import contestants as who
from bench import machine, verdicts
from bench.rounds import digits, ratio, table
from bench.targets import targets
from bench.throughput import MIB, size_name

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from bench.beside import Beside
    from bench.booking import Booked
    from bench.flood import Flood
    from bench.growth import Growth
    from bench.large import Large
    from bench.processor import Spent
    from bench.pulse import Pulse
    from bench.senders import Kind
    from bench.slow import Slow
    from bench.throughput import Cell, Result

TEMPLATE = Path(__file__).with_name("report.md")
_MS = 1000


@dataclass(frozen=True)
class Report:
    """All results of one run, and its duration."""

    throughput: list[Result]
    processor: dict[str, list[Spent]]
    large: list[Large]
    slow: list[Slow]
    beside: dict[Kind, Beside]
    flood: list[Flood]
    verdicts: dict[str, list[float]]
    booking: dict[str, Booked]
    growth: list[Growth]
    plan: str
    minutes: float

    def text(self) -> str:
        """Return the page: the tables, with explanations for the full plan."""
        template = Template(TEMPLATE.read_text("utf-8"))
        return template.substitute(
            self._tables(),
            plan=self.plan,
            minutes=f"{self.minutes:.0f}",
            machine=machine.machine(),
            versions=machine.versions(),
            workers=str(who.workers()),
        )

    def tables(self) -> str:
        """Return the tables without explanations."""
        text = "\n".join(self._tables().values())
        return f"{text}\n{self.plan}; {self.minutes:.1f} minutes in all\n"

    def _tables(self) -> dict[str, str]:
        return {
            "targets": targets(self),
            "throughput": _throughput(self.throughput),
            "processor": _processor(self.processor),
            "large": _large(self.large),
            "verdicts": _verdicts(self.verdicts),
            "slow": _slow(self.slow),
            "beside": _beside(self.beside),
            "flood": _flood(self.flood),
            "booking": _booking(self.booking),
            "growth": _growth(self.growth),
        }


def _throughput(results: Sequence[Result]) -> str:
    text = ""
    for size in dict.fromkeys(result.cell.size for result in results):
        cells = [result for result in results if result.cell.size == size]
        unit = "MiB/s" if cells[0].cell.is_large else "requests/s"
        text += f"### {size_name(size)}\n\n"
        head = [f"{unit}, and of nginx static"]
        for one in cells:
            number = one.cell.connections
            head += [f"{number} at a time", "ratio"]
        rows = [
            [
                name,
                *(
                    shown
                    for one in cells
                    for shown in (_figure(one, name), str(one.ratio(name)))
                ),
            ]
            for name in cells[0].figures
        ]
        text += f"{table(head, rows)}\n"
    return text.rstrip("\n")


def _figure(result: Result, name: str) -> str:
    middle = statistics.median(result.figures[name])
    return digits(_shown(result.cell, middle))


def _shown(cell: Cell, figure: float) -> float:
    return figure / MIB if cell.is_large else figure


def _processor(figures: dict[str, list[Spent]]) -> str:
    bare = [spent.all for spent in figures[who.BARE]]
    rows = [
        [
            name,
            *(
                digits(statistics.median(each) * 1e6)
                for each in (
                    [spent.nginx for spent in one],
                    [spent.others for spent in one],
                    [spent.all for spent in one],
                )
            ),
            str(ratio([spent.all for spent in one], bare)),
        ]
        for name, one in figures.items()
    ]
    what = "4 KiB, us of processor time"
    return table([what, "nginx", "others", "both", "of an empty view"], rows)


def _large(results: Sequence[Large]) -> str:
    rows = [
        [
            one.what,
            digits(statistics.median(one.static) / MIB),
            digits(statistics.median(one.gateway) / MIB),
            str(one.ratio),
        ]
        for one in results
    ]
    return table(["1 GiB, MiB/s", "nginx static", "gateway, hot", "ratio"], rows)


def _slow(results: Sequence[Slow]) -> str:
    head = [
        *("who", "readers served", "p50 alone", "p99 alone", "p50 beside"),
        *("p99 beside", "p99, ratio", "unanswered"),
    ]
    rows = [
        [
            one.name,
            f"{min(one.begun):,} of {one.readers:,}",
            *(_percentile(one.alone, percent) for percent in (50, 99)),
            *(_percentile(one.beside, percent) for percent in (50, 99)),
            str(one.ratio),
            f"{_lost(one.beside)} of {sum(taken.asked for taken in one.beside)}",
        ]
        for one in results
    ]
    cost = [
        [
            one.name,
            f"{one.descriptors:,}",
            digits(one.memory / MIB),
            digits(one.kernel / MIB),
        ]
        for one in results
    ]
    what = [
        *("what the readers took", "descriptors of a process", "MiB of processes"),
        "MiB of sockets",
    ]
    return f"{table(head, rows)}\n{table(what, cost)}"


def _percentile(pulses: Sequence[Pulse], percent: int) -> str:
    return _wait(statistics.median(taken.percentile(percent) for taken in pulses))


def _wait(seconds: float) -> str:
    return digits(seconds) if seconds == math.inf else f"{digits(seconds * _MS)} ms"


def _lost(pulses: Sequence[Pulse]) -> int:
    return sum(taken.unanswered for taken in pulses)


def _beside(results: Mapping[Kind, Beside]) -> str:
    head = [
        *("beside", "stored, MiB/s", "asked/s", "p50 alone", "p99 alone"),
        *("p50 beside", "p99 beside", "p99, ratio"),
    ]
    rows = [
        [
            one.name,
            digits(statistics.median(m.sent.bytes / MIB / m.seconds for m in met)),
            digits(statistics.median(m.sent.asked / m.seconds for m in met)),
            *(_percentile([m.visitor for m in one.alone], p) for p in (50, 99)),
            *(_percentile([m.visitor for m in met], p) for p in (50, 99)),
            str(one.ratio),
        ]
        for one in results.values()
        for met in [one.beside]
    ]
    return table(head, rows)


def _flood(results: Sequence[Flood]) -> str:
    head = [
        *("flood", "sent/s", "asked of gunicorn/s", "p50 alone", "p99 alone"),
        *("p50 beside", "p99 beside", "p99, ratio"),
    ]
    rows = []
    for one in results:
        without = [met.visitors for met in one.without]
        beside = [met.visitors for met in one.met]
        rows.append(
            [
                one.name,
                digits(statistics.median(met.sent for met in one.met)),
                digits(statistics.median(met.asked for met in one.met)),
                *(_percentile(without, percent) for percent in (50, 99)),
                *(_percentile(beside, percent) for percent in (50, 99)),
                str(one.ratio),
            ]
        )
    return table(head, rows)


def _verdicts(figures: dict[str, list[float]]) -> str:
    bare = figures[verdicts.BARE]
    rows = [
        [name, digits(statistics.median(one) * 1e6), str(ratio(one, bare))]
        for name, one in figures.items()
    ]
    return table(["step", "us", "of a bare view"], rows)


def _booking(results: Mapping[str, Booked]) -> str:
    rows = [
        [
            name,
            digits(statistics.median(one.clock) * 1e6),
            digits(statistics.median(one.processor) * 1e6),
            str(one.thousands),
        ]
        for name, one in results.items()
    ]
    head = ["a line of", "us", "of processor time", "thousands a second"]
    return table(head, rows)


def _growth(results: Sequence[Growth]) -> str:
    shown: Callable[[float], str] = lambda seconds: digits(seconds * 1e6)  # noqa: E731
    rows = [
        [
            one.what,
            f"{count:,}",
            shown(statistics.median(one.figures[count])),
            str(relative),
        ]
        for one in results
        for count, relative in one.ratios().items()
    ]
    return table(["there are", "how many", "us", "ratio"], rows)
