"""Compare uploads of 1 GiB with nginx's ``dav_methods PUT``.

    make bench-upload        or  .venv/bin/python -m bench.uploads [ROUNDS] [MIB]

All contestants write to the same disk, in interleaved rounds.  The table shows the
median throughput relative to dav's in the same round, with the minimum and the maximum,
and the growth of the gunicorn workers' memory.  dav does not sync files; ``dav, then
synced`` adds the sync that the gateway does before it acknowledges an upload.
"""

from __future__ import annotations

import http.client
import os
import re
import statistics
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from bench.gateway import Gateway
from bench.processes import HOST, free_port, serving
from bench.rounds import digits, interleaved, ratio, table
from gateway.runtime.live_conf import find_nginx

if TYPE_CHECKING:
    from collections.abc import Callable

MIB = 1 << 20
CHUNK = 90 * MIB  # as much as the upload page sends in one request
BASE, SYNCED, PUT = "dav", "dav, then synced", "gateway, PUT"


@dataclass
class Dav:
    """nginx, which stores bodies with its dav module."""

    folder: Path
    port: int = field(default_factory=free_port)

    def start(self, stack: ExitStack) -> None:
        """Start nginx until *stack* closes."""
        (self.folder / "dav").mkdir()
        conf = self.folder / "dav.conf"
        conf.write_text(f"""
            worker_processes auto; daemon off; error_log stderr error;
            pid {self.folder}/dav.pid; {"user root;" if os.geteuid() == 0 else ""}
            events {{}}
            http {{ access_log off; client_max_body_size 0;
            client_body_temp_path {self.folder}/dav-spool;
            proxy_temp_path {self.folder}/p; uwsgi_temp_path {self.folder}/u;
            fastcgi_temp_path {self.folder}/f; scgi_temp_path {self.folder}/s;
            server {{ listen {HOST}:{self.port};
            location / {{ root {self.folder}/dav; dav_methods PUT DELETE; }} }} }}""")
        command = [find_nginx(), "-e", "stderr", "-c", str(conf)]
        log = self.folder / "dav.log"
        stack.enter_context(serving(command, log, (HOST, self.port)))


def memory(server: Gateway) -> int:
    """Return the highest peak memory of any gunicorn worker, in bytes."""
    statuses = (
        Path(f"/proc/{pid}/status").read_text() for pid in server.processes("gunicorn")
    )
    peaks = (re.search(r"VmHWM:\s+(\d+)", status) for status in statuses)
    return max(int(peak[1]) * 1024 for peak in peaks if peak)


def send(
    port: int, request: str, file: Path, start: int, size: int, **headers: str
) -> http.client.HTTPResponse:
    """Send a part of *file* with sendfile; return the answer."""
    peer = http.client.HTTPConnection("127.0.0.1", port, timeout=600)
    method, path = request.split()
    peer.putrequest(method, path)
    for name, value in headers.items():
        peer.putheader(name.replace("_", "-"), value)
    peer.putheader("Content-Length", str(size))
    peer.endheaders()
    peer.sock.settimeout(None)  # sendfile needs a blocking socket
    with file.open("rb") as source:
        left, offset = size, start
        while left:
            sent = os.sendfile(peer.sock.fileno(), source.fileno(), offset, left)
            left -= sent
            offset += sent
    answer = peer.getresponse()
    answer.read()
    return answer


def expect(answer: http.client.HTTPResponse, *statuses: int) -> None:
    """Abort the benchmark unless the answer has one of *statuses*."""
    if answer.status not in statuses:
        raise SystemExit(f"unexpected answer: {answer.status} {answer.headers}")


def dav(server: Dav, file: Path, *, is_synced: bool) -> None:
    """Upload to dav."""
    size = file.stat().st_size
    expect(send(server.port, "PUT /file.bin", file, 0, size), 201)
    if is_synced:
        with (server.folder / "dav" / "file.bin").open("rb") as stored:
            os.fsync(stored.fileno())


def put(server: Gateway, token: str, file: Path) -> None:
    """Upload to the gateway in one request."""
    size = file.stat().st_size
    answer = send(
        server.port, "PUT /api/v1/files/file.bin", file, 0, size,
        Authorization=f"Bearer {token}",
    )  # fmt: skip
    expect(answer, 201)


