"""What a key may sign, if it may not sign everything.

A site that mints links only for its reports needs no key that opens the rest.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, unquote

from gateway.links import texts

if TYPE_CHECKING:
    from gateway.links.claims import Claims

_SAFE_IN_PREFIX: Final = "/-._~"
_FIELD: Final = re.compile(r"([a-z-]+)=([^=&]+)", re.ASCII)


class Kind(StrEnum):
    """What a link leads to."""

    FILES = "files"
    UPLOADS = "uploads"


@dataclass(frozen=True, kw_only=True)
class Restriction:
    """What links of one key may permit; raise ValueError for what makes no sense.

    ``prefixes`` are folders, each ending in ``/``: a link covers a file or a folder
    in one of them.  ``max_life`` is seconds from issue to expiry, at most.
    """

    prefixes: tuple[str, ...] = ()
    max_life: int | None = None
    only: Kind | None = None

    def __post_init__(self) -> None:
        for prefix in self.prefixes:
            segments = prefix.removesuffix("/").split("/")
            is_plain = not {"", ".", ".."} & set(segments) and "\0" not in prefix
            if not prefix.endswith("/") or not is_plain:
                raise ValueError("a prefix is a folder, as in reports/")
        if self.max_life is not None and self.max_life < 1:
            raise ValueError("a maximal life is at least one second")
        if self.prefixes and self.only is Kind.UPLOADS:
            raise ValueError("an upload lies in no folder: a prefix does not fit it")
        if not self.prefixes and self.max_life is None and self.only is None:
            raise ValueError("a restriction says what is permitted")

    def fault(self, claims: Claims, covered: str) -> str | None:
        """Return why the key may not sign *claims* over the path *covered*, or None."""
        if self.only is not None and self.only is not _kind(claims):
            return f"only-{self.only}"
        if self.max_life is not None and (
            claims.expires is None or claims.expires - claims.issued > self.max_life
        ):
            return "max-life"
        if self.prefixes and (
            _kind(claims) is Kind.UPLOADS or not covered.startswith(self.prefixes)
        ):
            return "prefix"
        return None

    def __str__(self) -> str:
        fields = [
            f"prefix={quote(text, safe=_SAFE_IN_PREFIX)}" for text in self.prefixes
        ]
        if self.max_life is not None:
            fields.append(f"max-life={self.max_life}")
        if self.only is not None:
            fields.append(f"only={self.only}")
        return "&".join(fields)

    @classmethod
    def parse(cls, text: str) -> Restriction:
        """Read ``prefix=reports/&max-life=604800&only=files``; raise ValueError.

        A prefix may be repeated, and is percent-encoded.
        """
        said: dict[str, list[str]] = {}
        for field in text.split("&"):
            match = _FIELD.fullmatch(field)
            if match is None:
                raise ValueError("a restriction has fields like prefix=reports/")
            said.setdefault(match[1], []).append(unquote(match[2], errors="strict"))
        prefixes = said.pop("prefix", [])
        lives, kinds = said.pop("max-life", []), said.pop("only", [])
        # (!) What is not understood must not be taken for no restriction.
        if said or len(lives) > 1 or len(kinds) > 1:
            raise ValueError("a restriction has prefix, max-life and only")
        return cls(
            prefixes=tuple(prefixes),
            max_life=texts.read_number(lives[0]) if lives else None,
            only=Kind(kinds[0]) if kinds else None,
        )


def _kind(claims: Claims) -> Kind:
    return Kind.FILES if claims.upload is None else Kind.UPLOADS
