"""Patient clients that ask one after the other, and how long each one waits."""

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
    """The seconds of each answer that came, and how many did not."""

    waits: list[float]
    unanswered: int = 0

    def percentile(self, percent: int) -> float:
        """Return the wait that so many per cent did not exceed, in seconds."""
        if self.unanswered * 100 > (100 - percent) * self.asked:
            return math.inf
        return sorted(self.waits)[math.ceil(self.asked * percent / 100) - 1]

    @property
    def asked(self) -> int:
        """How many requests were sent."""
        return len(self.waits) + self.unanswered


def take(
    urls: Iterator[str],
    *,
    seconds: float,
    pause: float = 0.005,
    patience: float = 5,
    sources: Sequence[str] = ("127.0.0.1",),
) -> Pulse:
    """Ask for the next of *urls* every *pause* for *seconds*, from *sources* in turn.

    Each request has a connection of its own, as a new visitor's would; what is not
    answered within *patience* seconds counts as unanswered.
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
