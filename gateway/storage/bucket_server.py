"""The S3-compatible server of all buckets, and the gateway's access to it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Self

from gateway.origin import Origin

_FORM: Final = "must be like https://s3.example.com or http://s3:8333"
#: Of servers that have no regions, too.
DEFAULT_REGION: Final = "us-east-1"


def parse_endpoint(text: str) -> Origin:
    """Parse a URL without a path; raise ValueError with the accepted form."""
    origin, path = Origin.split(text, _FORM)
    if path not in {"", "/"}:
        raise ValueError(_FORM)
    return origin


@dataclass(frozen=True)
class BucketServer:
    """A server, and the gateway's access key.

    Without ``key_id`` the key comes from the provider: from the environment, or from
    the role of the machine or container.
    """

    endpoint: Origin
    region: str
    key_id: str
    secret: str = field(repr=False)

    @classmethod
    def of(cls, endpoint: Origin | None, region: str, key_id: str, secret: str) -> Self:
        """Return the server at *endpoint*, which is Amazon's if it is None."""
        amazon = f"https://s3.{region}.amazonaws.com"
        return cls(endpoint or Origin.of(amazon), region, key_id, secret)
