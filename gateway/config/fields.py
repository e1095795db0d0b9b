"""The types of the settings: they turn a variable's text into a validated value."""

from __future__ import annotations

import os
import re
from datetime import timedelta
from enum import StrEnum
from ipaddress import ip_network
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator

from gateway.config import quantities
from gateway.config.authorize import AuthorizeURL, Credential
from gateway.config.mail_url import MailURL
from gateway.errors import KeyRingError
from gateway.http import path_prefix
from gateway.http.pools import Pool
from gateway.links.keyring import KeyRing
from gateway.links.server_secret import ServerSecret
from gateway.mail_address import Mailbox
from gateway.origin import Origin
from gateway.storage.bucket_server import parse_endpoint
from gateway.storage.places import BucketURL, Places

if TYPE_CHECKING:
    from collections.abc import Callable

#: The prefix of a SQLite catalog's URL; the path of the file follows.
SQLITE: Final = "sqlite:///"


class LedgerAddresses(StrEnum):
    """How much of a client's address the ledger records."""

    CUT = "cut"
    """The network: /24 for IPv4, /48 for IPv6."""
    FULL = "full"
    NONE = "none"


_MAXIMUM_SOCKET_PATH: Final = 107  # unix(7): sun_path without its NUL
_MAXIMUM_YEARS: Final = 100  # an HTTP date's year has four digits
_REGION = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_HOST = re.compile(r"\*|(\*\.)?[a-z0-9]([a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:.]+\]")
_ORIGIN = re.compile(r"https?://[a-z0-9.-]+(:[0-9]{1,5})?")
# The path is checked before.
_PUBLIC_URL = re.compile(
    r"https?://([A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])"
    r"(:[0-9]{1,5})?(/[A-Za-z0-9/._~-]*)?"
)
_NETWORK = re.compile(r"[0-9a-fA-F:.]+(/[0-9]{1,3})?")
_MEDIA_RANGE = re.compile(r"[a-z]+/([a-z0-9.+-]+|\*)")
_MEDIA_TYPE = re.compile(r"[a-z]+/[a-z0-9.+-]+")
_COLOUR = re.compile(r"#[0-9A-Fa-f]{6}")
# A name of a folder and of a part of URLs, and shorter than a gateway's id.
_REPLICA = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,22}[A-Za-z0-9])?", re.ASCII)
# A path on this site: pages load nothing from other sites.
_URL_PATH = re.compile(r"|/(?!/)[A-Za-z0-9/._~!&'()*+,=:@%?-]*")
_MAXIMUM_NAME = 60
# Characters that would end an nginx directive or start a variable in a rendered path.
_NGINX_SYNTAX = re.compile(r"[\s\x00\"'\\;{}$#]")


def _ring(text: object) -> object:
    if not isinstance(text, str):
        return text
    try:
        return KeyRing.parse(text)
    except KeyRingError as error:
        raise ValueError("; ".join(error.faults)) from None


def _secret(text: object) -> object:
    if not isinstance(text, str):
        return text
    try:
        return ServerSecret.parse(text)
    except KeyRingError as error:
        raise ValueError("; ".join(error.faults)) from None


def _mail_url(text: object) -> object:
    return MailURL.parse(text) if isinstance(text, str) else text


def _authorize(text: object) -> object:
    return AuthorizeURL.parse(text) if isinstance(text, str) else text


def _credentials(words: tuple[str, ...]) -> tuple[Credential, ...]:
    return tuple(map(Credential.parse, words))


def _places(text: object) -> object:
    return Places.parse(text, plain_path) if isinstance(text, str) else text


def _bucket_url(text: object) -> object:
    return BucketURL.parse(text) if isinstance(text, str) else text


def _endpoint(text: object) -> object:
    return parse_endpoint(text) if isinstance(text, str) else text


def _mailbox(text: object) -> object:
    return Mailbox.parse(text) if isinstance(text, str) else text


def _words(text: object) -> object:
    return re.findall(r"[^,\s]+", text) if isinstance(text, str) else text


