"""What a signed URL permits, and its one canonical text.

The grammar, with test vectors, is written down in ``docs/links.md``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from ipaddress import IPv4Network, IPv6Network
from typing import TYPE_CHECKING, Final

from gateway.errors import ClaimsError, MalformedLinkError
from gateway.links import texts
from gateway.links.keyring import KEY_ID

if TYPE_CHECKING:
    from gateway.links.texts import Network

NEVER: Final = 0
MAXIMUM_TIME: Final = 253_402_300_799  # the last second of the year 9999
MAXIMUM_NUMBER: Final = 2**53 - 1  # the largest that every language counts to
MAXIMUM_NETWORKS: Final = 16
MAXIMUM_NAME_BYTES: Final = 255
MAXIMUM_TEXT: Final = 1024

_UPLOAD = re.compile(r"[a-z2-7]{26}", re.ASCII)
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
    segments, 0 being the whole tree.  ``upload`` is the id of the upload that the
    link leads to, instead of a file; its path is then a name and nothing more.
    ``rate`` is bytes a second.  Raise ClaimsError for claims that make no sense.
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
    upload: str | None = None

    def __post_init__(self) -> None:
        _require(
            isinstance(self.key_id, str) and KEY_ID.fullmatch(self.key_id),
            "a key id is 1 to 16 letters, digits, '-' or '_'",
        )
        self._check_times()
        self._check_file()
        self._check_networks()
        _require(
            len(str(self)) <= MAXIMUM_TEXT,
            f"a link's claims have at most {MAXIMUM_TEXT} characters together",
        )

    def _check_times(self) -> None:
        optional = [t for t in (self.expires, self.not_before) if t is not None]
        _require(
            all(_is_count(t, 1, MAXIMUM_TIME) for t in (self.issued, *optional)),
            "a time must lie between 1970 and the year 9999",
        )
        if self.expires is None:
            return
        _require(self.expires > self.issued, "a link must expire after it is issued")
        _require(
            self.not_before is None or self.not_before < self.expires,
            "a link can't begin when it is already over",
        )

    def _check_file(self) -> None:
        _require(
            self.depth is None or _is_count(self.depth, 0, MAXIMUM_NUMBER),
            "a folder's depth can't be negative",
        )
        _require(
            self.depth is None or self.name is None,
            "a download name fits one file, not a folder",
        )
        _require(
            self.presentation is None or isinstance(self.presentation, Presentation),
            "a presentation is 'inline' or 'attachment'",
        )
        _require(
            self.name is None or _is_name(self.name),
            f"a download name has 1 to {MAXIMUM_NAME_BYTES} bytes of UTF-8, no "
            "'/' and no control characters",
        )
        _require(
            self.rate is None or _is_count(self.rate, 1, MAXIMUM_NUMBER),
            "a rate is a whole number of bytes a second, 1 at least",
        )
        if self.upload is None:
            return
        _require(
            isinstance(self.upload, str) and _UPLOAD.fullmatch(self.upload),
            "an upload's id has 26 small letters and digits from 2 to 7",
        )
        _require(self.depth is None, "an upload is one file, not a folder")

    def _check_networks(self) -> None:
        for network in self.networks:
            _require(
                isinstance(network, IPv4Network | IPv6Network),
                f"{network!r} is no network",
            )
            _require(
                not _is_mapped(network),
                "an IPv4 network is written as one, not mapped into IPv6",
            )
            _require(
                "%" not in str(network),
                "a network has no zone: a zone means something on one host only",
            )
        _require(
            len(self.networks) <= MAXIMUM_NETWORKS,
            f"a link names at most {MAXIMUM_NETWORKS} networks",
        )

    def __str__(self) -> str:
        """Return the canonical text: ``k<id>``, then the other fields by letter."""
        return self._text

    @cached_property
    def _text(self) -> str:
        fields = [
            "k" + self.key_id,
            "a" + texts.pack(",".join(map(str, self.networks)))
            if self.networks
            else "",
            texts.number("b", self.not_before),
            texts.number("d", self.depth),
            f"e{self.expires or NEVER}",
            f"i{self.issued}",
            "n" + texts.pack(self.name) if self.name is not None else "",
            "p" + self.presentation.value[0] if self.presentation else "",
            texts.number("r", self.rate),
            "u" + self.upload if self.upload is not None else "",
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
                issued=texts.read_number(values.pop("i")),
                expires=texts.read_number(values.pop("e")) or None,
                not_before=texts.optional(values.pop("b", None), texts.read_number),
                depth=texts.optional(values.pop("d", None), texts.read_number),
                presentation=texts.optional(
                    values.pop("p", None), _PRESENTATIONS.__getitem__
                ),
                name=texts.optional(values.pop("n", None), texts.unpack),
                rate=texts.optional(values.pop("r", None), texts.read_number),
                networks=texts.optional(values.pop("a", None), texts.read_networks)
                or (),
                upload=values.pop("u", None),
            )
        except KeyError as error:
            raise MalformedLinkError(f"field-{str(error).strip(chr(39))[:1]}") from None
        except (ValueError, ClaimsError):
            raise MalformedLinkError("claims") from None
        if str(claims) != text:
            raise MalformedLinkError("not-canonical")
        return claims


_PRESENTATIONS: Final = {p.value[0]: p for p in Presentation}


def _require(condition: object, fault: str) -> None:
    if not condition:
        raise ClaimsError(fault)


def _is_count(value: object, least: int, most: int) -> bool:
    # A bool is an int, and a float compares like one, but neither is written so.
    return type(value) is int and least <= value <= most


def _is_name(name: object) -> bool:
    if not isinstance(name, str):
        return False
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
