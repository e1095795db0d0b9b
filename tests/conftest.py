"""What all tests share: whether the container tests may be left out."""

from __future__ import annotations

import os
import shutil
import subprocess
from functools import cache

import pytest


@cache
def missing_engine() -> str | None:
    """Return why containers can't run here, or None."""
    if shutil.which("docker") is None:
        return "docker is not installed"
    for command in (["docker", "info"], ["docker", "compose", "version"]):
        done = subprocess.run(command, capture_output=True, check=False)
        if done.returncode:
            return f"{' '.join(command)} fails"
    return None


def require_containers() -> None:
    """Skip where no engine runs; fail instead where containers are required."""
    reason = missing_engine()
    if reason is None:
        return
    if os.environ.get("REQUIRE_CONTAINERS") == "1":
        pytest.fail(f"the container tests are required, but {reason}")
    pytest.skip(reason)
