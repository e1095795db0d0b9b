"""Uploads of 1 GiB against nginx's own ``dav_methods PUT``.

    make bench-upload            or  .venv/bin/python bench/uploads.py [ROUNDS] [MIB]

Every contestant writes to the same disk, in interleaved rounds; the table shows
each one's median throughput relative to dav's of the same round, with the least
and the most, and how much the memory of gunicorn's workers has grown.  dav does
not sync what it stores; ``dav, then synced`` adds the sync that every upload to
the gateway ends with before it is acknowledged.
"""

from __future__ import annotations

import http.client
import os
import re
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

MIB = 1 << 20
CHUNK = 90 * MIB  # what the page sends in one request
BASE = "dav"


def free_port() -> int:
    """Return a port of loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass
class Dav:
    """nginx, storing bodies with its own module."""

    folder: Path
    port: int = field(default_factory=free_port)

    def start(self) -> None:
        """Start it."""
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
            server {{ listen 127.0.0.1:{self.port};
            location / {{ root {self.folder}/dav; dav_methods PUT DELETE; }} }} }}""")
        self.process = subprocess.Popen(["nginx", "-e", "stderr", "-c", conf])
        await_port(self.port)

    def stop(self) -> None:
        """End it."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(20)


@dataclass
class Gateway:
    """``gateway serve``, with a data folder on the same disk."""

    folder: Path
    port: int = field(default_factory=free_port)

    def start(self) -> None:
        """Start it and make a token."""
        (self.folder / "files").mkdir()
        self.environment = {
            **os.environ,
            "GATEWAY_FILES": str(self.folder / "files"),
            "GATEWAY_DATA": str(self.folder / "data"),
            "GATEWAY_CLIENT_REQUESTS": "1000000",
            "GATEWAY_FREE_SPACE": "0",
        }
        with (self.folder / "log").open("wb") as log:
            self.process = subprocess.Popen(
                [*(sys.executable, "-m", "gateway", "serve"),
                 *("--bind", f"127.0.0.1:{self.port}")],
                env=self.environment, stdout=log, stderr=log,
            )  # fmt: skip
        await_port(self.port)
        time.sleep(2)
        token = subprocess.run(
            [sys.executable, "-m", "gateway", "tokens", "new", "admin",
             "--scope", "upload", "--scope", "read"],
            env=self.environment, check=True, capture_output=True, text=True,
        ).stdout.strip()  # fmt: skip
        self.headers = {"Authorization": f"Bearer {token}"}

    def memory(self) -> int:
        """Return the most bytes that any worker of gunicorn has ever had."""
        peaks = [
            int(re.search(r"VmHWM:\s+(\d+)", status)[1]) * 1024  # type: ignore[index]
            for pid in descendants(self.process.pid)
            if "gunicorn" in Path(f"/proc/{pid}/cmdline").read_text()
            and "VmHWM" in (status := Path(f"/proc/{pid}/status").read_text())
        ]
        return max(peaks)

    def stop(self) -> None:
        """End it."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)


def descendants(pid: int) -> list[int]:
    """Return the ids of a process's children and theirs."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [n for child in map(int, children) for n in (child, *descendants(child))]


def await_port(port: int) -> None:
    """Wait until somebody listens."""
    for _ in range(200):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise SystemExit(f"nobody listens on {port}")


def send(
    port: int, request: str, file: Path, start: int, size: int, **headers: str
) -> http.client.HTTPResponse:
    """Send a part of *file* by sendfile and return the answer."""
    peer = http.client.HTTPConnection("127.0.0.1", port, timeout=600)
    peer.putrequest(*request.split())
    for name, value in headers.items():
        peer.putheader(name.replace("_", "-"), value)
    peer.putheader("Content-Length", str(size))
    peer.endheaders()
    peer.sock.settimeout(None)  # sendfile wants a socket that waits
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
    """End with a word unless the answer is one of these."""
    if answer.status not in statuses:
        raise SystemExit(f"wrong answer: {answer.status} {answer.headers}")


def dav(server: Dav, file: Path, *, is_synced: bool) -> None:
    """Upload to dav."""
    size = file.stat().st_size
    expect(send(server.port, "PUT /file.bin", file, 0, size), 201, 204)
    if is_synced:
        with (server.folder / "dav" / "file.bin").open("rb") as stored:
            os.fsync(stored.fileno())


def put(server: Gateway, file: Path) -> None:
    """Upload to the gateway in one request."""
    size = file.stat().st_size
    answer = send(
        server.port, "PUT /api/v1/files/file.bin", file, 0, size, **server.headers
    )
    expect(answer, 201)


def tus(server: Gateway, file: Path, chunk: int) -> None:
    """Upload to the gateway by tus, *chunk* bytes a request."""
    size = file.stat().st_size
    headers = {**server.headers, "Tus_Resumable": "1.0.0"}
    made = send(
        server.port, "POST /tus/", file, 0, 0,
        **headers, Upload_Length=str(size), Upload_Metadata="filename ZmlsZS5iaW4=",
    )  # fmt: skip
    expect(made, 201)
    path = re.sub(r"^https?://[^/]+", "", made.headers["Location"])
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
    with tempfile.TemporaryDirectory(
        prefix="gw-", dir=os.environ.get("TMPDIR")
    ) as name:
        folder = Path(name)
        file = folder / "source.bin"
        with file.open("wb") as source:
            for _ in range(size // MIB):
                source.write(os.urandom(MIB))
        server, gateway = Dav(folder), Gateway(folder)
        server.start()
        gateway.start()
        contestants: dict[str, Callable[[], None]] = {
            BASE: lambda: dav(server, file, is_synced=False),
            "dav, then synced": lambda: dav(server, file, is_synced=True),
            "gateway, PUT": lambda: put(gateway, file),
            "gateway, tus, one PATCH": lambda: tus(gateway, file, size),
            f"gateway, tus, {CHUNK // MIB} MiB each": lambda: tus(gateway, file, CHUNK),
        }
        try:
            put(gateway, file)  # what is loaded once is no growth
            before = gateway.memory()
            speeds = run(contestants, rounds, size, folder)
            growth = gateway.memory() - before
        finally:
            gateway.stop()
            server.stop()
    print(f"{size // MIB} MiB, {rounds} interleaved rounds, ratios to {BASE}\n")
    print("| contestant | MiB/s | ratio | least | most |")
    print("| --- | --: | --: | --: | --: |")
    for label, measured in speeds.items():
        ratios = [a / b for a, b in zip(measured, speeds[BASE], strict=True)]
        print(
            f"| {label} | {statistics.median(measured):.0f} | "
            f"{statistics.median(ratios):.2f} | {min(ratios):.2f} | {max(ratios):.2f} |"
        )
    print(f"\nA worker's peak memory grew by {growth / MIB:.1f} MiB.")


def run(
    contestants: dict[str, Callable[[], None]], rounds: int, size: int, folder: Path
) -> dict[str, list[float]]:
    """Return each one's MiB a second, round by round."""
    speeds: dict[str, list[float]] = {label: [] for label in contestants}
    for _ in range(rounds):
        for label, upload in contestants.items():
            os.sync()  # what the one before left in memory is not this one's to write
            began = time.perf_counter()
            upload()
            speeds[label].append(size / MIB / (time.perf_counter() - began))
            for stored in (folder / "data" / "store" / "blobs").rglob("*.bin"):
                stored.unlink()
    return speeds


if __name__ == "__main__":
    main()