def tus(server: Gateway, token: str, file: Path, chunk: int) -> None:
    """Upload to the gateway by tus, *chunk* bytes per request."""
    size = file.stat().st_size
    headers = {"Authorization": f"Bearer {token}", "Tus_Resumable": "1.0.0"}
    creation = send(
        server.port, "POST /tus/", file, 0, 0,
        **headers, Upload_Length=str(size), Upload_Metadata="filename ZmlsZS5iaW4=",
    )  # fmt: skip
    expect(creation, 201)
    path = re.sub(r"^https?://[^/]+", "", creation.headers["Location"])
    for offset in range(0, size, chunk):
        answer = send(
            server.port, f"PATCH {path}", file, offset, min(chunk, size - offset),
            **headers, Upload_Offset=str(offset),
            Content_Type="application/offset+octet-stream",
        )  # fmt: skip
        expect(answer, 204)


def main() -> None:
    """Run the rounds and print the table."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    size = (int(sys.argv[2]) if len(sys.argv) > 2 else 1024) * MIB  # noqa: PLR2004
    with tempfile.TemporaryDirectory(prefix="gw-bench-") as name:
        speeds, growth = measure(Path(name), rounds, size)
    print(f"{size // MIB} MiB, {rounds} interleaved rounds, ratios to {BASE}\n")
    rows = [
        [label, digits(statistics.median(one)), str(ratio(one, speeds[BASE]))]
        for label, one in speeds.items()
    ]
    print(table(["contestant", "MiB/s", "ratio (least-most)"], rows))
    print(f"A worker's peak memory grew by {growth / MIB:.1f} MiB.")


def measure(folder: Path, rounds: int, size: int) -> tuple[dict[str, list[float]], int]:
    """Upload *size* bytes in each way; files are written to *folder*.

    Return the MiB per second of each contestant, round by round, and the growth of a
    gunicorn worker's peak memory, in bytes.
    """
    with ExitStack() as stack:
        (folder / "files").mkdir(exist_ok=True)
        file = folder / "source.bin"
        stack.callback(file.unlink)
        with file.open("wb") as source:
            for _ in range(size // MIB):
                source.write(os.urandom(MIB))
        server = Dav(folder)
        server.start(stack)
        gateway = Gateway.start(stack, folder / "gateway", folder / "files")
        token = gateway.run(
            "tokens", "new", "admin", "--scope", "upload", "--scope", "read"
        ).strip()
        contestants: dict[str, Callable[[], None]] = {
            BASE: lambda: dav(server, file, is_synced=False),
            SYNCED: lambda: dav(server, file, is_synced=True),
            PUT: lambda: put(gateway, token, file),
            "gateway, tus, one PATCH": lambda: tus(gateway, token, file, size),
            f"gateway, tus, {CHUNK // MIB} MiB each": lambda: tus(
                gateway, token, file, CHUNK
            ),
        }
        put(gateway, token, file)  # warm up: loading code must not count as growth
        before = memory(gateway)
        stored = (server.folder / "dav", gateway.home / "data" / "store" / "blobs")
        speeds = run(contestants, rounds, size, stored)
        return speeds, memory(gateway) - before


def run(
    contestants: dict[str, Callable[[], None]],
    rounds: int,
    size: int,
    stored: tuple[Path, ...],
) -> dict[str, list[float]]:
    """Return the MiB per second of each contestant, round by round.

    Their files in the folders *stored* are deleted; that time is not measured.
    """

    def timed(upload: Callable[[], None]) -> float:
        os.sync()  # write back the previous contestant's data first
        began = time.perf_counter()
        upload()
        seconds = time.perf_counter() - began
        for file in chain.from_iterable(folder.rglob("*.bin") for folder in stored):
            file.unlink()
        return size / MIB / seconds

    runners = {
        label: lambda upload=upload: timed(upload)
        for label, upload in contestants.items()
    }
    return interleaved(runners, rounds, "uploads")


if __name__ == "__main__":
    main()
