"""What prometheus-client counts: requests of the app pool, uploads, housekeeping.

In multiprocess mode each process writes its own files in the metrics folder.  They are
named after its slot and not after its process id, so that the next process of the slot
continues them.
https://prometheus.github.io/client_python/multiprocess/
"""

from __future__ import annotations

import os
import struct
from typing import TYPE_CHECKING, Final, TypedDict

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, values
from prometheus_client.multiprocess import MultiProcessCollector

from gateway.http import families

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from prometheus_client import Metric

    from gateway.metrics.slots import Slot
    from gateway.metrics.verdicts import Outcome

NAMESPACE: Final = "accel_gateway"
#: The kinds of prometheus-client's files that these metrics need, and the bytes to
#: preallocate for each: more than all of its labels need.
_FILES: Final = {"counter": 1 << 18, "histogram": 1 << 17, "gauge_mostrecent": 1 << 16}
#: How files arrive, by the name of the request's family.
WAYS: Final = {
    families.UPLOADS.name: "put",
    families.FILE_FORMS.name: "post",
    families.FORM_BODIES.name: "page",
    families.DROP_BODIES.name: "drop",
    families.TUS.name: "tus",
    families.TUS_BODIES.name: "tus",
}
#: Upper bounds of the durations of requests, in seconds.
_DURATIONS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60, 600)


class _Common(TypedDict):
    namespace: str
    registry: CollectorRegistry


def share(slot: Slot) -> None:
    """Have all metrics that this process makes from now on use the files of *slot*.

    PROMETHEUS_MULTIPROC_DIR must name the slot's folder.  Raise OSError if the disk is
    full.
    """
    if slot.folder is None:
        values.ValueClass = values.MutexValue
        return
    for kind, size in _FILES.items():
        _prepare(slot.folder / f"{kind}_{slot.name}.db", size)
    values.ValueClass = values.MultiProcessValue(lambda: slot.name)  # type: ignore[no-untyped-call]


def _prepare(path: Path, size: int) -> None:
    """Preallocate a file, and empty it if a power cut has damaged it.

    (!) On a full disk, a write to a page without blocks would kill the process.
    """
    with path.open("a+b") as file:
        if not is_readable(path):
            file.truncate(0)
        os.posix_fallocate(file.fileno(), 0, size)


def is_readable(path: Path) -> bool:
    """Return whether prometheus-client can read a file of its own."""
    try:
        merge([path])
    except (OSError, ValueError, RuntimeError, struct.error):
        return False
    return True


def merge(files: Iterable[Path]) -> Iterable[Metric]:
    """Return the metrics in files of prometheus-client, summed up."""
    names = [str(file) for file in files]
    metrics: Iterable[Metric] = MultiProcessCollector.merge(names)  # type: ignore[no-untyped-call]
    return metrics


class RequestCounters:
    """Counts what the app pool answers, and the uploads among it.

    ``registry`` has the metrics of this process.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        common: _Common = {"namespace": NAMESPACE, "registry": self.registry}
        self._requests = Counter(
            "requests",
            "Requests that the app pool has answered.",
            ("family", "result", "refusal"),
            **common,
        )
        self._durations = Histogram(
            "request_duration_seconds",
            "Time in which the app pool has answered a request.",
            ("family",),
            buckets=_DURATIONS,
            **common,
        )
        self._uploads = Counter(
            "uploads",
            "Files that were stored, and uploads that were refused, have failed or "
            "were cut.",
            ("way", "outcome"),
            **common,
        )
        self._bytes = Counter(
            "upload_bytes", "Bytes of stored files.", ("way",), **common
        )
        # (!) This opens the files: a request must not fail because the folder is lost.
        #     A rate also needs the 0 before the first event.
        self._requests.labels(families.METRICS.name, "answer", "")
        self._durations.labels(families.METRICS.name)
        for way in sorted(set(WAYS.values())):
            self._bytes.labels(way)
            for outcome in ("stored", "refused", "failed", "cut"):
                self._uploads.labels(way, outcome)

    def answered(self, family: str, outcome: Outcome, seconds: float) -> None:
        """Count a request of the app pool."""
        self._requests.labels(family, *outcome).inc()
        self._durations.labels(family).observe(seconds)

    def stored(self, way: str, size: int) -> None:
        """Count a stored file of *size* bytes."""
        self._uploads.labels(way, "stored").inc()
        self._bytes.labels(way).inc(size)

    def unstored(self, way: str, outcome: str, count: int = 1) -> None:
        """Count uploads that were refused, have failed or were cut."""
        self._uploads.labels(way, outcome).inc(count)


class HousekeepingCounters:
    """Counts rounds of housekeeping, lines of the ledger, and mails.

    *now* (Unix seconds) counts as the end of a good round and of a booking: an alert
    about their age then also fires if none ever succeeds.
    """

    def __init__(self, *, now: float) -> None:
        self.registry = CollectorRegistry()
        common: _Common = {"namespace": NAMESPACE, "registry": self.registry}
        self._rounds = Counter(
            "housekeeping_rounds",
            "Rounds of housekeeping: failed if a part of the work has failed.",
            ("result",),
            **common,
        )
        self._items = Counter(
            "housekeeping_items",
            "Items that housekeeping has dealt with, by kind of work.",
            ("work",),
            **common,
        )
        self._succeeded = Gauge(
            "housekeeping_last_success_timestamp_seconds",
            "Unix time of the last round that has not failed, or of the start.",
            multiprocess_mode="mostrecent",
            **common,
        )
        self._took = Gauge(
            "housekeeping_last_duration_seconds",
            "Duration of the last round.",
            multiprocess_mode="mostrecent",
            **common,
        )
        self._lines = Counter(
            "ledger_lines", "Lines of the ledger.", ("result",), **common
        )
        self._sent = Counter(
            "ledger_sent_bytes", "Bytes of shares that nginx has sent.", **common
        )
        self._spent = Counter(
            "ledger_spent_leases", "Leases that have sent their first bytes.", **common
        )
        self._booked = Gauge(
            "ledger_last_booked_timestamp_seconds",
            "Unix time when the whole ledger was booked, or of the start.",
            multiprocess_mode="mostrecent",
            **common,
        )
        self._mails = Counter(
            "mails", "Mails whose sending has ended.", ("outcome",), **common
        )
        self._succeeded.set(now)
        self._booked.set(now)
        self._took.set(0)
        for result in ("done", "failed"):
            self._rounds.labels(result)
        for result in ("booked", "unreadable"):
            self._lines.labels(result)
        for outcome in ("accepted", "refused", "unknown", "given-up"):
            self._mails.labels(outcome)

    def round(
        self, done: Mapping[str, int], *, is_good: bool, took: float, now: float
    ) -> None:
        """Count a round that has ended *now* (Unix seconds) and *took* seconds."""
        self._rounds.labels("done" if is_good else "failed").inc()
        for work, count in done.items():
            self._items.labels(work).inc(count)
        self._took.set(took)
        if is_good:
            self._succeeded.set(now)

    def lines(self, *, booked: int, unreadable: int, sent: int, spent: int) -> None:
        """Count lines of the ledger, *sent* bytes, and newly *spent* leases."""
        self._lines.labels("booked").inc(booked)
        self._lines.labels("unreadable").inc(unreadable)
        self._sent.inc(sent)
        self._spent.inc(spent)

    def booked(self, *, now: float) -> None:
        """Note that the whole ledger is booked."""
        self._booked.set(now)

    def mail(self, outcome: str) -> None:
        """Count a mail whose sending has ended."""
        self._mails.labels(outcome).inc()
