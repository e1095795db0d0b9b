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
_TEXTS = re.compile(r"^charset_types ([^;]*);$", re.MULTILINE)
# nginx appends the charset to this type, whether it is listed or not.
_ALWAYS_TEXT: Final = "text/html"

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
    """Maps suffixes (lower case, without the dot) to media types.

    ``texts`` are the types that are sent with a charset, which is always UTF-8.
    """

    by_suffix: dict[str, str]
    texts: frozenset[str]

    @classmethod
    def read(cls, conf: Path) -> MediaTypes:
        """Read nginx's ``types`` block and ``charset_types`` from the file *conf*."""
        text = conf.read_text("utf-8")
        return cls(
            {
                suffix: media_type
                for media_type, suffixes in _ENTRY.findall(text)
                for suffix in suffixes.split()
            },
            frozenset(" ".join([_ALWAYS_TEXT, *_TEXTS.findall(text)]).split()),
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

    def content_type(self, media_type: str) -> str:
        """Return the Content-Type that nginx sends for this *media_type*."""
        is_text = media_type in self.texts
        return f"{media_type}; charset=utf-8" if is_text else media_type


def is_inert(media_type: str) -> bool:
    """Return whether browsers may show this type in the gateway's own origin."""
    return media_type in _INERT or media_type.startswith(_INERT_FAMILIES)
