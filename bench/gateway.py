"""This gateway, as ``gateway serve`` runs it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import requests

from bench.processes import (
    HOST,
    command_line,
    descendants,
    free_port,
    serving,
)
from gateway.links import Key, KeyRing, LinkSigner

if TYPE_CHECKING:
    from contextlib import ExitStack
    from pathlib import Path

#: Neither is what a benchmark of anything else is to meet.
NO_LIMITS = {
    "GATEWAY_CLIENT_CONNECTIONS": "65535",
    "GATEWAY_CLIENT_REQUESTS": "1000000",
    "GATEWAY_FREE_SPACE": "0",
}


READY_SECONDS = 30


@dataclass
class Gateway:
    """A running gateway; *home* is its own folder, *settings* its environment."""

    home: Path
    files: Path
    settings: dict[str, str]
    port: int = field(default_factory=free_port)
    pid: int = 0

    def __post_init__(self) -> None:
        self.url = f"http://{HOST}:{self.port}"
        self.keys = KeyRing((Key.generate(),))
        self.signer = LinkSigner(self.keys, self.url)

    @classmethod
    def start(
        cls, stack: ExitStack, home: Path, files: Path, **settings: str
    ) -> Gateway:
        """Start one for as long as *stack* is open; no limits unless they are set."""
        home.mkdir()
        server = cls(home, files, {**NO_LIMITS, **settings})
        command = [sys.executable, "-m", "gateway", "serve"]
        server.pid = stack.enter_context(
            serving(
                [*command, "--bind", f"{HOST}:{server.port}"],
                home / "log",
                (HOST, server.port),
                environment=server.environment,
            )
        )
        server._await_gunicorn()
        return server

    def _await_gunicorn(self) -> None:
        """Nginx listens first."""
        deadline = time.monotonic() + READY_SECONDS
        while not self._is_ready():
            if time.monotonic() > deadline:
                raise SystemExit(f"{self.home}: not ready within {READY_SECONDS} s")
            time.sleep(0.05)

    def _is_ready(self) -> bool:
        try:
            return requests.get(f"{self.url}/readyz", timeout=READY_SECONDS).ok
        except requests.ConnectionError:
            return False

    @property
    def environment(self) -> dict[str, str]:
        """What its commands run in."""
        return {
            "GATEWAY_DATA": str(self.home / "data"),
            "GATEWAY_FILES": str(self.files),
            "GATEWAY_KEYS": str(self.keys),
            "GATEWAY_VERDICT_CACHE": f"/dev/shm/gw-{self.port}",  # noqa: S108
            **self.settings,
        }

    def run(self, *arguments: str) -> str:
        """Return what one of its commands prints."""
        return subprocess.run(
            [sys.executable, "-m", "gateway", *arguments],
            env={**os.environ, **self.environment},
            check=True,
            capture_output=True,
            text=True,
        ).stdout

    def link(self, name: str) -> str:
        """Return a signed URL, another one each second."""
        return self.links(name, 1)[0]

    def links(self, name: str, count: int) -> list[str]:
        """Return as many signed URLs of one file, each with an end of its own."""
        end = datetime.now(UTC).replace(microsecond=0) + timedelta(days=1)
        return [
            self.signer.sign(name, expires=end + timedelta(seconds=number))
            for number in range(count)
        ]

    def lease(self, name: str) -> str:
        """Return the URL of a leased download of a file, by a share of its own."""
        link = self.run("shares", "new", name).strip()
        taken = requests.post(link, allow_redirects=False, timeout=READY_SECONDS)
        return f"{self.url}{taken.headers['Location']}"

    def processes(self, name: str) -> list[int]:
        """Return the ids of nginx's or gunicorn's processes."""
        return [pid for pid in descendants(self.pid) if name in command_line(pid)]

    def log_size(self) -> int:
        """Return how many bytes have been logged."""
        return (self.home / "log").stat().st_size

    def log_since(self, start: int) -> list[str]:
        """Return the lines that were logged after so many bytes."""
        with (self.home / "log").open("rb") as log:
            log.seek(start)
            return log.read().decode().splitlines()
