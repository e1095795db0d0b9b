"""Media types by file name, from the table that nginx reads, too.

``nginx/snippets/media_types.conf`` is nginx's ``types`` block.  So the type that the
gateway decides about is always the type that nginx sends.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

DEFAULT: Final = "application/octet-stream"

_ENTRY = re.compile(r"^ +([a-z]+/[a-z0-9.+-]+) +([a-z0-9][a-z0-9 ]*);$", re.MULTILINE)

# Types for which browsers never run scripts, whatever the file contains.  SVG, HTML,
# XML and unlisted types are scriptable or unknown: their files are downloaded.
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
    """Maps suffixes (lower case, without the dot) to media types."""

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
        """Return the media type that nginx sends for a file of this *name*.

        Like nginx, use the part after the last dot, ASCII letters in any case.
        """
        stem, _, suffix = name.rpartition(".")
        # ASCII only: lower() turns the Kelvin sign into an ASCII k, nginx doesn't.
        if not (stem and suffix.isascii()):
            return DEFAULT
        return self.by_suffix.get(suffix.lower(), DEFAULT)


def is_inert(media_type: str) -> bool:
    """Return whether browsers may show this type in the gateway's own origin."""
    return media_type in _INERT or media_type.startswith(_INERT_FAMILIES)
