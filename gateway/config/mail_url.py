"""The URL of the operator's mail relay: ``smtp://user:password@host:587``."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final
from urllib.parse import unquote, urlsplit

_FORM: Final = "must be like smtp://user:password@host:587"
#: (!) A longer or an empty label would raise UnicodeError instead of a network error.
_HOST: Final = re.compile(
    r"(?=.{1,253}$)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.(?!$)|$))+", re.ASCII
)
#: Invalid in a URL unless percent-encoded; urlsplit() silently drops some of them.
_NOT_IN_A_URL: Final = re.compile(r"[\x00-\x20\x7f]")


class Security(StrEnum):
    """How the connection to the relay is encrypted."""

    STARTTLS = "starttls"
    """Plain at first; nothing is sent before the switch to TLS (RFC 3207)."""
    TLS = "tls"
    """TLS from the first byte (RFC 8314)."""
    NONE = "none"
    """Not encrypted, for a relay on the same machine."""


_PORTS: Final = {Security.STARTTLS: 587, Security.TLS: 465, Security.NONE: 25}


@dataclass(frozen=True)
class MailURL:
    """The relay's address and login; an empty ``user`` means no login."""

    host: str
    port: int
    security: Security
    user: str = ""
    password: str = field(default="", repr=False)

    @classmethod
    def parse(cls, text: str) -> MailURL:
        """Parse ``smtp://`` (STARTTLS is required) or ``smtps://``.

        ``?tls=none`` disables TLS, for a relay on this machine only.  User name and
        password are percent-encoded.  Raise ValueError; it never quotes a part of
        *text*, since the password may be anywhere in an invalid URL.
        """
        if _NOT_IN_A_URL.search(text):
            raise ValueError("has a blank or a control character; percent-encode it")
        try:
            parts = urlsplit(text)
            port = parts.port
            user, password = _decoded(parts.username), _decoded(parts.password)
        except ValueError:
            # (!) urlsplit's message quotes the invalid port, which may be the password.
            raise ValueError(f"{_FORM}; percent-encode user and password") from None
        if parts.scheme not in {"smtp", "smtps"}:
            raise ValueError(f"{_FORM} or smtps://user:password@host:465")
        if parts.path.strip("/") or parts.fragment:
            raise ValueError("must not have a path; percent-encode user and password")
        host = parts.hostname or ""
        is_host = _HOST.fullmatch(host) or _ip(host)
        if not is_host or port == 0:
            raise ValueError(f"{_FORM}: its host or its port is not valid")
        security = Security.TLS if parts.scheme == "smtps" else Security.STARTTLS
        if parts.query:
            security = _without_tls(parts.query, security, host)
        if bool(user) != bool(password):
            raise ValueError("must have a user name and a password, or neither")
        if port is None:
            port = _PORTS[security]
        return cls(host, port, security, user, password)

    def __str__(self) -> str:
        return f"{self.host}, port {self.port}"


def _decoded(text: str | None) -> str:
    decoded = unquote(text or "", errors="strict")
    if "\0" in decoded:
        raise ValueError("NUL separates user name and password (RFC 4616)")
    return decoded


def _without_tls(query: str, security: Security, host: str) -> Security:
    if query != "tls=none" or security is not Security.STARTTLS:
        raise ValueError("must have no query but ?tls=none, and that with smtp://")
    if not _is_loopback(host):
        raise ValueError(
            "tls=none is for a relay on this machine: localhost, 127.0.0.1 or [::1]"
        )
    return Security.NONE


def _is_loopback(host: str) -> bool:
    address = _ip(host)
    return host == "localhost" if address is None else address.is_loopback


def _ip(host: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None
