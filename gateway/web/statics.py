"""Style and scripts: nginx serves them, the pages name them by their content."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).resolve().parent / "static"
PREFIX: Final = "/static/"


@dataclass(frozen=True)
class Statics:
    """Where each file is; its URL changes with its content, and is kept for long."""

    urls: dict[str, str]

    @classmethod
    def read(cls, folder: Path = FOLDER) -> Statics:
        """Look at all files below *folder*."""
        paths = {
            path.relative_to(folder).as_posix(): path
            for path in folder.rglob("*")
            if path.is_file()
        }
        return cls(
            {
                name: f"{PREFIX}{name}?v={_digest(path)}"
                for name, path in sorted(paths.items())
            }
        )

    def url(self, name: str) -> str:
        """Return the URL of a file, or nothing if there is none of that name."""
        return self.urls.get(name, "")


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12]
