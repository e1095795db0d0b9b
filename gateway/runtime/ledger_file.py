"""The ledger's file while nginx runs: begun anew at each start, and when it is long."""

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
#: Bytes from which another file is begun.
LONG: Final = 64 * 2**20


@dataclass(frozen=True)
class LedgerFile:
    """The file ``current.log`` in *folder*; *script* is the rendered ``ledger.sh``."""

    folder: Path
    script: Path

    def begin(self) -> None:
        """Set aside what an earlier nginx has written; raise SuperviseError if not."""
        ran = self._run("begin")
        if ran.returncode:
            raise SuperviseError(f"the ledger can't be begun: {ran.stderr.strip()}")

    def rotate(self, nginx: int) -> str:
        """Have nginx, a process id, begin another file if this one is long or gone.

        Return what an operator should know, or nothing.
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
