"""What a share, TLS and a process cost: figures for docs/capacity.md.

    .venv/bin/python -m bench.capacity [OPERATIONS]

Prints tables: for each operation the processor time of nginx and of Python, the elapsed
time with one and with sixteen clients, and the growth of the catalog; the memory of
processes; nginx's time for files with TLS and without.  The operations change
the catalog, SQLite on the disk of $TMPDIR, in synced transactions.
"""

from __future__ import annotations

import itertools
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import requests

from bench import machine, processor
from bench.gateway import Gateway
from bench.nginx import Nginx
from bench.processes import HOST, command_line, descendants, free_port, serving
from bench.rounds import digits, table
from bench.throughput import KIB, MIB
from gateway.runtime.live_conf import find_nginx

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

OPERATIONS = 400
CLIENTS = 16
UPLOAD = 64 * KIB
#: Seconds of a measurement with wrk.
SECONDS = 3
CLOSING = "Connection: close"
LARGE = 256 * MIB


@dataclass(frozen=True)
class Cost:
    """Of one operation: seconds of processor time, elapsed seconds, and catalog bytes.

    ``alone`` is the time with one client, ``each`` the time divided by the number of
    operations with CLIENTS clients.
    """

    spent: processor.Spent
    alone: float
    each: float
    rows: float


def measure(server: Gateway, count: int, operation: Callable[[int], None]) -> Cost:
    """Run *operation* *count* times in a row, then *count* times by CLIENTS clients."""
    numbers = itertools.count()
    waits = []
    before, rows = processor.spent(), catalog_size(server)
    for _ in range(count):
        began = time.perf_counter()
        operation(next(numbers))
        waits.append(time.perf_counter() - began)
    began = time.perf_counter()
    with ThreadPoolExecutor(CLIENTS) as pool:
        list(pool.map(operation, itertools.islice(numbers, count)))
    each = (time.perf_counter() - began) / count
    after = processor.spent()
    return Cost(
        processor.Spent(
            (after.nginx - before.nginx) / (2 * count),
            (after.others - before.others) / (2 * count),
        ),
        statistics.median(waits),
        each,
        (catalog_size(server) - rows) / (2 * count),
    )


def catalog_size(server: Gateway) -> int:
    """Return the bytes of the catalog, without SQLite's log."""
    return (server.home / "data" / "catalog.sqlite3").stat().st_size


def operations(server: Gateway) -> Iterator[tuple[str, Callable[[int], None]]]:
    """Yield each operation; later ones use what earlier ones have made."""
    token = server.run(
        *("tokens", "new", "admin", "--scope", "upload", "--scope", "share"),
        *("--scope", "admin"),
    ).strip()
    headers = {"Authorization": f"Bearer {token}"}
    links: list[str] = []
    leases: list[str] = []

    def share(_: int) -> None:
        body = json.dumps({"items": [{"path": "small.bin"}], "max": 1})
        made = requests.post(
            f"{server.url}/api/v1/shares",
            body,
            headers={**headers, "Content-Type": "application/json"},
            timeout=60,
        )
        made.raise_for_status()
        links.append(made.json()["recipients"][0]["url"])

    def lease(number: int) -> None:
        taken = requests.post(links[number], allow_redirects=False, timeout=60)
        taken.raise_for_status()
        leases.append(f"{server.url}{taken.headers['Location']}")

    def download(number: int) -> None:
        requests.get(leases[number], timeout=60).raise_for_status()

    def upload(number: int) -> None:
        answer = requests.put(
            f"{server.url}/api/v1/files/{number}.bin",
            os.urandom(UPLOAD),
            headers=headers,
            timeout=60,
        )
        answer.raise_for_status()

    yield "a share is made, by the API", share
    yield "a lease is taken", lease
    yield "a counted download begins and ends, 4 KiB", download
    yield f"an upload of {UPLOAD // KIB} KiB, by PUT", upload


def memory(server: Gateway) -> dict[str, tuple[int, float]]:
    """Return the number of processes of each kind, and their MiB in all.

    Memory that processes share is divided among them (PSS).
    """
    kinds: dict[str, list[float]] = defaultdict(list)
    for pid in descendants(server.pid):
        line = command_line(pid)
        kind = next(name for name in ("nginx", "gunicorn", "housekeep") if name in line)
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        sizes = [int(row.split()[1]) for row in rollup if row.startswith("Pss:")]
        kinds[kind].append(sum(sizes) * KIB / MIB)
    return {kind: (len(sizes), sum(sizes)) for kind, sizes in kinds.items()}


