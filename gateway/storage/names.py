"""Display names of uploads: never used as a path, never as a name on disk."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Final

from gateway.errors import BadNameError

MAXIMUM_BYTES: Final = 255
# Control characters, line and paragraph separators, and characters that change the
# direction of text: "annex\u202efdp.exe" must not be shown as "annexexe.pdf".  Also
# characters without width, except the two joiners: Persian, Hindi and emoji need them.
_INVISIBLE: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e"
    "\u2060-\u206f\ufeff\ufff9-\ufffb]"
)
_SEPARATORS: Final = re.compile(r"[/\\]")
_SUFFIX: Final = re.compile(r"\.[A-Za-z0-9]{1,16}")
# Windows reserves these names for devices: no file can be saved under them.
_DEVICES: Final = re.compile(
    r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]) *(\..*)?", re.IGNORECASE
)


@dataclass(frozen=True)
class DisplayName:
    """A file name for display: Unicode in NFC, without invisible characters."""

    text: str

    @classmethod
    def parse(cls, text: str) -> DisplayName:
        """Parse a client's file name; raise BadNameError if nothing remains of it.

        Of a path, the last segment is used; slash and backslash separate segments.
        A name that is too long is cut before its suffix, between two characters.
        """
        try:
            text.encode()
        except UnicodeEncodeError:
            raise BadNameError("a name must be valid Unicode") from None
        last = _SEPARATORS.split(text.rstrip("/\\"))[-1]
        name = unicodedata.normalize("NFC", visible(last)).strip().rstrip(". ")
        if not name:
            raise BadNameError("a file needs a name")
        name = shortened(name)
        return cls(shortened(f"_{name}") if _DEVICES.fullmatch(name) else name)

    @property
    def suffix(self) -> str:
        """The part after the last dot, in lower case; empty without a dot."""
        stem, dot, suffix = self.text.rpartition(".")
        return suffix.lower() if stem and dot else ""


def visible(text: str) -> str:
    """Return *text* without invisible and direction-changing characters."""
    return _INVISIBLE.sub("", text)


def shortened(name: str) -> str:
    """Return *name*, cut before its suffix to at most ``MAXIMUM_BYTES`` of UTF-8.

    It must be valid Unicode.
    """
    if len(name.encode()) <= MAXIMUM_BYTES:
        return name
    stem, dot, suffix = name.rpartition(".")
    end = dot + suffix if stem and _SUFFIX.fullmatch(dot + suffix) else ""
    room = MAXIMUM_BYTES - len(end.encode())
    start = name[: len(name) - len(end)].encode()[:room].decode(errors="ignore")
    return start.rstrip(". ") + end or "_"
