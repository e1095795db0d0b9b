"""The Docker engine, if it is available, and the images for the tests."""

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
    """Return the reason why containers can't run here, or None."""
    if shutil.which("docker") is None:
        return "docker is not installed"
    for command in (["docker", "info"], ["docker", "compose", "version"]):
        done = subprocess.run(command, capture_output=True, check=False)
        if done.returncode:
            return f"{' '.join(command)} fails"
    return None


def require_containers() -> None:
    """Skip the test if no engine runs; fail if REQUIRE_CONTAINERS is set."""
    reason = missing_engine()
    if reason is not None:
        lacking(reason, required="REQUIRE_CONTAINERS")


@cache
def build_images() -> dict[str, str]:
    """Build both images once; return their ids by name.

    Tests use the ids, since a test run in another checkout reuses the names.
    """
    run(["docker", "compose", "build"])
    names = ("gateway", "nginx")
    inspect = ["docker", "image", "inspect", "--format", "{{.Id}}"]
    ids = run([*inspect, *(f"accel-gateway/{name}" for name in names)]).split()
    return dict(zip(names, ids, strict=True))


def run(command: list[str], env: dict[str, str] | None = None) -> str:
    """Run a command at the top of the repository; return its output."""
    done = subprocess.run(
        command,
        env=env,
        cwd=_ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    output = done.stdout.decode(errors="replace")
    assert done.returncode == 0, f"{command}:\n{output}"
    return output
