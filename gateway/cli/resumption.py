"""Which uploads were begun from this machine: one small file for each.

So a second ``gateway upload`` goes on where the first one was interrupted.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Begun:
    """What is remembered of one file's upload: its path at the gateway."""

    file: Path

    @classmethod
    def of(cls, folder: Path, url: str, path: Path, stat: os.stat_result) -> Begun:
        """Return the memory of *path* as it is now, sent to *url*.

        A file that has changed since is another one.
        """
        facts = (url, str(path.resolve()), str(stat.st_size), str(stat.st_mtime_ns))
        text = os.fsencode("\0".join(facts))
        return cls(folder / hashlib.sha256(text).hexdigest())

    def recall(self) -> str | None:
        """Return the path at the gateway, or None."""
        try:
            return self.file.read_text("utf-8").strip() or None
        except OSError:
            return None

    def remember(self, path: str) -> None:
        """Keep the path at the gateway."""
        self.file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.file.write_text(f"{path}\n", "utf-8")

    def forget(self) -> None:
        """Keep nothing any more."""
        self.file.unlink(missing_ok=True)
