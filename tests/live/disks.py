"""Small file systems that a test can fill up; mounting them needs root."""

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

#: If this variable is set, missing privileges are a failure instead of a skip.
REQUIRED: Final = "REQUIRE_MOUNTS"


#: Fills the file argv[1] whenever the disk has free space; prints "full" once.
_FILLER: Final = """
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
    """A small file system; ``fill`` uses all its space, ``empty`` frees it."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @property
    def _ballast(self) -> Path:
        return self.root / "somebody-elses"

    def fill(self) -> None:
        """Use all free space."""
        with self._ballast.open("wb") as file:
            while (free := self._free()) > 0:
                # The gateway may use some of the space in between.
                with suppress(OSError):
                    os.posix_fallocate(file.fileno(), file.tell(), free)
                    file.seek(free, os.SEEK_CUR)

    @contextmanager
    def kept_full(self) -> Iterator[None]:
        """Have another process use all space, and any space that becomes free."""
        filler = subprocess.Popen(
            [sys.executable, "-c", _FILLER, str(self._ballast)],
            stdout=subprocess.PIPE,
        )
        assert filler.stdout is not None
        try:
            assert filler.stdout.readline() == b"full\n"
            yield
        finally:
            filler.kill()
            filler.wait()
            filler.stdout.close()

    def fill_names(self, *, but: int = 0) -> None:
        """Use all inodes except *but*: each file and each folder needs one."""
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
    """Mount a tmpfs of *size* at *root*; unmount it at the end."""
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
    """Skip the test if nothing can be mounted; fail if REQUIRE_MOUNTS is set."""
    if os.geteuid() != 0:
        lacking("mounting a small file system needs root", required=REQUIRED)
