"""The ledger's log file: rotated at each start of nginx, and when it is large."""

from __future__ import annotations

import subprocess
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from gateway.errors import SuperviseError

if TYPE_CHECKING:
    from pathlib import Path

#: The script that is rendered beside nginx.conf.
SCRIPT: Final = "ledger.sh"
#: The file is rotated when it has this many bytes.
LONG: Final = 64 * 2**20


@dataclass(frozen=True)
class LedgerFile:
    """The file ``current.log`` in ``folder``; ``script`` is the rendered ledger.sh."""

    folder: Path
    script: Path

    def begin(self) -> None:
        """Rename the file of a previous nginx; raise SuperviseError on failure."""
        result = self._run("begin")
        if result.returncode:
            raise SuperviseError(f"can't start the ledger: {result.stderr.strip()}")

    def rotate(self, nginx: int) -> str:
        """Rotate the file if it is large or was deleted; *nginx* is a process id.

        Return a warning for the operator, or an empty string.
        """
        with suppress(FileNotFoundError):
            if (self.folder / "current.log").stat().st_size < LONG:
                return ""
        return self._run("rotate", str(nginx), str(LONG)).stderr.strip()

    def _run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["/bin/sh", self.script, *arguments],
            capture_output=True,
            text=True,
            check=False,
        )
