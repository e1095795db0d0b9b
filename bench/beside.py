"""What uploads cost visitors: the time of a new verdict during uploads."""

from __future__ import annotations

import itertools
import os
import time
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from bench import contestants, pulse, senders
from bench.gateway import Gateway
from bench.rounds import Ratio, interleaved, ratio
from bench.senders import Kind, Sent
from bench.slow import SHORT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from bench.pulse import Pulse

CLIENTS = 16
NAMES = {
    Kind.PACED: f"{CLIENTS} uploads of 1 MiB/s each",
    Kind.STALLED: f"{CLIENTS} stalled uploads, whose clients keep asking",
    Kind.FAST: f"{CLIENTS} uploads at full speed",
}
#: Seconds to wait until uploads are running, and until cut uploads are cleaned up.
_SETTLING = 0.5


@dataclass(frozen=True)
class Measurement:
    """The visitor's waits, the uploaders' totals, and the measured seconds."""

    visitor: Pulse
    sent: Sent
    seconds: float


@dataclass(frozen=True)
class Beside:
    """The measurements without uploads and during uploads, round by round."""

    name: str
    alone: list[Measurement]
    beside: list[Measurement]

    @property
    def ratio(self) -> Ratio:
        """The p99 during uploads, relative to the p99 without."""
        return ratio(
            [each.visitor.percentile(99) for each in self.beside],
            [each.visitor.percentile(99) for each in self.alone],
        )


def measure(
    folder: Path, files: Path, *, rounds: int, seconds: float
) -> dict[Kind, Beside]:
    """Measure a visitor who requests one new link after another."""
    # (!) Otherwise these uploads wait for what earlier rows have written, and get 503.
    os.sync()
    with ExitStack() as stack:
        server = Gateway.start(
            stack, folder / "beside", files, GATEWAY_UPLOADS_PER_USER="0"
        )
        token = server.run("tokens", "new", "admin", "--scope", "upload").strip()
        fresh = itertools.cycle(server.links(SHORT, contestants.COLD_LINKS))
        runners = {
            kind: partial(_measure, server, token, fresh, kind, seconds)
            for kind in (None, *Kind)
        }
        measurements = interleaved(runners, rounds, "beside uploads")
    return {
        kind: Beside(name, measurements[None], measurements[kind])
        for kind, name in NAMES.items()
    }


def _measure(
    server: Gateway,
    token: str,
    fresh: Iterator[str],
    kind: Kind | None,
    seconds: float,
) -> Measurement:
    if kind is None:
        return Measurement(pulse.take(fresh, seconds=seconds), Sent(), seconds)
    began = time.monotonic()
    with senders.sending(kind, server.url, token, CLIENTS) as sent:
        time.sleep(_SETTLING)
        visitor = pulse.take(fresh, seconds=seconds)
        took = time.monotonic() - began
    for blob in (server.home / "data" / "store" / "blobs").rglob("*.bin"):
        blob.unlink()
    time.sleep(_SETTLING)
    return Measurement(visitor, sent, took)
