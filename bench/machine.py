"""The machine and the software versions of a benchmark."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from importlib.metadata import version
from pathlib import Path

from bench import seaweedfs
from bench.contestants import RCLONE_PROGRAM
from gateway.runtime.live_conf import find_nginx

PACKAGES = (
    "gunicorn",
    "flask",
    "werkzeug",
    "itsdangerous",
    "django",
    "django-sendfile2",
    "obstore",
    "starlette",
    "uvicorn",
)


def machine() -> str:
    """Return the processor, its cores, the memory and the kernel, in one line."""
    model = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    memory = re.search(r"MemTotal:\s+(\d+)", Path("/proc/meminfo").read_text())
    gib = round(int(memory[1]) / 2**20) if memory else 0
    return (
        f"{len(os.sched_getaffinity(0))} cores of {model[1] if model else 'unknown'}, "
        f"{gib} GiB of memory; Linux {platform.release()}"
    )


def versions() -> str:
    """Return the software with its versions, in one line."""
    names = [f"{name} {version(name)}" for name in PACKAGES]
    return ", ".join(
        [
            f"Python {platform.python_version()}",
            _version([find_nginx(), "-v"], r"nginx/(\S+)", "nginx"),
            *names,
            _version([RCLONE_PROGRAM, "version"], r"rclone v(\S+)", "rclone"),
            _version([seaweedfs.PROGRAM, "version"], r"version \S+ (\S+)", "SeaweedFS"),
            _version(["wrk", "-v"], r"wrk (?:debian/)?(\S+)", "wrk"),
        ]
    )


def _version(command: list[str], pattern: str, name: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    match = re.search(pattern, done.stdout + done.stderr)
    return f"{name} {match[1] if match else '?'}"
