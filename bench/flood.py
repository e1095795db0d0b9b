"""A flood of ever-new forged links from one client, and a good link from another.

Past its share nginx refuses the flooder without asking gunicorn; how many of its
requests were asked about stands in the access log.
"""

from __future__ import annotations

import itertools
import json
import secrets
import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bench import load, pulse
from bench.gateway import Gateway
from bench.rounds import Ratio, ratio, say
from bench.slow import SHORT

if TYPE_CHECKING:
    from pathlib import Path

    from bench.pulse import Pulse

#: Where the visitor and the flooder come from: loopback, both.
VISITOR = "127.0.0.2"
FLOODER = "127.0.0.1"
CONNECTIONS = 16
#: Milliseconds between two requests of a connection: some 20 times a client's share.
DELAY = 4
FORGED = 50_000
#: What one client may ask a second, and as many at once when it begins.
SHARE = 200
#: What nginx may hold back a line of its log for, and a bit.
LOG_SECONDS = 0.5


@dataclass
class Flood:
    """What the visitor met without the flood and with it, and what it came to.

    ``sent`` and ``asked`` are requests a second of the flooder's: all of them, and
    those that gunicorn had to answer; ``allowed`` is how many that may be.
    """

    name: str
    alone: list[Pulse] = field(default_factory=list)
    beside: list[Pulse] = field(default_factory=list)
    sent: list[float] = field(default_factory=list)
    asked: list[float] = field(default_factory=list)
    allowed: list[float] = field(default_factory=list)

    @property
    def excess(self) -> Ratio:
        """What gunicorn was asked, relative to what a client may ask."""
        return ratio(self.asked, self.allowed)

    @property
    def ratio(self) -> Ratio:
        """The visitor's p99 during the flood, relative to the one without."""
        return ratio(
            [taken.percentile(99) for taken in self.beside],
            [taken.percentile(99) for taken in self.alone],
        )


def measure(folder: Path, files: Path, *, rounds: int, seconds: float) -> list[Flood]:
    """Measure a flood at a bounded rate, and one as fast as it can be."""
    results = [Flood("20 times a client's share"), Flood("as fast as it goes")]
    with ExitStack() as stack:
        server = Gateway.start(
            stack, folder / "flood", files, GATEWAY_CLIENT_REQUESTS=str(SHARE)
        )
        for number in range(rounds):
            for result, delay in zip(results, (DELAY, 0), strict=True):
                say(f"flood, {result.name}: round {number + 1} of {rounds}")
                _round(server, result, delay, seconds)
    return results


def _round(server: Gateway, result: Flood, delay: int, seconds: float) -> None:
    hot = itertools.repeat(server.link(SHORT))
    forged = [_forged(server) for _ in range(FORGED)]
    result.alone.append(_visit(hot, seconds))
    logged = server.log_size()
    made: list[load.Load] = []
    flooding = threading.Thread(
        target=lambda: made.append(
            load.run(
                forged,
                connections=CONNECTIONS,
                seconds=seconds + 0.5,
                delay=delay,
                may_refuse=True,
            )
        )
    )
    flooding.start()
    result.beside.append(_visit(hot, seconds))
    flooding.join()
    time.sleep(LOG_SECONDS)
    result.sent.append(made[0].rate)
    asked = sum(_was_asked(line) for line in server.log_since(logged))
    result.asked.append(asked / made[0].seconds)
    result.allowed.append(SHARE + SHARE / made[0].seconds)


def _visit(hot: itertools.repeat[str], seconds: float) -> Pulse:
    # Less than a client's share: the visitor is not to be refused.
    return pulse.take(hot, seconds=seconds, pause=0.01, source=VISITOR)


def _forged(server: Gateway) -> str:
    """Return a link of the right form, with a key of the ring, whose MAC is a guess."""
    mac = f"{secrets.token_urlsafe(16)[:21]}A"
    claims = f"k{server.keys.newest.id}.e1999999999.i1700000000"
    return f"{server.url}/s/{claims}.{mac}/{SHORT}"


def _was_asked(line: str) -> bool:
    if not line.startswith("{"):
        return False
    row = json.loads(line)
    return row["client"] == FLOODER and row["verdict_seconds"] not in {"", "-"}
