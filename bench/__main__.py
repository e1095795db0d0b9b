"""Compare the gateway with its alternatives, in one run.

    make bench            writes docs/benchmarks.md and its plots; 20 to 30 minutes
    make bench QUICK=1    prints a shorter run; about six minutes

All servers listen on loopback and are stopped at the end; files are in $TMPDIR.
"""

from __future__ import annotations

import os
import resource
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from bench import (
    beside,
    booking,
    bucket,
    contestants,
    flood,
    growth,
    large,
    plots,
    processor,
    slow,
    throughput,
    uploads,
    verdicts,
)
from bench.report import Report
from bench.throughput import KIB, MIB, Cell

DOCS = Path(__file__).parents[1] / "docs"


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How much is measured: numbers of rounds, and seconds per measurement."""

    connections: tuple[int, ...]
    rounds: int
    seconds: float
    readers: int
    slow_rounds: int
    slow_seconds: float
    counts: tuple[int, ...]
    lines: int
    upload: int

    def __str__(self) -> str:
        return (
            f"{self.rounds} interleaved rounds of {self.seconds:g} s, twice that for "
            f"1 GiB and floods, {self.slow_rounds} of {self.slow_seconds:g} s for "
            f"slow readers, and {self.rounds} of {self.slow_seconds:g} s for uploads"
        )


FULL = Plan(
    connections=(1, 16, 128),
    rounds=3,
    seconds=1.2,
    readers=5000,
    slow_rounds=2,
    slow_seconds=8,
    counts=growth.COUNTS,
    lines=30_000,
    upload=large.SIZE,
)
QUICK = Plan(
    connections=(16,),
    rounds=3,
    seconds=0.3,
    readers=500,
    slow_rounds=1,
    slow_seconds=2,
    counts=(1_000, 30_000),
    lines=3_000,
    upload=256 * MIB,
)
SIZES = (4 * KIB, 256 * KIB, 256 * MIB)


def measure(plan: Plan, folder: Path) -> Report:
    """Run all benchmarks and return their results; files are written to *folder*."""
    began = time.monotonic()
    grown = growth.measure(folder / "growth", plan.rounds, plan.counts)
    booked = booking.measure(folder / "booking", plan.rounds, plan.lines)
    files = folder / "files"
    files.mkdir()
    throughput.make_files(files, (*SIZES, MIB, large.SIZE))
    cells = [Cell(size, number) for size in SIZES for number in plan.connections]
    with ExitStack() as stack:
        everyone = contestants.start_all(stack, folder, files)
        for size in SIZES:
            throughput.check(everyone, files, size)
        results = throughput.measure(everyone, cells, plan.rounds, plan.seconds)
        spent = processor.measure(everyone, 2 * plan.rounds, plan.seconds)
        large_ones = large.measure(everyone, plan.rounds, 2 * plan.seconds)
    in_bucket = bucket.measure(folder, files, plan.rounds, plan.seconds)
    sending = folder / "uploads"
    sending.mkdir()
    stored, _ = uploads.measure(sending, plan.rounds, plan.upload)
    return Report(
        throughput=results,
        processor=spent,
        large=large_ones,
        uploads=stored,
        bucket=in_bucket,
        slow=slow.measure(
            folder,
            files,
            count=plan.readers,
            rounds=plan.slow_rounds,
            seconds=plan.slow_seconds,
        ),
        beside=beside.measure(
            folder, files, rounds=plan.rounds, seconds=plan.slow_seconds
        ),
        flood=flood.measure(
            folder, files, rounds=plan.rounds, seconds=2 * plan.seconds
        ),
        verdicts=verdicts.measure(folder, plan.rounds),
        booking=booked,
        growth=grown,
        plan=str(plan),
        minutes=(time.monotonic() - began) / 60,
    )


def main() -> None:
    """Measure, then write the page or print it."""
    is_quick = bool(os.environ.get("QUICK"))
    # As in `gateway serve`; both ends of thousands of connections are on this machine.
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with tempfile.TemporaryDirectory(prefix="gw-bench-") as name:
        report = measure(QUICK if is_quick else FULL, Path(name))
    if is_quick:
        sys.stdout.write(report.tables())
        return
    (DOCS / "benchmarks.md").write_text(report.text(), "utf-8")
    plots.throughput(DOCS / "benchmarks" / "throughput.svg", report.throughput, 16)
    plots.slow(DOCS / "benchmarks" / "slow.svg", report.slow)
    plots.growth(DOCS / "benchmarks" / "growth.svg", report.growth)


if __name__ == "__main__":
    main()
