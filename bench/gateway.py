"""A gateway, run by ``gateway serve``."""

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

#: Settings that disable limits, for benchmarks that don't measure the limits.
NO_LIMITS = {
    "GATEWAY_CLIENT_CONNECTIONS": "65535",
    "GATEWAY_CLIENT_REQUESTS": "1000000",
    "GATEWAY_FREE_SPACE": "0",
}


READY_SECONDS = 30


@dataclass
class Gateway:
    """A running gateway; ``home`` is its folder, ``settings`` its environment."""

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
        """Start a gateway until *stack* closes; without limits unless they are set."""
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
        """Wait until the gateway is ready: nginx listens before gunicorn answers."""
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
        """The environment of the gateway's commands."""
        return {
            "GATEWAY_DATA": str(self.home / "data"),
            "GATEWAY_FILES": str(self.files),
            "GATEWAY_KEYS": str(self.keys),
            "GATEWAY_VERDICT_CACHE": f"/dev/shm/gw-{self.port}",  # noqa: S108
            **self.settings,
        }

    def run(self, *arguments: str) -> str:
        """Run a command of the gateway; return its output."""
        return subprocess.run(
            [sys.executable, "-m", "gateway", *arguments],
            env={**os.environ, **self.environment},
            check=True,
            capture_output=True,
            text=True,
        ).stdout

    def link(self, name: str) -> str:
        """Return a signed URL, a different one each second."""
        return self.links(name, 1)[0]

    def links(self, name: str, count: int) -> list[str]:
        """Return *count* signed URLs of one file, each with its own expiry time."""
        end = datetime.now(UTC).replace(microsecond=0) + timedelta(days=1)
        return [
            self.signer.sign(name, expires=end + timedelta(seconds=number))
            for number in range(count)
        ]

    def lease(self, name: str) -> str:
        """Create a share of a file, take a lease, and return its download URL."""
        link = self.run("shares", "new", name).strip()
        taken = requests.post(link, allow_redirects=False, timeout=READY_SECONDS)
        return f"{self.url}{taken.headers['Location']}"

    @property
    def byte_cache(self) -> Path:
        """The folder in which nginx caches objects."""
        return self.home / "data" / "store" / "byte-cache"

    def processes(self, name: str) -> list[int]:
        """Return the ids of nginx's or gunicorn's processes."""
        return [pid for pid in descendants(self.pid) if name in command_line(pid)]

    def log_size(self) -> int:
        """Return the size of the log, in bytes."""
        return (self.home / "log").stat().st_size

    def log_since(self, start: int) -> list[str]:
        """Return the lines of the log from the offset *start*."""
        with (self.home / "log").open("rb") as log:
            log.seek(start)
            return log.read().decode().splitlines()
