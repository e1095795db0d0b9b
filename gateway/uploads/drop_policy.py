"""A new drop link's limits: validated here for pages, API and command line."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from gateway.errors import DropPolicyError
from gateway.storage.names import visible

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MAXIMUM_TITLE: Final = 200
MAXIMUM_UPLOADS: Final = 1_000_000
MAXIMUM_SIZE: Final = 10**15
MAXIMUM_TYPES: Final = 20
#: The end of the year 9999: all date formats and databases support times up to it.
MAXIMUM_TIME: Final = 253_402_300_799

_MEDIA_RANGE: Final = re.compile(r"[a-z]+/([a-z0-9.+-]{1,100}|\*)", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class DropPolicy:
    """The limits of a new drop link.

    ``max_size`` of a file and ``max_total`` of all files are in bytes, ``expires`` in
    Unix seconds.  None means the default limit; empty ``types`` mean every type.
    """

    title: str
    max_uploads: int | None
    max_size: int | None
    types: tuple[str, ...]
    expires: int | None
    max_total: int | None = None

    @classmethod
    def of(
        cls,
        *,
        title: str,
        max_uploads: int | None,
        max_size: int | None,
        types: Iterable[str],
        expires: int | None,
        now: int,
        max_total: int | None = None,
    ) -> DropPolicy:
        """Validate the fields; raise DropPolicyError with all faults at once."""
        policy = cls(
            title=_title(title),
            max_uploads=max_uploads,
            max_size=max_size,
            types=tuple(dict.fromkeys(word.lower() for word in types)),
            expires=expires,
            max_total=max_total,
        )
        faults = dict(policy._faults(now))
        if faults:
            raise DropPolicyError(faults)
        return policy

    def _faults(self, now: int) -> Iterator[tuple[str, str]]:
        if len(self.title) > MAXIMUM_TITLE or not _is_text(self.title):
            yield "title", f"must be text of at most {MAXIMUM_TITLE} characters"
        for name, value, most in (
            ("max_uploads", self.max_uploads, MAXIMUM_UPLOADS),
            ("max_size", self.max_size, MAXIMUM_SIZE),
            ("max_total", self.max_total, MAXIMUM_SIZE),
        ):
            if value is not None and not 1 <= value <= most:
                yield name, f"must be a whole number from 1 to {most}"
        if len(self.types) > MAXIMUM_TYPES:
            yield "types", f"must be at most {MAXIMUM_TYPES}"
        for word in self.types[:MAXIMUM_TYPES]:
            if not _MEDIA_RANGE.fullmatch(word):
                yield "types", "must be like image/* or application/pdf"
        if self.expires is not None and not now < self.expires <= MAXIMUM_TIME:
            yield "expires", "must be in the future, and before the year 10000"


def _title(text: str) -> str:
    # visible() removes line ends: without the split, words would run together.
    one_line = visible(" ".join(text.split()))
    return " ".join(unicodedata.normalize("NFC", one_line).split())


def _is_text(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
