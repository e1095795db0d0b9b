"""Small file systems that a test can fill; mounting them needs root."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

from tests.lacking import lacking

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

#: Makes missing rights a failure instead of a skip.
REQUIRED: Final = "REQUIRE_MOUNTS"


_HUNGRY: Final = """
import os, sys
file = open(sys.argv[1], "ab")
is_full = False
while True:
    try:
        os.posix_fallocate(file.fileno(), 0, os.fstat(file.fileno()).st_size + 4096)
    except OSError:
        if not is_full:
            print("full", flush=True)
        is_full = True
"""


class Disk:
    """One of them; ``fill`` takes all its room, ``empty`` gives it back."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @property
    def _ballast(self) -> Path:
        return self.root / "somebody-elses"

    def fill(self) -> None:
        """Take all room."""
        with self._ballast.open("wb") as file:
            while (free := self._free()) > 0:
                # The gateway may take some of it between the look and this.
                with suppress(OSError):
                    os.posix_fallocate(file.fileno(), file.tell(), free)
                    file.seek(free, os.SEEK_CUR)

    @contextmanager
    def kept_full(self) -> Iterator[None]:
        """Have another process take all room, and whatever becomes free."""
        hungry = subprocess.Popen(
            [sys.executable, "-c", _HUNGRY, str(self._ballast)],
            stdout=subprocess.PIPE,
        )
        assert hungry.stdout is not None
        try:
            # It says so when nothing is left for the first time.
            assert hungry.stdout.readline() == b"full\n"
            yield
        finally:
            hungry.kill()
            hungry.wait()
            hungry.stdout.close()

    def fill_names(self, *, but: int = 0) -> None:
        """Take all inodes but *but* of them: names and folders need one each."""
        self._ballast.mkdir()
        for number in range(os.statvfs(self.root).f_ffree - but):
            (self._ballast / str(number)).touch()

    def empty(self) -> None:
        subprocess.run(["rm", "-rf", str(self._ballast)], check=True)

    def _free(self) -> int:
        state = os.statvfs(self.root)
        return state.f_bavail * state.f_frsize


@contextmanager
def small_disk(root: Path, size: str, inodes: int = 1000) -> Iterator[Disk]:
    """Mount a memory file system at *root* for as long as it takes."""
    require_root()
    root.mkdir(parents=True)
    options = f"size={size},nr_inodes={inodes},mode=0700"
    subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(root)], check=True
    )
    try:
        yield Disk(root)
    finally:
        subprocess.run(["umount", str(root)], check=True)


def require_root() -> None:
    """Skip where nothing can be mounted; fail instead where that is required."""
    if os.geteuid() != 0:
        lacking("mounting a small file system needs root", required=REQUIRED)
