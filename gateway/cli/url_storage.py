"""The upload URLs that ``gateway upload`` resumes, one small file each.

tus clients call this the URL storage: a second ``gateway upload`` of the same file
finds the interrupted upload session in it.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class StoredURL:
    """The stored path of one local file's upload session."""

    file: Path

    @classmethod
    def of(cls, folder: Path, url: str, path: Path, stat: os.stat_result) -> StoredURL:
        """Return the entry for uploading *path* to the gateway at *url*.

        The size and modification time in *stat* are part of the entry's name: a file
        that has changed gets a new upload session.
        """
        fingerprint = (
            url,
            str(path.resolve()),
            str(stat.st_size),
            str(stat.st_mtime_ns),
        )
        text = os.fsencode("\0".join(fingerprint))
        return cls(folder / hashlib.sha256(text).hexdigest())

    def load(self) -> str | None:
        """Return the path of the upload session, or None if none is stored."""
        try:
            return self.file.read_text("utf-8").strip() or None
        except OSError:
            return None

    def save(self, path: str) -> None:
        """Store the path of the upload session."""
        self.file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.file.write_text(f"{path}\n", "utf-8")

    def delete(self) -> None:
        """Delete the entry, if it exists."""
        self.file.unlink(missing_ok=True)
