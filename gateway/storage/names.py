"""The name that an upload is shown under: never a path, never on disk."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Final

from gateway.errors import BadNameError

MAXIMUM_BYTES: Final = 255
# Controls, line and paragraph separators, and what turns text around: a name
# like "annex\u202efdp.exe" must not read as "annexexe.pdf".  And what has no width,
# but for the two joiners, which Persian, Hindi and emoji are written with.
_INVISIBLE: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e"
    "\u2060-\u206f\ufeff\ufff9-\ufffb]"
)
_SEPARATORS: Final = re.compile(r"[/\\]")
_SUFFIX: Final = re.compile(r"\.[A-Za-z0-9]{1,16}")
# Names that Windows gives to devices: saved there, they would be no file.
_DEVICES: Final = re.compile(
    r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]) *(\..*)?", re.IGNORECASE
)


@dataclass(frozen=True)
class DisplayName:
    """A name as its owner meant it: NFC, Unicode kept, controls gone."""

    text: str

    @classmethod
    def parse(cls, text: str) -> DisplayName:
        """Make a name of what a client sent; raise BadNameError if nothing is left.

        A path gives its last part, whichever way its slashes lean.  Too long a
        name is shortened before its suffix, at a character's boundary.
        """
        try:
            text.encode()
        except UnicodeEncodeError:
            raise BadNameError("a name must be valid Unicode") from None
        last = _SEPARATORS.split(text.rstrip("/\\"))[-1]
        name = unicodedata.normalize("NFC", visible(last)).strip().rstrip(". ")
        if not name:
            raise BadNameError("a file needs a name")
        name = _shorten(name)
        return cls(_shorten(f"_{name}") if _DEVICES.fullmatch(name) else name)

    @property
    def suffix(self) -> str:
        """The part after the last dot, in lower case, or nothing."""
        stem, dot, suffix = self.text.rpartition(".")
        return suffix.lower() if stem and dot else ""


def visible(text: str) -> str:
    """Return *text* without what no one sees, and what turns other text around."""
    return _INVISIBLE.sub("", text)


def _shorten(name: str) -> str:
    if len(name.encode()) <= MAXIMUM_BYTES:
        return name
    stem, dot, suffix = name.rpartition(".")
    end = dot + suffix if stem and _SUFFIX.fullmatch(dot + suffix) else ""
    room = MAXIMUM_BYTES - len(end.encode())
    start = name[: len(name) - len(end)].encode()[:room].decode(errors="ignore")
    return start.rstrip(". ") + end or "_"
