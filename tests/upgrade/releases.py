"""Earlier releases, run from the history of this repository with today's packages."""

from __future__ import annotations

import subprocess
import sys
import tarfile
from contextlib import contextmanager
from io import BytesIO
from typing import TYPE_CHECKING, Final

from tests.lacking import lacking
from tests.live.stack import ROOT, NativeStack

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

#: The commit of version 0.1.0, which had no catalog.
FIRST: Final = "1148dd7ab87da8c361388bf28e0f0f494e18a06c"
#: The last commit of schema 0012, which later schemas do not fit.
SCHEMA_0012: Final = "71970f4a8b06cf1e0a1b30c4bccee000910e9bf2"
#: The last commit of schema 0014, which the present schema fits.
SCHEMA_0014: Final = "791fa040b8879e7d6d84a77c154fe140e12226ca"


def unpack(commit: str, folder: Path) -> Path:
    """Write the program of *commit* into *folder*; return the folder."""
    archive = ["git", "archive", commit, "gateway", "nginx", "gunicorn.conf.py"]
    done = subprocess.run(archive, cwd=ROOT, capture_output=True, check=False)
    if done.returncode:
        lacking(f"commit {commit} is not in the clone", required="REQUIRE_HISTORY")
    with tarfile.open(fileobj=BytesIO(done.stdout)) as packed:
        packed.extractall(folder, filter="data")
    return folder


class Machine(NativeStack):
    """Folders on which several releases serve, one after the other.

    ``source`` is the folder of the release that is installed, None the present one.
    """

    def __init__(self) -> None:
        super().__init__()
        del self.settings["GATEWAY_KEYS"]  # they are in the data folder
        self.data = self.home / "data"
        self.source: Path | None = None

    def prepare(self) -> None:
        super().prepare()
        if self.source is not None:
            self.environment["PYTHONPATH"] = f"{self.home}/python:{self.source}"

    @contextmanager
    def serving(self, source: Path | None = None) -> Iterator[None]:
        """Install a release and serve with it; its data stay."""
        self.source = source
        self.ready = NativeStack.ready if source is None else ("Serving",)
        self.start()
        try:
            yield
        finally:
            self.end()
        self.assert_clean()

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command of the installed release."""
        self.prepare()
        return subprocess.run(
            [sys.executable, "-m", "gateway", *arguments],
            env=self.environment,
            cwd=self.home,
            capture_output=True,
            text=True,
            check=False,
        )

    def said(self, *arguments: str) -> str:
        """Run a command of the installed release that must succeed."""
        done = self.run(*arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()
