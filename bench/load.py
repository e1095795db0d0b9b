"""Load by wrk, and what came of it."""

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
    """What one run of wrk did; ``refused`` are answers that are neither 2xx nor 3xx."""

    requests: int
    bytes: int
    microseconds: int
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
        command = [
            *("wrk", "--threads=1", f"--connections={connections}"),
            *("--duration=3600s", "--timeout=600s", f"--script={SCRIPT}", base),
        ]
        environment = {"BENCH_DELAY": str(delay), "BENCH_PATHS": paths.name}
        said = _interrupted(command, environment, seconds)
    lines = said.strip().splitlines()
    if not lines or not lines[-1].startswith("{"):
        raise SystemExit(f"{base}: wrk failed\n{said}")
    load = Load(**json.loads(lines[-1]))
    if load.broken or (load.refused and not may_refuse):
        raise SystemExit(f"{urls[0]}: {load}")
    return load


def _interrupted(
    command: Sequence[str], environment: Mapping[str, str], seconds: float
) -> str:
    """Return what a command says that is interrupted after so many seconds.

    wrk itself knows whole seconds only.
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
    """End the benchmark unless *url* is answered with that content."""
    answer = requests.get(url, headers={"Accept-Encoding": "identity"}, timeout=60)
    if answer.status_code != requests.codes.ok or answer.content != content:
        raise SystemExit(f"{url}: {answer.status_code}, {len(answer.content)} bytes")
