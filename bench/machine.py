"""On what, and with which versions, a benchmark ran."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from importlib.metadata import version
from pathlib import Path

from bench.contestants import RCLONE_PROGRAM
from gateway.runtime.live_conf import find_nginx

PACKAGES = (
    "gunicorn",
    "flask",
    "werkzeug",
    "itsdangerous",
    "django",
    "django-sendfile2",
    "starlette",
    "uvicorn",
)


def machine() -> str:
    """Return the processor, its cores, the memory and the kernel, in a line."""
    model = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    memory = re.search(r"MemTotal:\s+(\d+)", Path("/proc/meminfo").read_text())
    gib = round(int(memory[1]) / 2**20) if memory else 0
    return (
        f"{len(os.sched_getaffinity(0))} cores of {model[1] if model else 'unknown'}, "
        f"{gib} GiB of memory; Linux {platform.release()}"
    )


def versions() -> str:
    """Return what took part, with versions, in a line."""
    names = [f"{name} {version(name)}" for name in PACKAGES]
    return ", ".join(
        [
            f"Python {platform.python_version()}",
            _said([find_nginx(), "-v"], r"nginx/(\S+)", "nginx"),
            *names,
            _said([RCLONE_PROGRAM, "version"], r"rclone v(\S+)", "rclone"),
            _said(["wrk", "-v"], r"wrk (?:debian/)?(\S+)", "wrk"),
        ]
    )


def _said(command: list[str], pattern: str, name: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    found = re.search(pattern, done.stdout + done.stderr)
    return f"{name} {found[1] if found else '?'}"
