"""What a signed URL permits, and its one canonical text.

The grammar, with test vectors, is written down in ``docs/links.md``.
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import TYPE_CHECKING, Final, TypeVar

from gateway.errors import ClaimsError, MalformedLinkError

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")
Network = IPv4Network | IPv6Network

NEVER: Final = 0
MAXIMUM_TIME: Final = 253_402_300_799  # the last second of the year 9999
MAXIMUM_NUMBER: Final = 2**53 - 1  # the largest that every language counts to
MAXIMUM_NETWORKS: Final = 16
MAXIMUM_NAME_BYTES: Final = 255
MAXIMUM_TEXT: Final = 1024

_KEY_ID = re.compile(r"[A-Za-z0-9_-]{1,16}", re.ASCII)
_NUMBER = re.compile(r"0|[1-9][0-9]{0,15}", re.ASCII)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


class Presentation(StrEnum):
    """Whether a browser shows the file or saves it."""

    INLINE = "inline"
    ATTACHMENT = "attachment"


@dataclass(frozen=True, kw_only=True)
class Claims:
    """What one signed URL permits.

    Times are Unix seconds.  ``expires`` None means that the link never
    expires.  ``depth`` None means that the link covers exactly its path; a
    number, that it covers the folder made of the path's first *depth*
    segments, 0 being the whole tree.  ``rate`` is bytes a second.  Raise
    ClaimsError for claims that make no sense.
    """

    key_id: str
    issued: int
    expires: int | None
    not_before: int | None = None
    depth: int | None = None
    presentation: Presentation | None = None
    name: str | None = None
    rate: int | None = None
    networks: tuple[Network, ...] = ()

    def __post_init__(self) -> None:
        for fault in self._faults():
            raise ClaimsError(fault)

    def _faults(self) -> list[str]:
        times = [self.issued, self.expires, self.not_before]
        checks = [
            (
                not _KEY_ID.fullmatch(self.key_id),
                "a key id is 1 to 16 letters, digits, '-' or '_'",
            ),
            (
                any(t is not None and not 0 < t <= MAXIMUM_TIME for t in times),
                "a time must lie between 1970 and the year 9999",
            ),
            (
                self.expires is not None and self.expires <= self.issued,
                "a link must expire after it is issued",
            ),
            (
                self.not_before is not None
                and self.expires is not None
                and self.not_before >= self.expires,
                "a link can't begin when it is already over",
            ),
            (
                self.depth is not None and not 0 <= self.depth <= MAXIMUM_NUMBER,
                "a folder's depth can't be negative",
            ),
            (
                self.depth is not None and self.name is not None,
                "a download name fits one file, not a folder",
            ),
            (
                self.name is not None and not _is_name(self.name),
                (
                    f"a download name has 1 to {MAXIMUM_NAME_BYTES} bytes of UTF-8, no "
                    "'/' and no control characters"
                ),
            ),
            (
                self.rate is not None and not 1 <= self.rate <= MAXIMUM_NUMBER,
                "a rate is at least 1 byte a second",
            ),
            (
                any(_is_mapped(network) for network in self.networks),
                "an IPv4 network is written as one, not mapped into IPv6",
            ),
            (
                len(self.networks) > MAXIMUM_NETWORKS,
                f"a link names at most {MAXIMUM_NETWORKS} networks",
            ),
        ]
        return [message for is_wrong, message in checks if is_wrong]

    def __str__(self) -> str:
        """Return the canonical text: ``k<id>``, then the other fields by letter."""
        fields = [
            "k" + self.key_id,
            "a" + _pack(",".join(map(str, self.networks))) if self.networks else "",
            _number("b", self.not_before),
            _number("d", self.depth),
            f"e{self.expires or NEVER}",
            f"i{self.issued}",
            "n" + _pack(self.name) if self.name is not None else "",
            "p" + self.presentation.value[0] if self.presentation else "",
            _number("r", self.rate),
        ]
        return ".".join(filter(None, fields))

    @classmethod
    def parse(cls, text: str) -> Claims:
        """Read the text that ``str`` writes, and nothing else.

        Raise MalformedLinkError for anything that would not be written back
        letter for letter the same.
        """
        if len(text) > MAXIMUM_TEXT:
            raise MalformedLinkError("too-long")
        values = {field[:1]: field[1:] for field in text.split(".")}
        try:
            claims = cls(
                key_id=values.pop("k"),
                issued=_read_number(values.pop("i")),
                expires=_read_number(values.pop("e")) or None,
                not_before=_optional(values.pop("b", None), _read_number),
                depth=_optional(values.pop("d", None), _read_number),
                presentation=_optional(
                    values.pop("p", None), _PRESENTATIONS.__getitem__
                ),
                name=_optional(values.pop("n", None), _unpack),
                rate=_optional(values.pop("r", None), _read_number),
                networks=_optional(values.pop("a", None), _read_networks) or (),
            )
        except KeyError as error:
            raise MalformedLinkError(f"field-{str(error).strip(chr(39))[:1]}") from None
        except (ValueError, ClaimsError):
            raise MalformedLinkError("claims") from None
        if str(claims) != text:
            raise MalformedLinkError("not-canonical")
        return claims


_PRESENTATIONS: Final = {p.value[0]: p for p in Presentation}


def _optional(value: str | None, read: Callable[[str], T]) -> T | None:
    return None if value is None else read(value)


def _is_name(name: str) -> bool:
    try:
        size = len(name.encode())
    except UnicodeEncodeError:  # a lone surrogate
        return False
    return 0 < size <= MAXIMUM_NAME_BYTES and not ("/" in name or _CONTROL.search(name))


def _is_mapped(network: Network) -> bool:
    # Clients that come so are known by their IPv4 address; and Python 3.13 has
    # changed how such a network is written.
    return (
        isinstance(network, IPv6Network)
        and network.network_address.ipv4_mapped is not None
    )


def _number(letter: str, value: int | None) -> str:
    return "" if value is None else f"{letter}{value}"


def _read_number(text: str) -> int:
    if not _NUMBER.fullmatch(text):
        raise ValueError(text)
    return int(text)


def _read_networks(text: str) -> tuple[Network, ...]:
    return tuple(ip_network(network) for network in _unpack(text).split(","))


def _pack(text: str) -> str:
    return urlsafe_b64encode(text.encode()).rstrip(b"=").decode("ascii")


def _unpack(text: str) -> str:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode()
