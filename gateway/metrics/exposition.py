"""The text of ``/metrics``: what all processes of this gateway have counted.

https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
)
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.registry import Collector

from gateway.http import families
from gateway.http.pools import Pool
from gateway.metrics import queues, slots, verdicts
from gateway.metrics.counters import NAMESPACE, is_readable, merge
from gateway.metrics.verdicts import DELIVER, Counted, refused

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from prometheus_client import Metric

    from gateway.metrics.slots import Reading, Slot
    from gateway.metrics.verdicts import VerdictCounts

CONTENT_TYPE: Final = CONTENT_TYPE_PLAIN_0_0_4
#: The bits of the buckets' bounds in nanoseconds: 66 us, 131 us, ... 4.3 s.
_BUCKETS: Final = range(16, 33)
#: Outcomes that are always shown: a rate needs the 0 before the first.
_ALWAYS: Final = (DELIVER, refused("busy"), refused("internal-error"))


@dataclass(frozen=True, eq=False)
class Exposition(Collector):
    """Collects the counts of all processes in the folder of ``slot``.

    ``counts`` and ``registry`` have the counts of this process; with a folder, those of
    all processes are read from their files instead.  ``sockets`` are the paths of the
    pools' sockets, and ``ledger`` is the folder of the ledger.
    """

    slot: Slot
    counts: VerdictCounts
    registry: CollectorRegistry
    sockets: Mapping[Pool, Path]
    ledger: Path

    def text(self, *others: Collector) -> bytes:
        """Return the text, with the metrics of *others*."""
        registry = CollectorRegistry(auto_describe=False)
        for collector in (self, *others):
            registry.register(collector)
        return generate_latest(registry)

    def collect(self) -> Iterator[Metric]:
        """Yield all metrics of the processes."""
        if self.slot.folder is None:
            self.counts.publish()
            yield from self._verdicts([self.slot.verdicts], kept_leases=0)
            yield from self.registry.collect()
            return
        read = slots.read(self.slot.folder)
        yield from self._verdicts(
            [each.verdicts for each in read], kept_leases=sum(e.kept for e in read)
        )
        yield from _workers(read)
        yield from self._waiting()
        yield from _merged(sorted(self.slot.folder.glob("*.db")))

    def _verdicts(
        self, cells: Sequence[Sequence[int]], *, kept_leases: int
    ) -> Iterator[Metric]:
        sums = [sum(column) for column in zip(*cells, strict=True)]
        counted = verdicts.counted(sums) if sums else []
        total = CounterMetricFamily(
            f"{NAMESPACE}_verdicts",
            "Verdicts on deliveries, asked of Flask or kept by nginx.",
            labels=("family", "result", "refusal", "source"),
        )
        durations = HistogramMetricFamily(
            f"{NAMESPACE}_verdict_duration_seconds",
            "Time that a worker takes for a verdict, without gunicorn's part.",
            labels=("family",),
        )
        for each in counted:
            for outcome, count in each.outcomes.items():
                if count or outcome in _ALWAYS:
                    total.add_metric((each.family, *outcome, "asked"), count)
            durations.add_metric((each.family,), _buckets(each), each.seconds)
        kept = {family: self._size(name) for family, name in verdicts.KEPT.items()}
        for family, count in (kept | {families.LEASED.name: kept_leases}).items():
            total.add_metric((family, *DELIVER, "kept"), count)
        yield total
        yield durations

    def _size(self, name: str) -> int:
        """Return the size of a file in the ledger's folder; 0 if it does not exist."""
        try:
            return (self.ledger / name).stat().st_size
        except FileNotFoundError:
            return 0

    def _waiting(self) -> Iterator[Metric]:
        waiting = GaugeMetricFamily(
            f"{NAMESPACE}_waiting_connections",
            "Connections of nginx that no worker of the pool has accepted yet.",
            labels=("pool",),
        )
        for pool, count in queues.lengths(self.sockets).items():
            waiting.add_metric((pool,), count)
        yield waiting


def _buckets(counted: Counted) -> list[tuple[str, float]]:
    """Return the cumulated counts of a histogram's buckets."""
    buckets = [
        (str(2**bits / 1e9), float(sum(counted.durations[: bits + 1])))
        for bits in _BUCKETS
    ]
    return [*buckets, ("+Inf", float(sum(counted.durations)))]


def _workers(read: Iterable[Reading]) -> Iterator[Metric]:
    processes = GaugeMetricFamily(
        f"{NAMESPACE}_workers", "Worker processes of the pool.", labels=("pool",)
    )
    threads = GaugeMetricFamily(
        f"{NAMESPACE}_worker_threads",
        "Threads of the pool's workers: busy with a request, or waiting for one.",
        labels=("pool", "state"),
    )
    for pool in Pool:
        live = [each for each in read if each.kind == pool and each.is_held]
        busy = sum(each.busy for each in live)
        processes.add_metric((pool,), len(live))
        threads.add_metric((pool, "busy"), busy)
        threads.add_metric((pool, "waiting"), sum(e.threads for e in live) - busy)
    yield processes
    yield threads


def _merged(files: Sequence[Path]) -> Iterable[Metric]:
    """Return the sums of prometheus-client's files, without unreadable ones.

    A file is unreadable if its process was killed while it made the file.
    """
    return merge(file for file in files if is_readable(file))
