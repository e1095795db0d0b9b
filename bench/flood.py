"""A flood of new forged links from one client, while others request a valid link.

Above the client's limit nginx refuses the requests without asking gunicorn; the access
log shows for how many requests gunicorn was asked.
"""

from __future__ import annotations

import itertools
import json
import secrets
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from bench import load, pulse
from bench.gateway import Gateway
from bench.rounds import Ratio, interleaved, ratio
from bench.slow import SHORT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from bench.pulse import Pulse

#: The address of the flooder; all clients use loopback.
FLOODER = "127.0.0.1"
#: The visitors' addresses: enough that none reaches the limit of a client.
VISITORS = [f"127.0.0.{number}" for number in range(2, 10)]
#: Seconds between two requests of a visitor: so short that the two requests per second
#: for which gunicorn is asked are well below one per cent.
PAUSE = 0.001
CONNECTIONS = 16
NONE, PACED, FAST = "no flood", "at a bounded rate", "as fast as it goes"
#: For comparison: the flood goes to another gateway on the same machine.
ELSEWHERE = ", of another gateway"
#: Milliseconds between two requests of a connection.
DELAYS = {PACED: 4, FAST: 0}
FORGED = 50_000
#: Requests per second that a client may send, and the same number as a burst.
SHARE = 200
#: Time for which nginx may buffer a line of its log, with some reserve.
LOG_SECONDS = 0.5


@dataclass(frozen=True)
class Measurement:
    """The visitors' waits, and the flood's rates at the same time.

    Per second: ``sent`` is the number of the flooder's requests, ``passed_on`` the
    number for which gunicorn was asked, ``allowed`` the limit of ``passed_on``.
    """

    visitors: Pulse
    sent: float = 0
    passed_on: float = 0
    allowed: float = 0


@dataclass(frozen=True)
class Flood:
    """The measurements without the flood and with it, round by round."""

    name: str
    without: list[Measurement]
    during: list[Measurement]

    @property
    def excess(self) -> Ratio:
        """The requests for which gunicorn was asked, relative to the limit."""
        return ratio(
            [each.passed_on for each in self.during],
            [each.allowed for each in self.during],
        )

    @property
    def ratio(self) -> Ratio:
        """The visitors' p99 during the flood, relative to the p99 without."""
        return ratio(
            [each.visitors.percentile(99) for each in self.during],
            [each.visitors.percentile(99) for each in self.without],
        )


def measure(folder: Path, files: Path, *, rounds: int, seconds: float) -> list[Flood]:
    """Measure a flood at a bounded rate, and one at full speed."""
    with ExitStack() as stack:
        share = str(SHARE)
        server, other = (
            Gateway.start(stack, folder / name, files, GATEWAY_CLIENT_REQUESTS=share)
            for name in ("flooded", "spared")
        )
        hot = server.link(SHORT)
        runners: dict[str, Callable[[], Measurement]] = {
            NONE: lambda: Measurement(_visit(hot, seconds))
        }
        for name, delay in DELAYS.items():
            for where, flooded in (("", server), (ELSEWHERE, other)):
                runners[name + where] = partial(_measure, hot, flooded, delay, seconds)
        measurements = interleaved(runners, rounds, "floods")
    return [
        Flood(name, measurements[NONE], each)
        for name, each in measurements.items()
        if name != NONE
    ]


def _measure(hot: str, server: Gateway, delay: int, seconds: float) -> Measurement:
    """Flood *server* while the visitors request *hot*."""
    forged = [_forged(server) for _ in range(FORGED)]
    logged = server.log_size()
    with ThreadPoolExecutor(1) as pool:
        flooding = pool.submit(
            load.run,
            forged,
            connections=CONNECTIONS,
            seconds=seconds + 0.5,
            delay=delay,
            may_refuse=True,
        )
        visitors = _visit(hot, seconds)
        flood = flooding.result()
    time.sleep(LOG_SECONDS)
    passed_on = sum(was_asked(line) for line in server.log_since(logged))
    return Measurement(
        visitors,
        sent=flood.rate,
        passed_on=passed_on / flood.seconds,
        allowed=SHARE + SHARE / flood.seconds,
    )


def _visit(hot: str, seconds: float) -> Pulse:
    return pulse.take(
        itertools.repeat(hot), seconds=seconds, pause=PAUSE, sources=VISITORS
    )


def _forged(server: Gateway) -> str:
    """Return a well-formed link with a valid key id and a random MAC."""
    mac = f"{secrets.token_urlsafe(16)[:21]}A"
    claims = f"k{server.keys.newest.id}.e1999999999.i1700000000"
    return f"{server.url}/s/{claims}.{mac}/{SHORT}"


def was_asked(line: str) -> bool:
    """Return whether a log line is a flooder's request for which gunicorn was asked."""
    if not line.startswith("{"):
        return False
    row = json.loads(line)
    return row["client"] == FLOODER and row["verdict_seconds"] not in {"", "-"}
