"""The state of catalog and disks, read at each request for ``/metrics``."""

from __future__ import annotations

import os
import platform
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily
from prometheus_client.registry import Collector

from gateway import __version__
from gateway.catalog import census
from gateway.errors import CatalogBusyError, NoSpaceError
from gateway.metrics.counters import NAMESPACE
from gateway.web.outages import OUTAGES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from prometheus_client import Metric

    from gateway.catalog.census import Census
    from gateway.catalog.database import Database

#: The gauges with one value: the field of the census, the name and the description.
_COUNTS: Final = (
    ("stored_bytes", "stored_bytes", "Bytes of all stored uploads."),
    ("reserved_bytes", "reserved_bytes", "Bytes reserved for uploads in progress."),
    ("running_uploads", "running_uploads", "Uploads that are receiving bytes."),
    ("login_sessions", "login_sessions", "Login sessions that have not expired."),
    ("upload_sessions", "upload_sessions", "Resumable uploads that are unfinished."),
    ("open_leases", "open_leases", "Leases that can be used and have sent nothing."),
    ("downloads", "counted_downloads", "Counted downloads that are running."),
)


@dataclass(frozen=True, eq=False)
class Gauges(Collector):
    """Collects the gauges; ``clock`` returns Unix seconds.

    ``folders`` are the gateway's own folders by name.  ``quota`` is the most that all
    uploads may have together, and ``free_space`` what uploads leave free on the store's
    disk, in bytes; 0 is no limit.
    """

    database: Database
    folders: Mapping[str, Path]
    quota: int
    free_space: int
    clock: Callable[[], float]

    def collect(self) -> Iterator[Metric]:
        """Yield the gauges; if the catalog does not answer, without its own."""
        yield InfoMetricFamily(
            f"{NAMESPACE}_build",
            "The versions of the gateway and of Python.",
            {"version": __version__, "python": platform.python_version()},
        )
        yield from self._disks()
        if self.quota:
            yield _gauge("quota_bytes", "Bytes that all uploads may have.", self.quota)
        taken = self._census()
        is_up = int(taken is not None)
        yield _gauge("catalog_up", "1 if the catalog answers, else 0.", is_up)
        if taken is not None:
            for field, name, description in _COUNTS:
                yield _gauge(name, description, getattr(taken, field))
            yield from _mails(taken)

    def _census(self) -> Census | None:
        try:
            with self.database.read() as connection:
                return census.take(connection, now=int(self.clock()))
        except (CatalogBusyError, NoSpaceError) as error:
            OUTAGES.log(error)
        return None

    def _disks(self) -> Iterator[Metric]:
        size, available = (
            GaugeMetricFamily(f"{NAMESPACE}_{name}", text, labels=("folder",))
            for name, text in (
                ("disk_size_bytes", "Size of the file system with the folder."),
                ("disk_available_bytes", "Bytes that the gateway can still write."),
            )
        )
        for name, folder in self.folders.items():
            with suppress(OSError):  # the disk is not mounted
                state = os.statvfs(folder)
                size.add_metric((name,), state.f_blocks * state.f_frsize)
                available.add_metric((name,), state.f_bavail * state.f_frsize)
        yield size
        yield available
        yield _gauge(
            "disk_kept_free_bytes",
            "Bytes that uploads leave free on the disk of the store.",
            self.free_space,
        )


def _gauge(name: str, description: str, value: float) -> Metric:
    return GaugeMetricFamily(f"{NAMESPACE}_{name}", description, value)


def _mails(taken: Census) -> Iterator[Metric]:
    mails = GaugeMetricFamily(
        f"{NAMESPACE}_outbox_mails", "Mails that are not sent yet.", labels=("state",)
    )
    for state, count in taken.mails.items():
        mails.add_metric((state,), count)
    yield mails
    if taken.oldest_created is not None:
        yield _gauge(
            "outbox_oldest_created_timestamp_seconds",
            "Unix time when the oldest of these mails was written.",
            taken.oldest_created,
        )
