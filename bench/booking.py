"""The speed of booking the ledger's lines, and the processor time per line.

The catalog is SQLite in $TMPDIR, and each transaction is synced to disk.
"""

from __future__ import annotations

import itertools
import json
import secrets
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench import plenty
from bench.rounds import Ratio, interleaved, ratio
from bench.verdicts import Site
from gateway.shares.booking import Booker
from gateway.shares.ledger import SharedFile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

#: The kinds of lines, and the number of lines per lease.
COUNTED, RANGES, KEYS = (
    "counted downloads, one request each",
    "counted downloads, 32 ranges each",
    "verdicts on signed URLs",
)
KINDS = {COUNTED: 1, RANGES: 32, KEYS: 0}
SIZE = 1 << 20
_AT = 1_900_000_000
_AGENT = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/142.0.0.0 Safari/537.36"
)


@dataclass(frozen=True)
class Booked:
    """The seconds per line, round by round: elapsed time and processor time."""

    clock: list[float]
    processor: list[float]

    @property
    def thousands(self) -> Ratio:
        """Thousands of lines booked per second."""
        return ratio([1 / seconds for seconds in self.clock], [1000] * len(self.clock))


def measure(home: Path, rounds: int, lines: int) -> dict[str, Booked]:
    """Book one file with *lines* lines of each kind per round."""
    runners = {}
    for number, (name, per_lease) in enumerate(KINDS.items()):
        site = Site(home / str(number))
        site.fill(plenty.begun, rounds * lines // max(per_lease, 1))
        runners[name] = _runner(site, per_lease, lines)
    taken = interleaved(runners, rounds, "booking")
    return {
        name: Booked([one[0] for one in each], [one[1] for one in each])
        for name, each in taken.items()
    }


def _runner(
    site: Site, per_lease: int, lines: int
) -> Callable[[], tuple[float, float]]:
    folder = site.home / "ledger"
    folder.mkdir()
    booker = Booker(database=site.database, folder=folder, gateway="g", say=print)
    files = itertools.count()

    def measure() -> tuple[float, float]:
        number = next(files)
        path = folder / f"{number:04}.log"
        written = itertools.islice(
            _lines(per_lease), number * lines, (number + 1) * lines
        )
        path.write_text("".join(written), "ascii")
        began, spent = time.perf_counter(), time.process_time()
        booked = booker.round(now=int(time.time()))
        spent, took = time.process_time() - spent, time.perf_counter() - began
        if booked != lines:
            raise SystemExit(f"{booked} of {lines} lines were booked")
        return took / lines, spent / lines

    return measure


def _lines(per_lease: int) -> Iterator[str]:
    """Yield lines endlessly; with 0 *per_lease* they are of signed URLs."""
    for number in itertools.count():
        line = {
            "at": _AT + number / 20_000,
            "request": secrets.token_hex(16),
            "began": "",
            "what": "key main",
            "method": "GET",
            "status": "200",
            "bytes": SIZE,
            "length": str(SIZE),
            "range": "",
            "encoding": "",
            "complete": "OK",
            "agent": _AGENT,
            "address": "192.0.2.0/24",
        }
        if per_lease:
            lease, part = divmod(number, per_lease)
            length = SIZE // per_lease
            recipient = plenty.recipient_id(lease)
            line["what"] = SharedFile(
                recipient, recipient, plenty.lease_id(lease), 1, SIZE
            ).text
            if part == 0:
                # The first request of the lease, which counts as a download.
                line |= {"began": "1", "request": plenty.request_id(lease)}
            if per_lease > 1:
                last = (part + 1) * length - 1
                line |= {
                    "status": "206",
                    "bytes": length,
                    "length": str(length),
                    "range": f"bytes {part * length}-{last}/{SIZE}",
                }
        yield f"{json.dumps(line, separators=(',', ':'))}\n"
