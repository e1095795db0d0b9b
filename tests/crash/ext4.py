"""An ext4 file system in a file, with simulated power cuts."""

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

#: fs/ext4/ext4.h: stop all writes, and drop writes that are pending.
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
        """Drop all data that was not synced; then only ``umount`` works."""
        descriptor = os.open(self.root, os.O_RDONLY)
        try:
            fcntl.ioctl(descriptor, _SHUTDOWN, struct.pack("I", _NO_LOG_FLUSH))
        finally:
            os.close(descriptor)


@contextmanager
def ext4(home: Path, *, megabytes: int = 256) -> Iterator[Ext4]:
    """Create a file system in *home*, and mount it within the context."""
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