def _is_whole(text: str) -> bool:
    # int() also accepts 1_000, 5.0 and blanks, but nginx gets this text and doesn't.
    return re.fullmatch(r"-?[0-9]+", text) is not None


def _number(text: object) -> object:
    if isinstance(text, str) and not _is_whole(text):
        raise ValueError("must be a whole number")
    return text


def _size(text: object) -> object:
    if not isinstance(text, str) or _is_whole(text):
        return text
    if not quantities.is_size(text):
        raise ValueError("must be bytes, or a size like 500M or 10G")
    return quantities.size(text)


def _seconds(text: object) -> object:
    if not isinstance(text, str) or _is_whole(text):
        return text
    if not quantities.is_duration(text):
        raise ValueError("must be seconds, or a duration like 90m or 7d")
    return quantities.duration(text) // timedelta(seconds=1)


def _fits_a_disk(count: int) -> int:
    if count > quantities.MAXIMUM_SIZE:
        raise ValueError("is more than the maximum, 2^63 - 1 bytes")
    return count


def _fits_a_date(seconds: int) -> int:
    if seconds > _MAXIMUM_YEARS * 366 * 86_400:
        raise ValueError(f"is more than {_MAXIMUM_YEARS} years")
    return seconds


def _form(pattern: re.Pattern[str], example: str) -> Callable[[str], str]:
    def check(text: str) -> str:
        if not pattern.fullmatch(text):
            raise ValueError(f"{text!r} is not of the form {example}")
        return text

    return check


def _one(pattern: re.Pattern[str], example: str) -> AfterValidator:
    return AfterValidator(_form(pattern, example))


def _each(pattern: re.Pattern[str], example: str) -> AfterValidator:
    check = _form(pattern, example)
    return AfterValidator(lambda words: tuple(map(check, words)))


def _networks(words: tuple[str, ...]) -> tuple[str, ...]:
    for word in words:
        ip_network(word)
        # Python also accepts masks and zones, but nginx does not.
        if not _NETWORK.fullmatch(word):
            raise ValueError(f"{word!r} is not of the form 10.0.0.0/8")
    return words


