"""Restrictions of the links that a link key may sign.

A site that only mints links for its reports needs no key that opens other files.
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
_SHARED: Final = "shared=yes"
_FIELD: Final = re.compile(r"([a-z-]+)=([^=&]+)", re.ASCII)


class Kind(StrEnum):
    """The target of a link: a file or folder of the files tree, or an upload."""

    FILES = "files"
    UPLOADS = "uploads"


@dataclass(frozen=True, kw_only=True)
class Restriction:
    """Limits for the links of one key; raise ValueError for invalid values.

    ``prefixes`` are folders, each ending in ``/``: a link must lead into one of them.
    ``max_life`` is the maximum number of seconds from issue to expiry.  ``shared``
    permits links with the claim of that name, and restricts nothing.
    """

    prefixes: tuple[str, ...] = ()
    max_life: int | None = None
    only: Kind | None = None
    shared: bool = False

    def __post_init__(self) -> None:
        for prefix in self.prefixes:
            segments = prefix.removesuffix("/").split("/")
            is_plain = not {"", ".", ".."} & set(segments) and "\0" not in prefix
            if not prefix.endswith("/") or not is_plain:
                raise ValueError("a prefix is a folder, for example reports/")
        if self.max_life is not None and self.max_life < 1:
            raise ValueError("max-life is at least one second")
        if self.prefixes and self.only is Kind.UPLOADS:
            raise ValueError("uploads are in no folder: a prefix can't match them")
        if not self.prefixes and self.max_life is None and self.only is None:
            raise ValueError("a restriction has a prefix, max-life or only")

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
        # (!) A restricted key that predates the claim must not gain it: a shared link
        #     outlives its key in the caches.
        return "shared" if claims.shared and not self.shared else None

    def __str__(self) -> str:
        fields = [
            f"prefix={quote(text, safe=_SAFE_IN_PREFIX)}" for text in self.prefixes
        ]
        if self.max_life is not None:
            fields.append(f"max-life={self.max_life}")
        if self.only is not None:
            fields.append(f"only={self.only}")
        if self.shared:
            fields.append(_SHARED)
        return "&".join(fields)

    @classmethod
    def parse(cls, text: str) -> Restriction:
        """Parse ``prefix=reports/&max-life=604800&only=files``; raise ValueError.

        A prefix may be repeated, and is percent-encoded.
        """
        fields: dict[str, list[str]] = {}
        for field in text.split("&"):
            match = _FIELD.fullmatch(field)
            if match is None:
                raise ValueError("a restriction has fields like prefix=reports/")
            fields.setdefault(match[1], []).append(unquote(match[2], errors="strict"))
        prefixes = fields.pop("prefix", [])
        lives, kinds = fields.pop("max-life", []), fields.pop("only", [])
        shared = fields.pop("shared", [])
        # (!) An unknown field must not be ignored: it may be a restriction.
        if fields or len(lives) > 1 or len(kinds) > 1 or shared not in ([], ["yes"]):
            raise ValueError(
                f"the fields of a restriction are prefix, max-life, only and {_SHARED}"
            )
        return cls(
            prefixes=tuple(prefixes),
            max_life=texts.read_number(lives[0]) if lives else None,
            only=Kind(kinds[0]) if kinds else None,
            shared=bool(shared),
        )


def _kind(claims: Claims) -> Kind:
    return Kind.FILES if claims.upload is None else Kind.UPLOADS
