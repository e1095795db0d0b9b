"""Servers that nginx sends requests to: the origin of a URL (RFC 6454)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Self
from urllib.parse import urlsplit

_ORIGIN: Final = re.compile(
    r"https?://([a-z0-9]([a-z0-9._-]*[a-z0-9])?|\[[0-9a-f:.]+\])(:[0-9]{1,5})?",
    re.IGNORECASE,
)
_PORTS: Final = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Origin:
    """The scheme, ``http`` or ``https``, and the host and port of a server."""

    scheme: str
    host: str
    port: int

    @classmethod
    def split(cls, url: str, form: str) -> tuple[Self, str]:
        """Return the origin of *url*, and what follows it.

        Raise ValueError with *form*, the accepted form, or because nginx can't send
        requests to this origin.
        """
        match = _ORIGIN.match(url)
        if match is None:
            raise ValueError(form)
        return cls.of(match[0]), url[match.end() :]

    @classmethod
    def of(cls, url: str) -> Self:
        """Return a valid origin; raise ValueError if nginx can't use it."""
        parts = urlsplit(url)
        scheme, host = parts.scheme.lower(), parts.hostname or ""
        if parts.port == 0:
            raise ValueError("has the port 0")
        is_address = ":" in host or host.replace(".", "").isdecimal()
        if scheme == "https" and is_address:
            raise ValueError("needs a host name: nginx can't verify an IP address")
        return cls(scheme, host, parts.port or _PORTS[scheme])

    @property
    def server(self) -> str:
        """Host and port, as nginx's ``server`` expects them."""
        return f"{self._host}:{self.port}"

    @property
    def authority(self) -> str:
        """The value of Host in requests: the port only if it is not the scheme's."""
        return self._host if self.port == _PORTS[self.scheme] else self.server

    @property
    def _host(self) -> str:
        return f"[{self.host}]" if ":" in self.host else self.host

    def __str__(self) -> str:
        """Return the URL."""
        return f"{self.scheme}://{self.authority}"
