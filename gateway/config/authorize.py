"""``GATEWAY_AUTHORIZE``: the URL at which nginx asks the site's own application."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Self

from gateway.origin import Origin

_PATH: Final = re.compile(r"(/[A-Za-z0-9._~!&*()+,=:@-]*)*")
_FORM: Final = "must be like http://127.0.0.1:5000/may-read"
#: RFC 9110, 5.6.2; these names are rendered into nginx's configuration.
_TOKEN: Final = re.compile(r"[A-Za-z0-9!#&*+.^_`|~-]+")


@dataclass(frozen=True)
class AuthorizeURL:
    """The origin and the path of the URL."""

    origin: Origin
    path: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse *text*; raise ValueError with the accepted form."""
        origin, path = Origin.split(text, _FORM)
        if not _PATH.fullmatch(path):
            raise ValueError(_FORM)
        return cls(origin, path or "/")

    def __str__(self) -> str:
        return f"{self.origin}{self.path}"


class Kind(StrEnum):
    """Where a request has a credential."""

    COOKIE = "cookie"
    HEADER = "header"


@dataclass(frozen=True)
class Credential:
    """A cookie or header that identifies the visitor to the site's application."""

    kind: Kind
    name: str

    @classmethod
    def parse(cls, text: str) -> Credential:
        """Parse ``cookie:NAME`` or ``header:NAME``; raise ValueError for other text."""
        kind, _, name = text.partition(":")
        if kind not in set(Kind) or not _TOKEN.fullmatch(name):
            raise ValueError(
                f"{text!r} is not of the form cookie:sessionid or header:X-Api-Key"
            )
        if kind == Kind.HEADER and not re.fullmatch("[A-Za-z0-9-]+", name):
            raise ValueError(
                f"{text!r} names a header that nginx has no variable for; use letters, "
                "digits and hyphens"
            )
        return cls(Kind(kind), name)


#: Each visitor has these two headers of their own.
WHOLE_HEADERS: Final = (
    Credential(Kind.HEADER, "Cookie"),
    Credential(Kind.HEADER, "Authorization"),
)