def _public_url(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError(
            "must be like https://files.example.com or https://www.example.com/media"
        )
    if parts.query or parts.fragment or parts.username:
        raise ValueError("must have no query, no fragment and no user name")
    _ = parts.port  # raises ValueError if the port is invalid
    _check_path_prefix(parts.path.rstrip("/"))
    # urlsplit accepts blanks and an empty query, but links begin with this text.
    if not _PUBLIC_URL.fullmatch(url):
        raise ValueError("has characters that are not allowed in a host name")
    return url.rstrip("/")


def _check_path_prefix(path: str) -> None:
    if not path_prefix.FORM.fullmatch(path):
        raise ValueError(
            f"has the path {path!r}: each segment must begin with a letter or digit, "
            "and consist of letters, digits, dots, '_', '~' and '-'"
        )
    if len(path) > path_prefix.MAXIMUM:
        raise ValueError(f"its path has more than {path_prefix.MAXIMUM} characters")
    segment = path_prefix.reserved_segment(path)
    if segment is not None:
        raise ValueError(
            f"has the path {path!r}, but {segment!r} is a part of the gateway's own "
            "paths: choose another path"
        )


def _site_name(text: str) -> str:
    if not text.isprintable() or len(text) > _MAXIMUM_NAME:
        raise ValueError(f"must be one line of at most {_MAXIMUM_NAME} characters")
    return text


def plain_path(path: Path) -> Path:
    """Return the absolute *path*; raise ValueError if nginx's syntax can't hold it."""
    absolute = Path(os.path.abspath(path))  # noqa: PTH100 -- keep symlinks unresolved
    if _NGINX_SYNTAX.search(str(absolute)):
        raise ValueError("must not contain blanks, quotes or ;{}$#, because of nginx")
    return absolute


def run_folder(path: Path) -> Path:
    """Return the absolute *path*; raise ValueError if it is too long for a socket."""
    path = plain_path(path)
    for pool in Pool:
        check_socket(path / pool.socket)
    return path


def check_socket(path: Path) -> None:
    """Raise ValueError if *path* is too long for a unix socket."""
    if len(os.fsencode(path)) > _MAXIMUM_SOCKET_PATH:
        raise ValueError(
            f"{path} is longer than {_MAXIMUM_SOCKET_PATH} bytes, the maximum "
            "path of a unix socket"
        )


def _database(url: str) -> str:
    if url.startswith(SQLITE) and url != SQLITE:
        return url
    # Imported here, since the import is slow and most commands need no database.
    from sqlalchemy import make_url  # noqa: PLC0415
    from sqlalchemy.exc import ArgumentError  # noqa: PLC0415

    try:
        place = make_url(url)
    except (ArgumentError, ValueError):
        place = None
    # (!) The message must not repeat the text: it may contain a password.
    if place is None or place.drivername != "postgresql+psycopg":
        raise ValueError(
            "must be like postgresql+psycopg://gateway@db/gateway or "
            "sqlite:////srv/catalog.sqlite3"
        )
    if not re.fullmatch("[0-9]{1,9}", str(place.query.get("prepare_threshold", 0))):
        raise ValueError("prepare_threshold must be a whole number")
    return url


def _server(url: str) -> str:
    if url.startswith(SQLITE):
        raise ValueError("must be like postgresql+psycopg://gateway@db/gateway")
    return _database(url)


_Words = Annotated[tuple[str, ...], BeforeValidator(_words)]

Ring = Annotated[KeyRing, BeforeValidator(_ring)]
Secret = Annotated[ServerSecret, BeforeValidator(_secret)]
Relay = Annotated[MailURL, BeforeValidator(_mail_url)]
Authorize = Annotated[AuthorizeURL, BeforeValidator(_authorize)]
Credentials = Annotated[
    tuple[Credential, ...], BeforeValidator(_credentials), BeforeValidator(_words)
]
"""Cookies and headers: ``cookie:sessionid``, ``header:X-Api-Key``."""
FilePlaces = Annotated[Places, BeforeValidator(_places)]
"""Folders and buckets: ``/srv/files videos/=s3://media/videos``."""
BlobsURL = Annotated[BucketURL, BeforeValidator(_bucket_url)]
BucketEndpoint = Annotated[Origin, BeforeValidator(_endpoint)]
Region = Annotated[str, _one(_REGION, "eu-central-1")]
Sender = Annotated[Mailbox, BeforeValidator(_mailbox)]
Number = Annotated[int, BeforeValidator(_number)]
Size = Annotated[int, BeforeValidator(_size), AfterValidator(_fits_a_disk)]
"""A number of bytes: ``1000``, ``10G``."""
Seconds = Annotated[int, BeforeValidator(_seconds), AfterValidator(_fits_a_date)]
"""A number of seconds: ``3600``, ``7d``."""
PlainPath = Annotated[Path, AfterValidator(plain_path)]
RunFolder = Annotated[Path, AfterValidator(run_folder)]
DatabaseURL = Annotated[str, AfterValidator(_database)]
"""An SQLAlchemy URL of a SQLite file, or of PostgreSQL with psycopg."""
ServerURL = Annotated[str, AfterValidator(_server)]
"""An SQLAlchemy URL of PostgreSQL."""
PublicURL = Annotated[str, AfterValidator(_public_url)]
SiteName = Annotated[str, AfterValidator(_site_name)]
Colour = Annotated[str, _one(_COLOUR, "#2457c5")]
Replica = Annotated[str, _one(_REPLICA, "r1")]
"""A name of up to 24 letters, digits and hyphens."""
URLPath = Annotated[str, _one(_URL_PATH, "/logo.svg")]
Hosts = Annotated[_Words, _each(_HOST, "files.example.com")]
Networks = Annotated[_Words, AfterValidator(_networks)]
Origins = Annotated[_Words, _each(_ORIGIN, "https://www.example.com")]
MediaRanges = Annotated[_Words, _each(_MEDIA_RANGE, "image/*")]
MediaTypeNames = Annotated[_Words, _each(_MEDIA_TYPE, "image/svg+xml")]
