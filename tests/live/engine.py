"""The Docker engine, where there is one, and the images that the tests run in it."""

from __future__ import annotations

import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Final

from tests.lacking import lacking

_ROOT: Final = Path(__file__).resolve().parents[2]


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
    if reason is not None:
        lacking(reason, required="REQUIRE_CONTAINERS")


@cache
def build_images() -> dict[str, str]:
    """Build both images once; return the id of each.

    Ids, since a run of the tests in another checkout takes the names for its own.
    """
    run(["docker", "compose", "build"])
    names = ("gateway", "nginx")
    inspect = ["docker", "image", "inspect", "--format", "{{.Id}}"]
    ids = run([*inspect, *(f"accel-gateway/{name}" for name in names)]).split()
    return dict(zip(names, ids, strict=True))


def run(command: list[str], env: dict[str, str] | None = None) -> str:
    """Run a command at the top of the repository; return what it printed."""
    done = subprocess.run(
        command,
        env=env,
        cwd=_ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    said = done.stdout.decode(errors="replace")
    assert done.returncode == 0, f"{command}:\n{said}"
    return said
