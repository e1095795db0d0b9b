"""Which gunicorn worker, protocol and keepalive answers verdicts cheapest.

    .venv/bin/python -m bench.workers [ROUNDS]

Every variant serves the same verdict through the same nginx, in interleaved
rounds; the table shows each one's median of requests a second relative to the
first variant's of the same round, with the least and the most.  Needs wrk
(Debian), and for the h1c variants gunicorn-h1c (PyPI).
"""

from __future__ import annotations

import importlib.util
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from gateway.links import Key, KeyRing, LinkSigner

SECONDS = 4
CONNECTIONS = 32
PORT = 18_990


@dataclass(frozen=True)
class Variant:
    """Arguments for gunicorn, and how nginx asks it."""

    name: str
    arguments: tuple[str, ...]
    keepalive: bool = False
    uwsgi: bool = False


VARIANTS = [
    Variant("sync, HTTP", ("--http-parser=python",)),
    Variant("sync, HTTP, h1c parser", ("--http-parser=fast",)),
    Variant("sync, uwsgi", ("--protocol=uwsgi",), uwsgi=True),
    Variant("gthread x4, HTTP", ("--http-parser=python", "--threads=4")),
    Variant(
        "gthread x4, HTTP, kept alive",
        ("--http-parser=python", "--threads=4", "--keep-alive=65"),
        keepalive=True,
    ),
    Variant(
        "gthread x4, HTTP, h1c, kept alive",
        ("--http-parser=fast", "--threads=4", "--keep-alive=65"),
        keepalive=True,
    ),
]


def nginx_conf(folder: Path, variant: Variant) -> str:
    """Return the least conf that asks gunicorn and sends the file."""
    if variant.uwsgi:
        ask = """uwsgi_pass up; uwsgi_param REQUEST_METHOD $request_method;
            uwsgi_param PATH_INFO $document_uri; uwsgi_param REQUEST_URI $request_uri;
            uwsgi_param QUERY_STRING $query_string; uwsgi_param HTTP_HOST $host;
            uwsgi_param SERVER_PROTOCOL $server_protocol;
            uwsgi_param SERVER_NAME $host; uwsgi_param SERVER_PORT 80;"""
    else:
        connection = '""' if variant.keepalive else "close"
        ask = f"""proxy_pass http://up; proxy_http_version 1.1;
            proxy_set_header Connection {connection}; proxy_set_header Host $host;"""
    return f"""
        worker_processes 1; pid {folder}/nginx.pid; error_log stderr error; daemon off;
        {"user root;" if os.geteuid() == 0 else ""}
        events {{ worker_connections 1024; }}
        http {{ access_log off; client_body_temp_path {folder}/b;
        proxy_temp_path {folder}/p; uwsgi_temp_path {folder}/u;
        fastcgi_temp_path {folder}/f; scgi_temp_path {folder}/s;
        upstream up {{ server unix:{folder}/sock;
                       {"keepalive 32;" if variant.keepalive else ""} }}
        server {{ listen 127.0.0.1:{PORT};
        location / {{ {ask} }}
        location /_files/ {{ internal; alias {folder}/files/; sendfile on; }} }} }}"""


def measure(variant: Variant, folder: Path, keys: KeyRing) -> float:
    """Return requests a second of one round."""
    (folder / "nginx.conf").write_text(nginx_conf(folder, variant))
    environment = {
        **os.environ,
        "GATEWAY_KEYS": str(keys),
        "GATEWAY_FILES": str(folder / "files"),
        "GATEWAY_DATA": str(folder),
    }
    gunicorn = subprocess.Popen(
        [sys.executable, "-m", "gunicorn", "--workers=2", "--log-level=error",
         "--no-control-socket", "--worker-tmp-dir=/dev/shm",
         f"--bind=unix:{folder}/sock", *variant.arguments, "gateway.wsgi:app"],
        env=environment, cwd=folder,
    )  # fmt: skip
    nginx = subprocess.Popen(["nginx", "-e", "stderr", "-c", folder / "nginx.conf"])
    signer = LinkSigner(keys, f"http://127.0.0.1:{PORT}")
    url = signer.sign("small.txt", expires=timedelta(days=1))
    try:
        time.sleep(1.5)
        load = subprocess.run(
            ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{SECONDS}s", url],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
    finally:
        for process in (nginx, gunicorn):
            process.send_signal(signal.SIGTERM)
            process.wait(10)
    rate = re.search(r"Requests/sec:\s+([\d.]+)", load.stdout)
    if rate is None or "Non-2xx" in load.stdout:
        raise SystemExit(f"{variant.name}: wrong answers\n{load.stdout}")
    return float(rate[1])


def main() -> None:
    """Run the rounds and print the table."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    has_h1c = importlib.util.find_spec("gunicorn_h1c") is not None
    variants = [v for v in VARIANTS if has_h1c or "h1c" not in v.name]
    rates: dict[str, list[float]] = {variant.name: [] for variant in variants}
    with tempfile.TemporaryDirectory(prefix="gw-") as name:
        folder = Path(name)
        (folder / "files").mkdir()
        (folder / "files" / "small.txt").write_bytes(b"x" * 4096)
        keys = KeyRing((Key.generate(),))
        for _ in range(rounds):
            for variant in variants:
                rates[variant.name].append(measure(variant, folder, keys))
    first = rates[variants[0].name]
    print("| variant | requests/s | ratio | least | most |")
    print("| --- | --: | --: | --: | --: |")
    for label, measured in rates.items():
        ratios = [a / b for a, b in zip(measured, first, strict=True)]
        print(
            f"| {label} | {statistics.median(measured):.0f} | "
            f"{statistics.median(ratios):.2f} | {min(ratios):.2f} | {max(ratios):.2f} |"
        )


if __name__ == "__main__":
    main()
