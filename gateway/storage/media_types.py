"""Media types by file name, from the one table that nginx reads too.

``nginx/snippets/media_types.conf`` is nginx's ``types`` block.  What the
gateway decides about a type and what nginx then sends can't part ways.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

DEFAULT: Final = "application/octet-stream"

_ENTRY = re.compile(r"^ +([a-z]+/[a-z0-9.+-]+) +([a-z0-9][a-z0-9 ]*);$", re.MULTILINE)

# Types that no browser runs script from, whatever the file holds.  SVG, HTML,
# XML and everything unlisted is scriptable or unknown: it is downloaded.
_INERT: Final = frozenset(
    {
        "application/pdf",
        "image/avif",
        "image/bmp",
        "image/gif",
        "image/jpeg",
        "image/png",
        "image/webp",
        "image/x-icon",
        "text/plain",
    }
)
_INERT_FAMILIES: Final = ("audio/", "video/")


@dataclass(frozen=True)
class MediaTypes:
    """Suffix (lower case, no dot) to media type."""

    by_suffix: dict[str, str]

    @classmethod
    def read(cls, conf: Path) -> MediaTypes:
        """Read nginx's ``types`` block from the file *conf*."""
        return cls(
            {
                suffix: media_type
                for media_type, suffixes in _ENTRY.findall(conf.read_text("utf-8"))
                for suffix in suffixes.split()
            }
        )

    def of(self, name: str) -> str:
        """Return the type that nginx gives a file of this *name*.

        As nginx does: by the part after the last dot, ASCII letters in any case.
        """
        stem, _, suffix = name.rpartition(".")
        # lower() would make an ASCII k of the Kelvin sign, which nginx does not.
        if not (stem and suffix.isascii()):
            return DEFAULT
        return self.by_suffix.get(suffix.lower(), DEFAULT)


def is_inert(media_type: str) -> bool:
    """Tell whether a browser may show this type in the gateway's own origin."""
    return media_type in _INERT or media_type.startswith(_INERT_FAMILIES)
