"""URLs of style, scripts and icon; nginx serves them (``snippets/statics.conf``)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

PREFIX: Final = "/static/"


@dataclass(frozen=True)
class StaticFiles:
    """The URL of each file; it changes with the content, so that it can be cached."""

    urls: dict[str, str]

    @classmethod
    def of(cls, contents: Mapping[str, bytes]) -> StaticFiles:
        """Return the URLs for these contents, by file name."""
        return cls(
            {
                name: f"{PREFIX}{name}?v={hashlib.sha256(content).hexdigest()[:12]}"
                for name, content in contents.items()
            }
        )

    def url(self, name: str) -> str:
        """Return the URL of a file, or an empty string for an unknown name."""
        return self.urls.get(name, "")
