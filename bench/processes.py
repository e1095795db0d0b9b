"""Processes that a benchmark starts and stops, on loopback only."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

#: All servers listen here.
HOST = "127.0.0.1"
#: Maximum seconds for a process to start, and to stop.
_PATIENCE = 60


def free_port() -> int:
    """Return an unused port on loopback."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def serving(
    command: Sequence[str],
    log: Path,
    address: str | tuple[str, int],
    *,
    environment: Mapping[str, str] | None = None,
) -> Iterator[int]:
    """Run *command* within the context, with its output in *log*.

    Yield its process id once it listens on *address*, the path of a unix socket or a
    host and a port.
    """
    with log.open("ab") as sink:
        process = subprocess.Popen(
            command,
            env={**os.environ, **(environment or {})},
            cwd=log.parent,
            stdout=sink,
            stderr=sink,
        )
    try:
        if not _listens(process, address):
            raise SystemExit(f"{command[0]} did not start:\n{log.read_text()}")
        yield process.pid
    finally:
        process.terminate()
        try:
            process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _listens(process: subprocess.Popen[bytes], address: str | tuple[str, int]) -> bool:
    family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
    deadline = time.monotonic() + _PATIENCE
    while process.poll() is None and time.monotonic() < deadline:
        with socket.socket(family) as probe:
            if probe.connect_ex(address) == 0:
                return True
        time.sleep(0.05)
    return False


def descendants(pid: int) -> list[int]:
    """Return the ids of all descendants of a process."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [n for child in map(int, children) for n in (child, *descendants(child))]


def command_line(pid: int) -> str:
    """Return a process's command line, or the title that it has set."""
    return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ").strip()
