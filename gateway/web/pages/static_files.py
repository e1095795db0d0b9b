"""Style and scripts: nginx serves them, the pages name them by their content."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

PREFIX: Final = "/static/"


@dataclass(frozen=True)
class Statics:
    """Where each file is; its URL changes with its content, and is kept for long."""

    urls: dict[str, str]

    @classmethod
    def of(cls, contents: Mapping[str, bytes]) -> Statics:
        """Name the files of these contents."""
        return cls(
            {
                name: f"{PREFIX}{name}?v={hashlib.sha256(content).hexdigest()[:12]}"
                for name, content in contents.items()
            }
        )

    def url(self, name: str) -> str:
        """Return the URL of a file, or nothing if there is none of that name."""
        return self.urls.get(name, "")