def transfers(stack: ExitStack, folder: Path, gateway: Gateway) -> Iterator[list[str]]:
    """Yield rows: nginx's microseconds per request and per MiB, with TLS and without.

    Static files, and a large file of the gateway; *folder* is for nginx's own files.
    """
    static, port = Nginx(folder, gateway.files, free_port()), free_port()
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
         "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out", certificate,
         "-subj", "/CN=localhost"],
        check=True, capture_output=True,
    )  # fmt: skip
    conf = folder / "nginx.conf"
    listen = f"listen {HOST}:{static.port};"
    tls = (
        f"{listen} listen {HOST}:{port} ssl; ssl_protocols TLSv1.3;"
        f"ssl_certificate {certificate}; ssl_certificate_key {key};"
        "ssl_session_tickets off;"
    )
    conf.write_text(static.conf().replace(listen, tls))
    command = [find_nginx(), "-e", "stderr", "-c", str(conf)]
    stack.enter_context(serving(command, folder / "nginx.log", (HOST, static.port)))
    secure = f"https://{HOST}:{port}/static"
    small, large = static.static("small.bin"), static.static("large.bin")
    for what, url, clients, header in (
        ("4 KiB, kept connections", small, CLIENTS, "X-None: 1"),
        ("4 KiB, kept connections, TLS", f"{secure}/small.bin", CLIENTS, "X-None: 1"),
        ("4 KiB, a connection each", small, CLIENTS, CLOSING),
        ("4 KiB, a connection each, TLS", f"{secure}/small.bin", CLIENTS, CLOSING),
        ("256 MiB, 4 at a time", large, 4, "X-None: 1"),
        ("256 MiB, 4 at a time, TLS", f"{secure}/large.bin", 4, "X-None: 1"),
        ("256 MiB, 4 at a time, gateway", gateway.link("large.bin"), 4, "X-None: 1"),
    ):
        before = processor.spent()
        done = subprocess.run(
            ["wrk", "--threads=1", f"--connections={clients}",
             f"--duration={SECONDS}s", "--header", header, url],
            check=True, capture_output=True, text=True,
        )  # fmt: skip
        spent = processor.spent().nginx - before.nginx
        found = re.search(r"(\d+) requests in .*?, ([\d.]+)([KMG])B", done.stdout)
        if found is None:
            raise SystemExit(done.stdout)
        unit = {"K": 1 / 1024, "M": 1, "G": 1024}[found[3]]
        yield [
            what,
            digits(spent / max(int(found[1]), 1) * 1e6),
            digits(spent / (float(found[2]) * unit) * 1e6),
        ]


def main() -> None:
    """Measure and print the tables."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else OPERATIONS
    with ExitStack() as stack:
        name = stack.enter_context(tempfile.TemporaryDirectory(prefix="gw-bench-"))
        files = Path(name) / "files"
        files.mkdir()
        (files / "small.bin").write_bytes(os.urandom(4 * KIB))
        (files / "large.bin").write_bytes(os.urandom(LARGE))
        server = Gateway.start(stack, Path(name) / "gateway", files)
        costs = {
            what: measure(server, count, operation)
            for what, operation in operations(server)
        }
        kinds = memory(server)
        (Path(name) / "static").mkdir()
        times = list(transfers(stack, Path(name) / "static", server))
    rows = [
        [
            what,
            digits(cost.spent.nginx * 1e6),
            digits(cost.spent.others * 1e6),
            digits(cost.alone * 1e3),
            digits(cost.each * 1e3),
            digits(1 / cost.each),
            digits(cost.rows),
        ]
        for what, cost in costs.items()
    ]
    head = [
        *("operation", "nginx, us", "Python, us", "alone, ms", f"by {CLIENTS}, ms"),
        *("per second", "catalog, bytes"),
    ]
    print(machine.machine(), table(head, rows), sep="\n\n")
    shown = [[kind, f"{n}", digits(mib)] for kind, (n, mib) in kinds.items()]
    print(table(["processes", "number", "MiB in all"], shown))
    print(table(["nginx's time, us", "per request", "per MiB"], times))


if __name__ == "__main__":
    main()
