"""Processes that a benchmark starts and ends, on loopback alone."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

#: Ask and listen here; nothing that is measured leaves this machine.
HOST = "127.0.0.1"


def free_port() -> int:
    """Return a port of loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def running(
    command: Sequence[str],
    log: Path,
    *,
    stop: signal.Signals = signal.SIGTERM,
    environment: Mapping[str, str] | None = None,
) -> Iterator[subprocess.Popen[bytes]]:
    """Run *command*, with what it says in *log*, and end it with *stop*."""
    with log.open("ab") as sink:
        process = subprocess.Popen(
            command,
            env={**os.environ, **(environment or {})},
            cwd=log.parent,
            stdout=sink,
            stderr=sink,
        )
    try:
        yield process
    finally:
        process.send_signal(stop)
        try:
            process.wait(60)
        finally:
            process.kill()


def await_socket(address: str | tuple[str, int], *, seconds: float = 30) -> None:
    """Wait until somebody listens on a unix socket's path, or a host and port."""
    family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with socket.socket(family) as probe:
            if probe.connect_ex(address) == 0:
                return
        time.sleep(0.05)
    raise SystemExit(f"nobody listens on {address} within {seconds} s")


def descendants(pid: int) -> list[int]:
    """Return the ids of a process's children and theirs."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [n for child in map(int, children) for n in (child, *descendants(child))]


def command_line(pid: int) -> str:
    """Return what a process was started with, or what it calls itself."""
    return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ").strip()
