"""The address of the deployment that is examined."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final, Self
from urllib.parse import urlsplit

_FORM: Final = "must be like https://files.example.com"
_HOST: Final = re.compile(
    r"[a-z0-9_]([a-z0-9_.-]{0,251}[a-z0-9_.])?|[0-9a-f:.]+", re.ASCII
)
_PATH: Final = re.compile(r"[!-~]*", re.ASCII)
_PORTS: Final = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Target:
    """A gateway's public address; ``prefix`` is the URL's path, without final ``/``."""

    scheme: str
    host: str
    port: int
    prefix: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse a URL; raise ValueError with the accepted form."""
        try:
            parts = urlsplit(text)
            port = parts.port
        except ValueError:
            raise ValueError(_FORM) from None
        host = parts.hostname or ""
        if parts.scheme not in _PORTS or not _HOST.fullmatch(host) or port == 0:
            raise ValueError(_FORM)
        if parts.query or parts.fragment or "@" in parts.netloc:
            raise ValueError(f"{_FORM}, without user, query and fragment")
        if not _PATH.fullmatch(parts.path):
            raise ValueError(f"{_FORM}, percent-encoded")
        return cls(
            parts.scheme, host, port or _PORTS[parts.scheme], parts.path.rstrip("/")
        )

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}{self.prefix}"

    @property
    def authority(self) -> str:
        """Host and port as in a URL and in the header ``Host``."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        is_default = self.port == _PORTS[self.scheme]
        return host if is_default else f"{host}:{self.port}"

    @property
    def is_tls(self) -> bool:
        """Whether the scheme is https."""
        return self.scheme == "https"

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach the address."""
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost" or self.host.endswith(".localhost")
