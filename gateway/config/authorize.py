"""``GATEWAY_AUTHORIZE``: the URL at which nginx asks the site's own application."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from urllib.parse import urlsplit

_URL: Final = re.compile(
    r"https?://([a-z0-9]([a-z0-9._-]*[a-z0-9])?|\[[0-9a-f:.]+\])(:[0-9]{1,5})?"
    r"(/[A-Za-z0-9._~!&*()+,=:@-]*)*",
    re.IGNORECASE,
)
#: RFC 9110, 5.6.2; these names are rendered into nginx's configuration.
_TOKEN: Final = re.compile(r"[A-Za-z0-9!#&*+.^_`|~-]+")
_PORTS: Final = {"http": 80, "https": 443}


@dataclass(frozen=True)
class AuthorizeURL:
    """The scheme, ``http`` or ``https``, and the host, port and path of the URL."""

    scheme: str
    host: str
    port: int
    path: str

    @classmethod
    def parse(cls, text: str) -> AuthorizeURL:
        """Parse *text*; raise ValueError with the accepted form."""
        if not _URL.fullmatch(text):
            raise ValueError("must be like http://127.0.0.1:5000/may-read")
        parts = urlsplit(text)
        scheme, port = parts.scheme.lower(), parts.port
        if port == 0:
            raise ValueError("has the port 0")
        host = parts.hostname or ""
        is_address = ":" in host or host.replace(".", "").isdecimal()
        if scheme == "https" and is_address:
            raise ValueError("needs a host name: nginx can't verify an IP address")
        return cls(scheme, host, port or _PORTS[scheme], parts.path or "/")

    @property
    def server(self) -> str:
        """Host and port, as nginx's ``server`` expects them."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.server}{self.path}"


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
