"""Write the results as the page docs/benchmarks.md."""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING

from bench import contestants, machine, uploads, verdicts
from bench.processor import both, nginx, others
from bench.rounds import digits, ratio, table
from bench.targets import targets
from bench.throughput import MIB, size_name

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from bench.beside import Beside
    from bench.booking import Booked
    from bench.bucket import Buckets, Cost, Hit, Transfer
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
    uploads: dict[str, list[float]]
    bucket: Buckets
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
            workers=str(contestants.workers()),
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
            "uploads": _uploads(self.uploads),
            "hits": _hits(self.bucket.hits),
            "first": _transfers(self.bucket.first),
            "stored": _transfers(self.bucket.stored),
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
        for result in cells:
            number = result.cell.connections
            head += [f"{number} at a time", "ratio"]
        rows = [
            [
                name,
                *(
                    shown
                    for result in cells
                    for shown in (_figure(result, name), str(result.ratio(name)))
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
    static, bare = figures[contestants.SAME_LOG], figures[contestants.BARE]
    rows = [
        [
            name,
            *(
                digits(statistics.median(each) * 1e6)
                for each in (nginx(result), others(result), both(result))
            ),
            str(ratio(nginx(result), nginx(static))),
            str(ratio(both(result), both(bare))),
        ]
        for name, result in figures.items()
    ]
    head = [
        *("4 KiB, us of processor time", "nginx", "others", "both"),
        *("nginx, of static with JSON log", "both, of an empty view"),
    ]
    return table(head, rows)


def _uploads(speeds: Mapping[str, list[float]]) -> str:
    rows = [
        [
            name,
            digits(statistics.median(result)),
            str(ratio(result, speeds[uploads.SYNCED])),
        ]
        for name, result in speeds.items()
    ]
    return table(["upload", "MiB/s", f"of {uploads.SYNCED}"], rows)


def _large(results: Sequence[Large]) -> str:
    rows = [
        [
            result.what,
            digits(statistics.median(result.static) / MIB),
            digits(statistics.median(result.gateway) / MIB),
            str(result.ratio),
        ]
        for result in results
    ]
    return table(["1 GiB, MiB/s", "nginx static", "gateway, hot", "ratio"], rows)


def _hits(results: Sequence[Hit]) -> str:
    head = [
        *("us of processor time", "nginx, file", "nginx, object", "speed, ratio"),
        *("gunicorn, file", "gunicorn, object"),
    ]
    rows = [
        [
            result.what,
            *(_microseconds(nginx(each)) for each in (result.file, result.object)),
            str(result.speed),
            *(_microseconds(others(each)) for each in (result.file, result.object)),
        ]
        for result in results
    ]
    return table(head, rows)


def _microseconds(seconds: Sequence[float]) -> str:
    return digits(statistics.median(seconds) * 1e6)


def _transfers(results: Sequence[Transfer]) -> str:
    """Return the table, with ratios to the cost of the first contestant."""
    head = [
        *("a file", "by", "ms", "ratio", "ms of processor time: client"),
        *("nginx and gunicorn", "both, ratio", "bucket's server"),
    ]
    parts: tuple[Callable[[Cost], float], ...] = (
        lambda cost: cost.client,
        lambda cost: cost.between,
        lambda cost: cost.server,
    )
    rows = []
    for result in results:
        base = next(iter(result.costs.values()))
        for name, costs in result.costs.items():
            client, between, server = (
                digits(statistics.median(map(part, costs)) * _MS) for part in parts
            )
            clock = [cost.clock for cost in costs]
            rows.append(
                [
                    result.what,
                    name,
                    digits(statistics.median(clock) * _MS),
                    str(ratio(clock, [cost.clock for cost in base])),
                    client,
                    between,
                    str(ratio([c.ours for c in costs], [c.ours for c in base])),
                    server,
                ]
            )
    return table(head, rows)


def _slow(results: Sequence[Slow]) -> str:
    head = [
        *("who", "readers served", "p50 alone", "p99 alone", "p50 beside"),
        *("p99 beside", "p99, ratio", "unanswered"),
    ]
    rows = [
        [
            result.name,
            f"{min(result.begun):,} of {result.readers:,}",
            *(_percentile(result.alone, percent) for percent in (50, 99)),
            *(_percentile(result.beside, percent) for percent in (50, 99)),
            str(result.ratio),
            f"{_lost(result.beside)} of {sum(each.requests for each in result.beside)}",
        ]
        for result in results
    ]
    cost = [
        [
            result.name,
            f"{result.descriptors:,}",
            digits(result.memory / MIB),
            digits(result.kernel / MIB),
        ]
        for result in results
    ]
    what = [
        *("what the readers took", "descriptors of a process", "MiB of processes"),
        "MiB of sockets",
    ]
    return f"{table(head, rows)}\n{table(what, cost)}"


def _percentile(pulses: Sequence[Pulse], percent: int) -> str:
    return _wait(statistics.median(each.percentile(percent) for each in pulses))


def _wait(seconds: float) -> str:
    return digits(seconds) if seconds == math.inf else f"{digits(seconds * _MS)} ms"


def _lost(pulses: Sequence[Pulse]) -> int:
    return sum(each.unanswered for each in pulses)


def _beside(results: Mapping[Kind, Beside]) -> str:
    head = [
        *("beside", "stored, MiB/s", "asked/s", "p50 alone", "p99 alone"),
        *("p50 beside", "p99 beside", "p99, ratio"),
    ]
    rows = [
        [
            result.name,
            digits(statistics.median(m.sent.bytes / MIB / m.seconds for m in during)),
            digits(statistics.median(m.sent.offsets / m.seconds for m in during)),
            *(_percentile([m.visitor for m in result.alone], p) for p in (50, 99)),
            *(_percentile([m.visitor for m in during], p) for p in (50, 99)),
            str(result.ratio),
        ]
        for result in results.values()
        for during in [result.beside]
    ]
    return table(head, rows)


def _flood(results: Sequence[Flood]) -> str:
    head = [
        *("flood", "sent/s", "asked of gunicorn/s", "p50 alone", "p99 alone"),
        *("p50 beside", "p99 beside", "p99, ratio"),
    ]
    rows = []
    for result in results:
        without = [each.visitors for each in result.without]
        beside = [each.visitors for each in result.during]
        rows.append(
            [
                result.name,
                digits(statistics.median(each.sent for each in result.during)),
                digits(statistics.median(each.passed_on for each in result.during)),
                *(_percentile(without, percent) for percent in (50, 99)),
                *(_percentile(beside, percent) for percent in (50, 99)),
                str(result.ratio),
            ]
        )
    return table(head, rows)


def _verdicts(figures: dict[str, list[float]]) -> str:
    bare = figures[verdicts.BARE]
    rows = [
        [name, digits(statistics.median(result) * 1e6), str(ratio(result, bare))]
        for name, result in figures.items()
    ]
    return table(["step", "us", "of a bare view"], rows)


def _booking(results: Mapping[str, Booked]) -> str:
    rows = [
        [
            name,
            digits(statistics.median(result.clock) * 1e6),
            digits(statistics.median(result.processor) * 1e6),
            str(result.thousands),
        ]
        for name, result in results.items()
    ]
    head = ["a line of", "us", "of processor time", "thousands a second"]
    return table(head, rows)


def _growth(results: Sequence[Growth]) -> str:
    shown: Callable[[float], str] = lambda seconds: digits(seconds * 1e6)  # noqa: E731
    rows = [
        [
            result.what,
            f"{count:,}",
            shown(statistics.median(result.figures[count])),
            str(relative),
        ]
        for result in results
        for count, relative in result.ratios().items()
    ]
    return table(["there are", "how many", "us", "ratio"], rows)
