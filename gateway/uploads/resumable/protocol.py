"""The headers of tus 1.0.0, parsed into typed values.

https://tus.io/protocols/resumable-upload
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from gateway.errors import (
    BadUploadError,
    ChecksumError,
    ContentTypeError,
    TusVersionError,
)
from gateway.storage.names import DisplayName

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    #: Returns a header's text by its name, which is case-insensitive.
    Header = Callable[[str], str | None]

VERSION: Final = "1.0.0"
EXTENSIONS: Final = (
    "creation,creation-defer-length,creation-with-upload,expiration,checksum,"
    "termination,concatenation"
)
ALGORITHMS: Final = ("sha1", "sha256", "sha512", "md5")
CONTENT_TYPE: Final = "application/offset+octet-stream"
PREFIX: Final = "/tus/"
PARTIAL: Final = "partial"
UNNAMED: Final = "unnamed"

# A session's id, and the name of the gateway that created it, if it has a name.
_SESSION: Final = re.compile(r"([a-z2-7]{26})(?:\.[A-Za-z0-9-]{1,32})?", re.ASCII)
# 18 digits stay below 2^63, so that every program and database on the way can store it.
_NUMBER: Final = re.compile(r"[0-9]{1,18}", re.ASCII)
_KEY: Final = re.compile(r"[\x21-\x2b\x2d-\x7e]{1,255}")
# The catalog stores the metadata of each upload session; a name has at most 340 bytes.
_MAXIMUM_METADATA: Final = 1024
_FINAL: Final = "final;"
_MAXIMUM_PARTIALS: Final = 1000


@dataclass(frozen=True, kw_only=True)
class Creation:
    """The headers of a POST that creates an upload.

    ``size`` is in bytes, None if it is deferred; ``metadata`` and ``concat`` are the
    headers as sent; ``partial_ids`` are the partial uploads of a final upload.
    """

    name: DisplayName
    is_named: bool
    size: int | None
    metadata: str
    concat: str
    partial_ids: tuple[str, ...] = ()

    @classmethod
    def parse(cls, header: Header) -> Creation:
        """Parse the headers of a POST; raise BadUploadError or BadNameError."""
        concat = (header("Upload-Concat") or "").strip()
        partial_ids = _partial_ids(concat)
        metadata = (header("Upload-Metadata") or "").strip()
        name = _name(_metadata(metadata))
        return cls(
            name=DisplayName(UNNAMED) if name is None else name,
            is_named=name is not None,
            size=None if partial_ids else _size(header),
            metadata=metadata,
            concat=concat,
            partial_ids=partial_ids,
        )

    @property
    def is_partial(self) -> bool:
        """Whether this is a partial upload, to be concatenated later."""
        return self.concat == PARTIAL


@dataclass(frozen=True)
class Checksum:
    """The checksum that the client sent for one request's body."""

    algorithm: str
    digest: bytes

    def check(self, path: Path) -> None:
        """Raise ChecksumError unless the content of *path* has this checksum."""
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, self.algorithm).digest()
        if not hmac.compare_digest(digest, self.digest):
            raise ChecksumError


@dataclass(frozen=True, kw_only=True)
class Chunk:
    """The headers of a PATCH; ``size`` is the Upload-Length, None without one."""

    offset: int
    size: int | None
    checksum: Checksum | None

    @classmethod
    def parse(cls, header: Header) -> Chunk:
        """Parse the headers of a PATCH; raise BadUploadError or ContentTypeError."""
        check_content_type(header)
        size = header("Upload-Length")
        return cls(
            offset=_number(header("Upload-Offset") or "", "upload-offset"),
            size=None if size is None else _number(size, "upload-length"),
            checksum=checksum(header),
        )


def session_path(session_id: str, replica: str | None) -> str:
    """Return the path of a session's URL, which ends with its gateway's name.

    A load balancer sends the session's requests to that gateway (docs/scaling.md).
    """
    return f"{PREFIX}{session_id}{f'.{replica}' if replica else ''}"


