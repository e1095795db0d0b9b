"""Untrusted path text becomes a checked value, once."""

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
    """A relative path that could name a file that is served.

    ``/``-separated, no empty, dot or hidden segment, no control character,
    within the kernel's lengths.  Whether it exists is the tree's to say.
    """

    text: str

    @classmethod
    def parse(cls, text: str) -> FilePath:
        """Check decoded *text*; raise NotServableError with the reason."""
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
        """Check the bytes that percent-decoding gave, which must be UTF-8."""
        try:
            return cls.parse(raw.decode())
        except UnicodeDecodeError:
            raise NotServableError("not-utf-8") from None

    @property
    def name(self) -> str:
        """The last segment."""
        return self.text.rpartition("/")[2]
