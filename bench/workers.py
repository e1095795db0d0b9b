"""Find the gunicorn worker, protocol and keepalive with the cheapest verdicts.

    .venv/bin/python -m bench.workers [ROUNDS]

All variants answer the same verdict through the same nginx, which delivers no file, in
interleaved rounds.  The table shows the processor time per answer of both programs,
and requests per second, relative to the first variant in the same round.  Needs wrk
(Debian), and for the h1c variants gunicorn-h1c (PyPI).
"""

from __future__ import annotations

import importlib.util
import os
import statistics
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from bench import load, processor
from bench.processes import HOST, free_port, serving
from bench.rounds import digits, interleaved, ratio, table
from gateway.links import Key, KeyRing, LinkSigner
from gateway.links.server_secret import ServerSecret
from gateway.runtime.live_conf import find_nginx

SECONDS = 2.0
#: Seconds to warm up.
WARMING = 0.3
CONNECTIONS = 32
WORKERS = 2
CLOSING = "gateway.runtime.verdict_worker.VerdictWorker"


@dataclass(frozen=True)
class Variant:
    """gunicorn's arguments, and how nginx connects to it."""

    name: str
    arguments: tuple[str, ...]
    keepalive: bool = False
    uwsgi: bool = False


PYTHON, H1C = "--http-parser=python", "--http-parser=fast"
KEEPALIVE = ("--threads=4", "--keep-alive=65")
VARIANTS = [
    Variant("sync", (PYTHON,)),
    Variant("sync, closing at once", (PYTHON, f"--worker-class={CLOSING}")),
    Variant("sync, h1c parser", (H1C,)),
    Variant("sync, uwsgi", ("--protocol=uwsgi",), uwsgi=True),
    Variant("gthread x4", (PYTHON, "--threads=4", "--keep-alive=0")),
    Variant("gthread x4, kept alive", (PYTHON, *KEEPALIVE), keepalive=True),
    Variant("gthread x4, h1c, kept alive", (H1C, *KEEPALIVE), keepalive=True),
]


@dataclass(frozen=True)
class Figures:
    """Requests per second, and the seconds of processor time per request."""

    rate: float
    gunicorn: float
    nginx: float


def nginx_conf(folder: Path, port: int, variant: Variant) -> str:
    """Return a minimal nginx.conf that asks gunicorn for a verdict."""
    if variant.uwsgi:
        ask = """uwsgi_pass up; uwsgi_param REQUEST_METHOD $request_method;
            uwsgi_param PATH_INFO $document_uri; uwsgi_param REQUEST_URI $request_uri;
            uwsgi_param QUERY_STRING $query_string; uwsgi_param HTTP_HOST $host;
            uwsgi_param SERVER_PROTOCOL $server_protocol;
            uwsgi_param HTTP_X_VERDICT $request_id;
            uwsgi_param SERVER_NAME $host; uwsgi_param SERVER_PORT 80;"""
    else:
        ask = """proxy_pass http://up; proxy_http_version 1.1;
            proxy_pass_request_headers off; proxy_set_header Connection "";
            proxy_set_header Host $host; proxy_set_header X-Verdict $request_id;"""
    return f"""
        worker_processes 1; pid {folder}/nginx.pid; error_log stderr error; daemon off;
        {"user root;" if os.geteuid() == 0 else ""}
        events {{ worker_connections 1024; }}
        http {{ access_log off; client_body_temp_path {folder}/b;
        proxy_temp_path {folder}/p; uwsgi_temp_path {folder}/u;
        fastcgi_temp_path {folder}/f; scgi_temp_path {folder}/s;
        upstream up {{ server unix:{folder}/sock;
                       {"keepalive 32;" if variant.keepalive else ""} }}
        server {{ listen {HOST}:{port}; location / {{ {ask} }} }} }}"""


def measure(variant: Variant, folder: Path, keys: KeyRing) -> Figures:
    """Return the figures of one round."""
    port = free_port()
    (folder / "nginx.conf").write_text(nginx_conf(folder, port, variant))
    command = [
        *(sys.executable, "-m", "gunicorn", f"--workers={WORKERS}"),
        *("--log-level=error", "--no-control-socket", "--worker-tmp-dir=/dev/shm"),
        *(f"--bind=unix:{folder}/sock", *variant.arguments, "gateway.wsgi:app"),
    ]
    nginx = [find_nginx(), "-e", "stderr", "-c", f"{folder}/nginx.conf"]
    url = LinkSigner(keys, f"http://{HOST}:{port}").sign(
        "small.txt", expires=timedelta(days=1)
    )
    with ExitStack() as stack:
        settings = environment(folder, keys)
        log = folder / "log"
        stack.enter_context(
            serving(command, log, f"{folder}/sock", environment=settings)
        )
        stack.enter_context(serving(nginx, log, (HOST, port)))
        load.check(url, b"")  # workers may still be booting
        load.run([url], connections=CONNECTIONS, seconds=WARMING)
        before = processor.spent()
        measured = load.run([url], connections=CONNECTIONS, seconds=SECONDS)
        after = processor.spent()
        return Figures(
            measured.rate,
            (after.others - before.others) / measured.requests,
            (after.nginx - before.nginx) / measured.requests,
        )


def environment(folder: Path, keys: KeyRing) -> dict[str, str]:
    """Return the gateway's settings."""
    return {
        "GATEWAY_KEYS": str(keys),
        "GATEWAY_SECRET": str(ServerSecret.generate()),
        "GATEWAY_FILES": str(folder / "files"),
        "GATEWAY_DATA": str(folder / "data"),
    }


def main() -> None:
    """Run the rounds and print the table."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    has_h1c = importlib.util.find_spec("gunicorn_h1c") is not None
    variants = [v for v in VARIANTS if has_h1c or "h1c" not in v.name]
    with tempfile.TemporaryDirectory(prefix="gw-") as name:
        folder = Path(name)
        (folder / "files").mkdir()
        (folder / "files" / "small.txt").write_bytes(b"x" * 4096)
        keys = KeyRing((Key.generate(),))
        subprocess.run(
            [sys.executable, "-m", "gateway", "db", "upgrade"],
            env={**os.environ, **environment(folder, keys)},
            check=True,
        )
        runners = {v.name: lambda v=v: measure(v, folder, keys) for v in variants}
        figures = interleaved(runners, rounds, "workers")
    first = figures[variants[0].name]
    rows = [
        [
            label,
            digits(statistics.median(each.gunicorn for each in rounds_of) * 1e6),
            str(ratio([e.gunicorn for e in rounds_of], [e.gunicorn for e in first])),
            str(ratio([e.nginx for e in rounds_of], [e.nginx for e in first])),
            str(ratio([e.rate for e in rounds_of], [e.rate for e in first])),
        ]
        for label, rounds_of in figures.items()
    ]
    head = ["variant", "gunicorn, us", "gunicorn, ratio", "nginx", "requests/s"]
    print(table(head, rows))


if __name__ == "__main__":
    main()
