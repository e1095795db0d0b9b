"""The claims of a signed URL, and their canonical text.

The grammar, with test vectors, is in ``docs/links.md``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from ipaddress import IPv4Network, IPv6Network
from typing import TYPE_CHECKING, Any, Final

from gateway.errors import ClaimsError, MalformedLinkError
from gateway.links import texts
from gateway.links.keyring import KEY_ID

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.links.texts import Network

NEVER: Final = 0
MAXIMUM_TIME: Final = 253_402_300_799  # the last second of the year 9999
MAXIMUM_NUMBER: Final = 2**53 - 1  # the largest integer that is exact in JavaScript
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

    Times are Unix seconds.  If ``expires`` is None, the link never expires.  If
    ``depth`` is None, the link covers exactly its path; a number means that it covers
    the folder of the path's first *depth* segments, and 0 is the whole tree.  With
    ``upload``, the link leads to the upload with that id instead of a file; its path is
    then only a name.  ``rate`` is in bytes per second.  ``shared`` permits shared
    caches, such as CDNs, to store the file.  Raise ClaimsError for invalid claims.
    """

    key_id: str
    issued: int
    expires: int | None
    not_before: int | None = None
    depth: int | None = None
    presentation: Presentation | None = None
    name: str | None = None
    rate: int | None = None
    shared: bool = False
    networks: tuple[Network, ...] = ()
    upload: str | None = None

    def __post_init__(self) -> None:
        # Plain ifs, for speed: every verdict runs this, and an error's text is only
        # built if there is an error.
        if not (isinstance(self.key_id, str) and KEY_ID.fullmatch(self.key_id)):
            raise ClaimsError("a key id is 1 to 16 letters, digits, '-' or '_'")
        self._check_times()
        if self.depth is not None:
            self._check_folder()
        if self.name is not None and not _is_name(self.name):
            raise ClaimsError(
                f"a download name has 1 to {MAXIMUM_NAME_BYTES} bytes of UTF-8, no "
                "'/' and no control characters"
            )
        if self.presentation is not None and not isinstance(
            self.presentation, Presentation
        ):
            raise ClaimsError("a presentation is 'inline' or 'attachment'")
        if self.rate is not None and not _is_count(self.rate, 1, MAXIMUM_NUMBER):
            raise ClaimsError(
                "a rate is a whole number of bytes per second, at least 1"
            )
        if self.shared is not False and self.shared is not True:
            raise ClaimsError(f"shared is True or False, not {self.shared!r}")
        if self.upload is not None:
            self._check_upload(self.upload)
        if self.networks:
            self._check_networks()
        if len(self._text) > MAXIMUM_TEXT:
            raise ClaimsError(
                f"a link's claims have at most {MAXIMUM_TEXT} characters together"
            )

    def _check_times(self) -> None:
        begins, ends = self.not_before, self.expires
        if not (
            _is_count(self.issued, 1, MAXIMUM_TIME)
            and (ends is None or _is_count(ends, 1, MAXIMUM_TIME))
            and (begins is None or _is_count(begins, 1, MAXIMUM_TIME))
        ):
            raise ClaimsError("a time must lie between 1970 and the year 9999")
        if ends is None:
            return
        if ends <= self.issued:
            raise ClaimsError("a link must expire after it is issued")
        if begins is not None and begins >= ends:
            raise ClaimsError("a link must become valid before it expires")

    def _check_folder(self) -> None:
        if not _is_count(self.depth, 0, MAXIMUM_NUMBER):
            raise ClaimsError("a folder's depth can't be negative")
        if self.name is not None:
            raise ClaimsError("a download name is for one file, not a folder")

    def _check_upload(self, upload: object) -> None:
        if not (isinstance(upload, str) and _UPLOAD.fullmatch(upload)):
            raise ClaimsError(
                "an upload's id has 26 lower-case letters and digits from 2 to 7"
            )
        if self.depth is not None:
            raise ClaimsError("an upload is one file, not a folder")

    def _check_networks(self) -> None:
        for network in self.networks:
            if not isinstance(network, IPv4Network | IPv6Network):
                raise ClaimsError(f"{network!r} is not a network")
            if _is_mapped(network):
                raise ClaimsError(
                    "write an IPv4 network as IPv4, not as IPv4-mapped IPv6"
                )
            if "%" in str(network):
                raise ClaimsError(
                    "a network can't have a zone: a zone is valid on one host only"
                )
        if len(self.networks) > MAXIMUM_NETWORKS:
            raise ClaimsError(f"a link names at most {MAXIMUM_NETWORKS} networks")
        if self.shared:
            raise ClaimsError(
                "a link for certain networks can't be shared: a shared cache delivers "
                "to clients in any network"
            )

    def __str__(self) -> str:
        """Return the canonical text: ``k<id>``, then the other fields by letter."""
        return self._text

    @cached_property
    def _text(self) -> str:
        text = f"k{self.key_id}"
        if self.networks:
            text += f".a{texts.pack(','.join(map(str, self.networks)))}"
        if self.not_before is not None:
            text += f".b{self.not_before}"
        if self.depth is not None:
            text += f".d{self.depth}"
        text += f".e{self.expires or NEVER}.i{self.issued}"
        if self.name is not None:
            text += f".n{texts.pack(self.name)}"
        if self.presentation is not None:
            text += f".p{self.presentation.value[0]}"
        if self.rate is not None:
            text += f".r{self.rate}"
        if self.shared:
            text += ".s1"
        if self.upload is not None:
            text += f".u{self.upload}"
        return text

    @classmethod
    def parse(cls, text: str) -> Claims:
        """Parse the canonical text that ``str`` returns.

        Raise MalformedLinkError for any other text, even if it has the same meaning.
        """
        if len(text) > MAXIMUM_TEXT:
            raise MalformedLinkError("too-long")
        values = {field[:1]: field[1:] for field in text.split(".")}
        try:
            claims = cls(
                key_id=values["k"],
                issued=texts.read_number(values["i"]),
                expires=texts.read_number(values["e"]) or None,
                **{
                    name: read(values[letter])
                    for letter, (name, read) in _OPTIONAL.items()
                    if letter in values
                },
            )
        except KeyError as error:
            raise MalformedLinkError(f"field-{str(error).strip(chr(39))[:1]}") from None
        except (ValueError, ClaimsError):
            raise MalformedLinkError("claims") from None
        if claims._text != text:
            raise MalformedLinkError("not-canonical")
        return claims


_PRESENTATIONS: Final = {p.value[0]: p for p in Presentation}
_SHARED: Final = {"1": True}
#: Optional fields: by letter, the claim's name and its parser.
_OPTIONAL: Final[dict[str, tuple[str, Callable[[str], Any]]]] = {
    "a": ("networks", texts.read_networks),
    "b": ("not_before", texts.read_number),
    "d": ("depth", texts.read_number),
    "n": ("name", texts.unpack),
    "p": ("presentation", _PRESENTATIONS.__getitem__),
    "r": ("rate", texts.read_number),
    "s": ("shared", _SHARED.__getitem__),
    "u": ("upload", str),
}


def _is_count(value: object, least: int, most: int) -> bool:
    # A bool is an int, and a float can equal an int, but their texts are different.
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
    # Clients with mapped addresses are matched by their IPv4 address.  Also, Python
    # 3.13 changed the text of mapped networks.
    return (
        isinstance(network, IPv6Network)
        and network.network_address.ipv4_mapped is not None
    )
