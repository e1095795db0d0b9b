"""Has a worker, or housekeeping, count in the gateway's metrics folder."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from gateway.config import environment
from gateway.http.pools import Pool
from gateway.metrics import counters
from gateway.metrics.slots import Slot

if TYPE_CHECKING:
    from gateway.config.settings import Settings

_joined: Slot | None = None


def join(current: Settings, kind: str, *, threads: int = 1) -> Slot:
    """Take a slot of *kind* for this process, which handles *threads* requests at once.

    If the folder can't be written, this process counts alone: its counts are missing in
    the metrics, and nothing else is.
    """
    global _joined  # noqa: PLW0603 -- a process has one slot
    folder = current.metrics_folder
    try:
        slot = Slot.claim(folder, kind, threads=threads)
        environment.name_metrics_folder(folder)
        if kind != Pool.VERDICTS:  # whose workers need the cells alone
            counters.share(slot)
    except OSError as error:
        sys.stderr.write(f"gateway: {kind} can't count in {folder}: {error.strerror}\n")
        sys.stderr.flush()
        slot = Slot.alone()
        counters.share(slot)
    _joined = slot
    return slot


def joined() -> Slot:
    """Return the slot of this process; without one, return a new slot of its own."""
    return _joined or Slot.alone()
