"""The ledger's files: rotated at each start of nginx, and when they are large."""

from __future__ import annotations

import subprocess
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from gateway.errors import SuperviseError
from gateway.metrics.verdicts import KEPT

if TYPE_CHECKING:
    from pathlib import Path

#: The script that is rendered beside nginx.conf.
SCRIPT: Final = "ledger.sh"
#: ``current.log`` is rotated when it has this many bytes; of ``kept`` the blocks are
#: freed.
LONG: Final = 64 * 2**20
#: The bytes of a block in stat(2)'s ``st_blocks``.
_BLOCK: Final = 512


@dataclass(frozen=True)
class LedgerFile:
    """The files that nginx writes to ``folder``; ``script`` is the rendered ledger.sh.

    ``current.log`` is the ledger.  The size of ``kept`` is the number of deliveries
    with a cached verdict; only its blocks are freed.
    """

    folder: Path
    script: Path

    def begin(self) -> None:
        """Rename the file of a previous nginx; raise SuperviseError on failure."""
        result = self._run("begin")
        if result.returncode:
            raise SuperviseError(f"can't start the ledger: {result.stderr.strip()}")

    def rotate(self, nginx: int) -> str:
        """Rotate the files if one is large or was deleted; *nginx* is a process id.

        Return a warning for the operator, or an empty string.
        """
        with suppress(FileNotFoundError):
            is_short = (self.folder / "current.log").stat().st_size < LONG
            if is_short and not self._must_free_blocks():
                return ""
        return self._run("rotate", str(nginx), str(LONG)).stderr.strip()

    def _must_free_blocks(self) -> bool:
        return any(
            _blocks(self.folder / name) * _BLOCK >= LONG for name in KEPT.values()
        )

    def _run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["/bin/sh", self.script, *arguments],
            capture_output=True,
            text=True,
            check=False,
        )


def _blocks(path: Path) -> int:
    try:
        return path.stat().st_blocks
    except FileNotFoundError:
        return 0