def session_id(segment: str) -> str | None:
    """Return the id in the last *segment* of a session's path, or None.

    The name of the gateway is for load balancers alone: the catalog knows it, too.
    """
    match = _SESSION.fullmatch(segment)
    return match[1] if match else None


def check_method_override(header: Header, method: str) -> None:
    """Raise BadUploadError if X-HTTP-Method-Override differs from *method*.

    nginx has already replaced the method of a POST that names PATCH or DELETE.
    """
    override = header("X-HTTP-Method-Override")
    if override is not None and override != method:
        raise BadUploadError("method-override")


def check_version(header: Header) -> None:
    """Raise TusVersionError unless Tus-Resumable names this version."""
    version = header("Tus-Resumable") or ""
    if version != VERSION:
        raise TusVersionError(version)


def check_content_type(header: Header) -> None:
    """Raise ContentTypeError unless Content-Type is ``CONTENT_TYPE``."""
    media_type = (header("Content-Type") or "").partition(";")[0].strip().lower()
    if media_type != CONTENT_TYPE:
        raise ContentTypeError(media_type)


def checksum(header: Header) -> Checksum | None:
    """Return the checksum in Upload-Checksum, or None without that header."""
    text = header("Upload-Checksum")
    if text is None:
        return None
    algorithm, _, encoded = text.strip().partition(" ")
    if algorithm not in ALGORITHMS:
        raise BadUploadError("checksum-algorithm")
    digest = _decode(encoded, "upload-checksum")
    if len(digest) != hashlib.new(algorithm).digest_size:
        raise BadUploadError("upload-checksum")
    return Checksum(algorithm, digest)


def _size(header: Header) -> int | None:
    length, deferred = header("Upload-Length"), header("Upload-Defer-Length")
    if length is None and deferred == "1":
        return None
    if length is None or deferred is not None:
        raise BadUploadError("upload-length")
    return _number(length, "upload-length")


def _number(text: str, fact: str) -> int:
    if not _NUMBER.fullmatch(text):
        raise BadUploadError(fact)
    return int(text)


def _metadata(text: str) -> dict[str, bytes]:
    """Return the pairs in Upload-Metadata: ``key base64, key base64``."""
    if len(text) > _MAXIMUM_METADATA:
        raise BadUploadError("metadata-too-long")
    pairs: dict[str, bytes] = {}
    for pair in text.split(",") if text else ():
        key, _, value = pair.strip(" ").partition(" ")
        if not _KEY.fullmatch(key) or key in pairs:
            raise BadUploadError("upload-metadata")
        pairs[key] = _decode(value, "upload-metadata")
    return pairs


def _name(pairs: dict[str, bytes]) -> DisplayName | None:
    # tus's own clients send "filename"; Uppy sends "name" as well.
    raw = pairs.get("filename", pairs.get("name"))
    if raw is None:
        return None
    try:
        return DisplayName.parse(raw.decode())
    except UnicodeDecodeError:
        raise BadUploadError("filename-is-not-utf-8") from None


def _partial_ids(concat: str) -> tuple[str, ...]:
    """Return the ids in ``final;URL URL ...``; raise BadUploadError for duplicates.

    The prefix of the URLs' paths is ignored, as their host.
    """
    if concat in {"", PARTIAL}:
        return ()
    if not concat.startswith(_FINAL):
        raise BadUploadError("upload-concat")
    ids = tuple(map(_partial_id, concat.removeprefix(_FINAL).split(" ")))
    if len(ids) > _MAXIMUM_PARTIALS:
        raise BadUploadError("too-many-parts")
    # (!) With repeated ids, a small request could write any number of bytes.
    if len(set(ids)) < len(ids):
        raise BadUploadError("repeated-part")
    return ids


def _partial_id(url: str) -> str:
    try:
        partial_id = session_id(urlsplit(url).path.rpartition(PREFIX)[2])
    except ValueError:
        raise BadUploadError("upload-concat") from None
    if partial_id is None:
        raise BadUploadError("upload-concat")
    return partial_id


def _decode(text: str, fact: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error):
        raise BadUploadError(fact) from None
