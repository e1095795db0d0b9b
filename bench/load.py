"""Generate load with wrk, and read its result."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tempfile
from contextlib import suppress
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
    """The result of a run of wrk; ``refused`` counts answers other than 2xx and 3xx."""

    requests: int
    bytes: int
    microseconds: int
    refused: int
    broken: int

    @property
    def seconds(self) -> float:
        """The duration of the run."""
        return self.microseconds / 1e6

    @property
    def rate(self) -> float:
        """Requests per second."""
        return self.requests / self.seconds

    @property
    def throughput(self) -> float:
        """Bytes per second, including those of incomplete answers."""
        return self.bytes / self.seconds


def run(
    urls: Sequence[str],
    *,
    connections: int,
    seconds: float,
    delay: int = 0,
    may_refuse: bool = False,
) -> Load:
    """Request *urls* in turn, for *seconds*, on kept-alive connections.

    A URL may be followed by a blank and a Range.  *delay* is the pause between two
    requests of a connection, in milliseconds.  Abort the benchmark if any answer is an
    error: the figures would be meaningless.
    """
    first = urlsplit(urls[0].partition(" ")[0])
    base = f"{first.scheme}://{first.netloc}"
    with tempfile.NamedTemporaryFile("w", prefix="gw-", suffix=".paths") as paths:
        paths.writelines(f"{url.removeprefix(base)}\n" for url in urls)
        paths.flush()
        command = [
            *("wrk", "--threads=1", f"--connections={connections}"),
            *("--duration=3600s", "--timeout=600s", f"--script={SCRIPT}", base),
        ]
        environment = {"BENCH_DELAY": str(delay), "BENCH_PATHS": paths.name}
        output = _run_for(command, environment, seconds)
    lines = output.strip().splitlines()
    if not lines or not lines[-1].startswith("{"):
        raise SystemExit(f"{base}: wrk failed\n{output}")
    load = Load(**json.loads(lines[-1]))
    if load.broken or (load.refused and not may_refuse):
        raise SystemExit(f"{urls[0]}: {load}")
    return load


def _run_for(
    command: Sequence[str], environment: Mapping[str, str], seconds: float
) -> str:
    """Interrupt a command after *seconds*; return its output.

    wrk's own option accepts whole seconds only.
    """
    with subprocess.Popen(
        command,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            with suppress(subprocess.TimeoutExpired):
                return process.communicate(timeout=seconds)[0]
            process.send_signal(signal.SIGINT)
            return process.communicate()[0]
        finally:
            process.kill()


def check(url: str, content: bytes) -> None:
    """Abort the benchmark unless the answer to *url* is *content*."""
    answer = requests.get(url, headers={"Accept-Encoding": "identity"}, timeout=60)
    if answer.status_code != requests.codes.ok or answer.content != content:
        raise SystemExit(f"{url}: {answer.status_code}, {len(answer.content)} bytes")
