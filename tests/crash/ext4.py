"""An ext4 in a file, whose power can be cut."""

from __future__ import annotations

import fcntl
import os
import struct
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from tests.live.disks import require_root

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

#: fs/ext4/ext4.h: no more writes, and nothing that waits is written any more.
_SHUTDOWN: Final = 0x8004587D  # _IOR('X', 125, __u32)
_NO_LOG_FLUSH: Final = 2


class Ext4:
    """The file system; ``root`` is where it is mounted."""

    def __init__(self, image: Path, root: Path) -> None:
        self._image = image
        self.root = root

    def mount(self) -> None:
        options = ["-o", "loop"]
        subprocess.run(["mount", *options, self._image, self.root], check=True)

    def umount(self) -> None:
        subprocess.run(["umount", self.root], check=True)

    def cut_power(self) -> None:
        """Forget all that was not asked to be durable; only ``umount`` is left."""
        descriptor = os.open(self.root, os.O_RDONLY)
        try:
            fcntl.ioctl(descriptor, _SHUTDOWN, struct.pack("I", _NO_LOG_FLUSH))
        finally:
            os.close(descriptor)


@contextmanager
def ext4(home: Path, *, megabytes: int = 256) -> Iterator[Ext4]:
    """Make one in *home* and mount it for as long as it takes."""
    require_root()
    image, root = home / "image", home / "mounted"
    with image.open("wb") as file:
        file.truncate(megabytes << 20)
    subprocess.run(["mkfs.ext4", "-q", image], check=True)
    root.mkdir()
    disk = Ext4(image, root)
    disk.mount()
    try:
        yield disk
    finally:
        disk.umount()
        image.unlink()
