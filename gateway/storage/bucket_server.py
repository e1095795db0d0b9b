"""The S3-compatible server of all buckets, and the gateway's access to it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final, Self
from urllib.parse import urlsplit

_ENDPOINT: Final = re.compile(
    r"https?://([a-z0-9]([a-z0-9._-]*[a-z0-9])?|\[[0-9a-f:.]+\])(:[0-9]{1,5})?/?",
    re.IGNORECASE,
)
_PORTS: Final = {"http": 80, "https": 443}
#: Of servers that have no regions, too.
DEFAULT_REGION: Final = "us-east-1"


@dataclass(frozen=True)
class Endpoint:
    """The scheme, ``http`` or ``https``, and the host and port of a server."""

    scheme: str
    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse a URL without a path; raise ValueError with the accepted form."""
        if not _ENDPOINT.fullmatch(text):
            raise ValueError("must be like https://s3.example.com or http://s3:8333")
        parts = urlsplit(text)
        scheme, host = parts.scheme.lower(), parts.hostname or ""
        if parts.port == 0:
            raise ValueError("has the port 0")
        is_address = ":" in host or host.replace(".", "").isdecimal()
        if scheme == "https" and is_address:
            raise ValueError("needs a host name: nginx can't verify an IP address")
        return cls(scheme, host, parts.port or _PORTS[scheme])

    @classmethod
    def of_amazon(cls, region: str) -> Self:
        """Return Amazon's endpoint for a region."""
        return cls("https", f"s3.{region}.amazonaws.com", _PORTS["https"])

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


@dataclass(frozen=True)
class BucketServer:
    """A server, and the gateway's access key.

    Without ``key_id`` the key comes from the provider: from the environment, or from
    the role of the machine or container.
    """

    endpoint: Endpoint
    region: str
    key_id: str
    secret: str = field(repr=False)

    @classmethod
    def of(cls, endpoint: str, region: str, key_id: str, secret: str) -> Self:
        """Return the server at the URL *endpoint*, which is Amazon's if it is empty.

        Raise ValueError for an invalid URL.
        """
        if not endpoint:
            return cls(Endpoint.of_amazon(region), region, key_id, secret)
        return cls(Endpoint.parse(endpoint), region, key_id, secret)
