"""Parses untrusted path text into a checked value."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from gateway.errors import NotServableError

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
MAXIMUM_BYTES: Final = 4095  # PATH_MAX without its NUL
MAXIMUM_SEGMENT_BYTES: Final = 255  # NAME_MAX


@dataclass(frozen=True)
class FilePath:
    """A relative path that may name a served file.

    Its segments are separated by ``/``; none is empty or begins with a dot.  It has no
    control character and is within the kernel's limits.  The files tree decides
    whether the file exists.
    """

    text: str

    @classmethod
    def parse(cls, text: str) -> FilePath:
        """Parse decoded *text*; raise NotServableError with the reason."""
        segments = text.split("/")
        if "" in segments:
            raise NotServableError("empty-segment")
        if any(segment.startswith(".") for segment in segments):
            raise NotServableError("dot-segment-or-hidden")
        if _CONTROL.search(text):
            raise NotServableError("control-character")
        try:
            sizes = [len(segment.encode()) for segment in segments]
        except UnicodeEncodeError:
            raise NotServableError("not-utf-8") from None
        whole = sum(sizes) + len(sizes) - 1
        if max(sizes) > MAXIMUM_SEGMENT_BYTES or whole > MAXIMUM_BYTES:
            raise NotServableError("too-long")
        return cls(text)

    @classmethod
    def decode(cls, raw: bytes) -> FilePath:
        """Parse percent-decoded bytes, which must be UTF-8."""
        try:
            return cls.parse(raw.decode())
        except UnicodeDecodeError:
            raise NotServableError("not-utf-8") from None

    @property
    def name(self) -> str:
        """The last segment."""
        return self.text.rpartition("/")[2]
