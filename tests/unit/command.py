"""Runs commands of ``gateway``, for all tests of commands."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from gateway.links import Claims, Key, KeyRing

SITE: Final = "https://files.example.com"
NOON: Final = datetime(2990, 1, 31, 12, 0, tzinfo=UTC)
HOUR: Final = timedelta(hours=1)
RING: Final = KeyRing((Key.generate(), Key.generate()))


@dataclass(frozen=True)
class Ran:
    """The result of a command: its status and both output streams."""

    status: int
    out: str
    err: str

    @property
    def claims(self) -> Claims:
        """Read the claims of the URL that was printed."""
        return Claims.parse(self.out.split("/")[4].rpartition(".")[0])

    @property
    def facts(self) -> Any:
        """Read the JSON that was printed."""
        return json.loads(self.out)


Run = Callable[..., Ran]


def script(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the installed console script with only these settings."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith("GATEWAY_")}
    scripts = str(Path(sys.executable).parent)
    return subprocess.run(
        arguments,
        env={**clean, "PATH": f"{scripts}:{clean['PATH']}", **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
