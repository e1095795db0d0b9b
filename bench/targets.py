"""The gateway's performance targets, compared with a run's results."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench import booking, contestants, uploads, verdicts
from bench.processor import both, nginx
from bench.rounds import difference, ratio, table
from bench.senders import Kind
from bench.throughput import KIB, MIB

if TYPE_CHECKING:
    from bench.report import Report
    from bench.rounds import Ratio
    from bench.throughput import Result


def targets(report: Report) -> str:
    """Return the table of targets and results."""
    small = _cell(report, 4 * KIB, 16)
    big = _cell(report, 256 * MIB, 16)
    flood = report.flood[0]
    bare = report.verdicts[verdicts.BARE]
    spent = report.processor
    hot, cold = spent[contestants.HOT], spent[contestants.COLD]
    rows = [
        at_most(
            "nginx's time: hot, 4 KiB, of nginx static with JSON log",
            1.5,
            ratio(nginx(hot), nginx(spent[contestants.SAME_LOG])),
        ),
        at_most(
            "nginx's time: hot lease, 4 KiB, of a hot signed URL",
            1.05,
            ratio(nginx(spent[contestants.LEASED]), nginx(hot)),
        ),
        at_most(
            "processor time: cold, 4 KiB, of the smallest Flask view",
            1.15,
            ratio(both(cold), both(spent[contestants.ACCEL])),
        ),
        at_least("hot, 4 KiB, of nginx static", 0.6, small.ratio(contestants.HOT)),
        at_least(
            "hot, 4 KiB, of django-sendfile2",
            12,
            small.ratio(contestants.HOT, contestants.SENDFILE2),
        ),
        at_least(
            "hot, 4 KiB, of Flask send_file",
            20,
            small.ratio(contestants.HOT, contestants.SEND_FILE),
        ),
        at_least(
            "hot lease, 4 KiB, of a hot signed URL",
            0.95,
            small.ratio(contestants.LEASED, contestants.HOT),
        ),
        at_least(
            "cold, 4 KiB, of an empty Flask view",
            0.9,
            small.ratio(contestants.COLD, contestants.BARE),
        ),
        at_most(
            "a verdict in the process, of a bare view",
            2,
            ratio(report.verdicts[verdicts.VERDICT], bare),
        ),
        at_most(
            "the same by Flask, for TTL 0",
            2,
            ratio(report.verdicts[verdicts.DIRECT], bare),
        ),
        at_least("256 MiB, of nginx static", 0.95, big.ratio(contestants.HOT)),
        *(
            at_least(f"1 GiB, {result.what}, of nginx static", 0.95, result.ratio)
            for result in report.large
        ),
        at_least(
            "a large PUT, of dav that is then synced",
            1,
            ratio(report.uploads[uploads.PUT], report.uploads[uploads.SYNCED]),
        ),
        *(
            at_least(
                f"from nginx's cache of a bucket, {hit.what}: speed by nginx's time, "
                "of a file on disk",
                0.85,
                hit.speed,
            )
            for hit in report.bucket.hits
            if hit.size >= MIB
        ),
        at_most(
            "a verdict in the process on an object, more than on a file, us",
            40,
            difference(
                [seconds * 1e6 for seconds in report.verdicts[verdicts.OBJECT]],
                [seconds * 1e6 for seconds in report.verdicts[verdicts.VERDICT]],
            ),
        ),
        at_most(
            f"{report.slow[0].readers:,} slow readers: p99 of new verdicts",
            2,
            report.slow[0].ratio,
        ),
        *(
            at_most(f"{result.name}: p99 of new verdicts", 1.5, result.ratio)
            for kind, result in report.beside.items()
            if kind is not Kind.FAST
        ),
        at_most("flood: asked of gunicorn, of a client's share", 1, flood.excess),
        at_most(f"flood {flood.name}: p99 of a hot link", 2, flood.ratio),
        at_least(
            "thousands of lines booked a second, of downloads in ranges",
            20,
            report.booking[booking.RANGES].thousands,
        ),
        *(
            at_most(
                f"a verdict with {max(result.figures):,} {result.what}",
                1.1,
                result.ratios()[max(result.figures)],
            )
            for result in report.growth
        ),
    ]
    return table(["what", "target", "measured", ""], rows)


def at_least(what: str, target: float, measured: Ratio) -> list[str]:
    """Return the row of a target that is a minimum for the median."""
    met = "met" if measured.median >= target else "missed"
    return [what, f"at least {target:g}", str(measured), met]


def at_most(what: str, target: float, measured: Ratio) -> list[str]:
    """Return the row of a target that is a maximum for the median."""
    met = "met" if measured.median <= target else "missed"
    return [what, f"at most {target:g}", str(measured), met]


def _cell(report: Report, size: int, connections: int) -> Result:
    return next(
        result
        for result in report.throughput
        if (result.cell.size, result.cell.connections) == (size, connections)
    )
