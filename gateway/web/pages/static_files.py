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
    def of(cls, contents: Mapping[str, bytes], path_prefix: str) -> StaticFiles:
        """Return the URLs below *path_prefix* for these contents, by file name."""
        digests = {k: hashlib.sha256(c).hexdigest() for k, c in contents.items()}
        return cls(
            {
                name: f"{path_prefix}{PREFIX}{name}?v={digest[:12]}"
                for name, digest in digests.items()
            }
        )

    def url(self, name: str) -> str:
        """Return the URL of a file, or an empty string for an unknown name."""
        return self.urls.get(name, "")
