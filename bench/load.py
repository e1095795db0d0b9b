"""Load by wrk, and what came of it."""

from __future__ import annotations

import json
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import requests

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SCRIPT = Path(__file__).with_name("load.lua")


@dataclass(frozen=True)
class Load:
    """What one run of wrk did.

    ``median`` and ``p99`` are microseconds from a request to its answer's end;
    ``refused`` counts answers that are neither 2xx nor 3xx.
    """

    requests: int
    bytes: int
    microseconds: int
    median: int
    p99: int
    refused: int
    broken: int

    @property
    def seconds(self) -> float:
        """How long it took."""
        return self.microseconds / 1e6

    @property
    def rate(self) -> float:
        """Requests a second."""
        return self.requests / self.seconds

    @property
    def throughput(self) -> float:
        """Bytes a second, those of answers that did not come to their end, too."""
        return self.bytes / self.seconds


def run(
    urls: Sequence[str],
    *,
    connections: int,
    seconds: float,
    delay: int = 0,
    headers: Mapping[str, str] | None = None,
    may_refuse: bool = False,
) -> Load:
    """Ask for *urls* in turn, for whole or broken *seconds*, on kept connections.

    A URL may have a Range behind a blank.  *delay* is in milliseconds, between two
    requests of a connection.  End the benchmark if any answer is not what it should be:
    the figure would be another thing's.
    """
    first = urlsplit(urls[0].partition(" ")[0])
    base = f"{first.scheme}://{first.netloc}"
    with tempfile.NamedTemporaryFile("w", prefix="gw-", suffix=".paths") as paths:
        paths.writelines(f"{url.removeprefix(base)}\n" for url in urls)
        paths.flush()
        # wrk knows whole seconds only.
        command = [
            *("timeout", "--signal=INT", str(seconds)),
            *("wrk", "--threads=1", f"--connections={connections}"),
            *("--duration=3600s", "--timeout=600s", f"--script={SCRIPT}", base),
        ]
        done = subprocess.run(
            command,
            env={
                "PATH": "/usr/local/bin:/usr/bin:/bin",
                "BENCH_DELAY": str(delay),
                "BENCH_HEADERS": "\n".join(
                    f"{name}: {value}" for name, value in (headers or {}).items()
                ),
                "BENCH_PATHS": paths.name,
            },
            capture_output=True,
            text=True,
            check=False,
        )
    lines = done.stdout.strip().splitlines()
    if not lines or not lines[-1].startswith("{"):
        raise SystemExit(f"{base}: wrk failed\n{done.stdout}{done.stderr}")
    load = Load(**json.loads(lines[-1]))
    if load.broken or (load.refused and not may_refuse):
        raise SystemExit(f"{urls[0]}: {load}")
    return load


def check(url: str, content: bytes) -> None:
    """End the benchmark unless *url* is answered with that content."""
    answer = requests.get(url, headers={"Accept-Encoding": "identity"}, timeout=60)
    if answer.status_code != requests.codes.ok or answer.content != content:
        raise SystemExit(f"{url}: {answer.status_code}, {len(answer.content)} bytes")
