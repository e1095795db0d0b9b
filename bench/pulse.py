"""A visitor that sends one request after another and measures each wait."""

from __future__ import annotations

import http.client
import itertools
import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


@dataclass(frozen=True)
class Pulse:
    """The seconds of each answer, and the number of unanswered requests."""

    waits: list[float]
    unanswered: int = 0

    def percentile(self, percent: int) -> float:
        """Return the wait that *percent* of the requests did not exceed, in seconds."""
        if self.unanswered * 100 > (100 - percent) * self.requests:
            return math.inf
        return sorted(self.waits)[math.ceil(self.requests * percent / 100) - 1]

    @property
    def requests(self) -> int:
        """The number of requests."""
        return len(self.waits) + self.unanswered


def take(
    urls: Iterator[str],
    *,
    seconds: float,
    pause: float = 0.005,
    patience: float = 5,
    sources: Sequence[str] = ("127.0.0.1",),
) -> Pulse:
    """Request *urls* in turn for *seconds*, from the addresses *sources* in turn.

    Wait *pause* seconds after each request.  Each request uses a new connection, like
    that of a new visitor; without an answer in *patience* seconds it is unanswered.
    """
    waits: list[float] = []
    unanswered = 0
    places = itertools.cycle(sources)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        parts = urlsplit(next(urls))
        peer = http.client.HTTPConnection(
            parts.hostname or "",
            parts.port,
            timeout=patience,
            source_address=(next(places), 0),
        )
        began = time.perf_counter()
        try:
            peer.request("GET", parts.path)
            answer = peer.getresponse()
            answer.read()
        except (OSError, http.client.HTTPException):
            unanswered += 1
        else:
            waits.append(time.perf_counter() - began)
            if answer.status != http.client.OK:
                raise SystemExit(f"{parts.path}: {answer.status}")
        finally:
            peer.close()
        time.sleep(pause)
    return Pulse(waits, unanswered)
