"""What thousands of slow readers cost a new visitor, with two gunicorn workers.

The visitor requests one new link after another, each of which needs a new verdict.
"""

from __future__ import annotations

import itertools
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from itsdangerous import URLSafeTimedSerializer

from bench import contestants, pulse, readers
from bench.gateway import Gateway
from bench.nginx import SECRET, Nginx
from bench.processes import HOST, descendants, free_port, serving
from bench.rounds import Ratio, log_progress, ratio

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.pulse import Pulse

WORKERS = 2
#: The file that is read slowly, and the visitor's file.
LONG, SHORT = "1-MiB.bin", "4-KiB.bin"


@dataclass
class Server:
    """A server: the URL for slow readers, URLs for the visitor, its processes."""

    name: str
    slow: str
    fresh: Iterator[str]
    pids: list[int]

    def descriptors(self) -> int:
        """Return the maximum of open descriptors of one of its processes."""
        return max(len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in self.pids)

    def memory(self) -> int:
        """Return the private memory of its processes, in bytes."""
        return sum(_private(pid) for pid in self.pids)


@dataclass
class Slow:
    """The visitor's waits without slow readers and with them, round by round."""

    name: str
    readers: int
    begun: list[int] = field(default_factory=list)
    alone: list[Pulse] = field(default_factory=list)
    beside: list[Pulse] = field(default_factory=list)
    descriptors: int = 0
    memory: int = 0
    kernel: int = 0

    @property
    def ratio(self) -> Ratio:
        """The p99 with slow readers, relative to the p99 without."""
        return ratio(
            [each.percentile(99) for each in self.beside],
            [each.percentile(99) for each in self.alone],
        )


def measure(
    folder: Path, files: Path, *, count: int, rounds: int, seconds: float
) -> list[Slow]:
    """Measure the gateway, and Flask's send_file behind nginx and without nginx."""
    results = []
    for start in (_gateway, _behind_nginx, _alone):
        with ExitStack() as stack:
            server = stack.enter_context(start(folder, files))
            result = Slow(server.name, count)
            for number in range(rounds):
                log_progress(
                    f"slow readers, {server.name}: round {number + 1} of {rounds}"
                )
                _round(server, result, seconds)
            results.append(result)
    return results


def _round(server: Server, result: Slow, seconds: float) -> None:
    result.alone.append(pulse.take(server.fresh, seconds=seconds))
    memory, kernel = server.memory(), _socket_memory()
    with readers.reading(server.slow, result.readers) as begun:
        result.begun.append(begun)
        result.beside.append(pulse.take(server.fresh, seconds=seconds))
        result.descriptors = max(result.descriptors, server.descriptors())
        result.memory = max(result.memory, server.memory() - memory)
        result.kernel = max(result.kernel, _socket_memory() - kernel)


@contextmanager
def _gateway(folder: Path, files: Path) -> Iterator[Server]:
    with ExitStack() as stack:
        server = Gateway.start(
            stack, folder / "slow", files, GATEWAY_WORKERS=str(WORKERS)
        )
        yield Server(
            "gateway",
            server.link(LONG),
            itertools.cycle(server.links(SHORT, contestants.COLD_LINKS)),
            server.processes("nginx") + server.processes("gunicorn"),
        )


@contextmanager
def _behind_nginx(folder: Path, files: Path) -> Iterator[Server]:
    home = folder / "behind"
    home.mkdir()
    with ExitStack() as stack:
        pid = _flask(stack, home, files, f"{home}/flask.sock")
        nginx = Nginx.start(stack, home, files)
        pids = [pid, *descendants(pid), *_nginx_pids(home)]
        yield _flask_server("Flask, send_file, behind nginx", nginx.url, pids)


@contextmanager
def _alone(folder: Path, files: Path) -> Iterator[Server]:
    home, port = folder / "alone", free_port()
    home.mkdir()
    with ExitStack() as stack:
        pid = _flask(stack, home, files, (HOST, port))
        pids = [pid, *descendants(pid)]
        yield _flask_server("Flask, send_file, alone", f"http://{HOST}:{port}", pids)


def _flask(
    stack: ExitStack, home: Path, files: Path, address: str | tuple[str, int]
) -> int:
    command = [*contestants.gunicorn(address, WORKERS), "bench.apps.flask_app:app"]
    environment = contestants.application_environment(files)
    return stack.enter_context(
        serving(command, home / "log", address, environment=environment)
    )


def _flask_server(name: str, url: str, pids: list[int]) -> Server:
    tokens = URLSafeTimedSerializer(SECRET)
    slow, short = (f"{url}/flask/send_file/{tokens.dumps(n)}" for n in (LONG, SHORT))
    return Server(name, slow, itertools.repeat(short), pids)


def _nginx_pids(home: Path) -> list[int]:
    master = int((home / "nginx.pid").read_text())
    return [master, *descendants(master)]


def _private(pid: int) -> int:
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    kib = (int(line.split()[1]) for line in rollup if line.startswith("Private_"))
    return sum(kib) * 1024


def _socket_memory() -> int:
    """Return the kernel's memory for TCP on this machine, in bytes."""
    for line in Path("/proc/net/sockstat").read_text().splitlines():
        if line.startswith("TCP:"):
            return int(line.split()[-1]) * 4096
    return 0
