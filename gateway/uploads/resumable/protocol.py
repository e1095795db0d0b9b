"""tus 1.0.0: what its headers say, as typed values.

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
from gateway.storage.blobs import is_id
from gateway.storage.names import DisplayName

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    #: Gives a header's text by its name, in any case.
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

# 18 digits stay below 2^63, which every part of the way can count to.
_NUMBER: Final = re.compile(r"[0-9]{1,18}", re.ASCII)
_KEY: Final = re.compile(r"[\x21-\x2b\x2d-\x7e]{1,255}")
# Each unfinished upload keeps it in the catalog; a name has at most 340 bytes of it.
_MAXIMUM_METADATA: Final = 1024
_FINAL: Final = "final;"
_MAXIMUM_PARTS: Final = 1000


@dataclass(frozen=True, kw_only=True)
class Creation:
    """What a POST asks for.

    ``size`` None is to be told later; ``metadata`` and ``concat`` are the
    headers as they came; ``parts`` are the ids that a final upload is made of.
    """

    name: DisplayName
    is_named: bool
    size: int | None
    metadata: str
    concat: str
    parts: tuple[str, ...] = ()

    @classmethod
    def parse(cls, header: Header) -> Creation:
        """Read the headers of a POST; raise BadUploadError or BadNameError."""
        concat = (header("Upload-Concat") or "").strip()
        parts = _parts(concat)
        metadata = (header("Upload-Metadata") or "").strip()
        name = _name(_metadata(metadata))
        return cls(
            name=DisplayName(UNNAMED) if name is None else name,
            is_named=name is not None,
            size=None if parts else _size(header),
            metadata=metadata,
            concat=concat,
            parts=parts,
        )

    @property
    def is_partial(self) -> bool:
        """Tell whether it is a part of an upload that is yet to be put together."""
        return self.concat == PARTIAL


@dataclass(frozen=True)
class Checksum:
    """What the bytes of one request must have."""

    algorithm: str
    digest: bytes

    def check(self, path: Path) -> None:
        """Raise ChecksumError if the content of *path* has another one."""
        with path.open("rb") as file:
            found = hashlib.file_digest(file, self.algorithm).digest()
        if not hmac.compare_digest(found, self.digest):
            raise ChecksumError


@dataclass(frozen=True, kw_only=True)
class Chunk:
    """What a PATCH says of its body; ``size`` is the upload's, if it tells it."""

    offset: int
    size: int | None
    checksum: Checksum | None

    @classmethod
    def parse(cls, header: Header) -> Chunk:
        """Read the headers of a PATCH; raise BadUploadError or ContentTypeError."""
        check_content_type(header)
        size = header("Upload-Length")
        return cls(
            offset=_number(header("Upload-Offset") or "", "upload-offset"),
            size=None if size is None else _number(size, "upload-length"),
            checksum=checksum(header),
        )


def check_named_method(header: Header, method: str) -> None:
    """Raise BadUploadError if another method than the request's own is named.

    nginx has made PATCH and DELETE the method of a POST that names them.
    """
    named = header("X-HTTP-Method-Override")
    if named is not None and named != method:
        raise BadUploadError("method-override")


def check_version(header: Header) -> None:
    """Raise TusVersionError unless the client speaks this version."""
    said = header("Tus-Resumable") or ""
    if said != VERSION:
        raise TusVersionError(said)


def check_content_type(header: Header) -> None:
    """Raise ContentTypeError unless the body is a chunk of an upload."""
    said = (header("Content-Type") or "").partition(";")[0].strip().lower()
    if said != CONTENT_TYPE:
        raise ContentTypeError(said)


def checksum(header: Header) -> Checksum | None:
    """Return the checksum of the body, if there is one."""
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
    """Return Upload-Metadata's pairs: ``key base64, key base64``."""
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
    # tus's own clients say "filename", Uppy says "name" as well.
    raw = pairs.get("filename", pairs.get("name"))
    if raw is None:
        return None
    try:
        return DisplayName.parse(raw.decode())
    except UnicodeDecodeError:
        raise BadUploadError("filename-is-not-utf-8") from None


def _parts(concat: str) -> tuple[str, ...]:
    """Return the ids in ``final;URL URL ...``, each of which stands there once."""
    if concat in {"", PARTIAL}:
        return ()
    if not concat.startswith(_FINAL):
        raise BadUploadError("upload-concat")
    parts = tuple(map(_part, concat.removeprefix(_FINAL).split(" ")))
    if len(parts) > _MAXIMUM_PARTS:
        raise BadUploadError("too-many-parts")
    # (!) A part that may be repeated has a small request write any number of bytes.
    if len(set(parts)) < len(parts):
        raise BadUploadError("repeated-part")
    return parts


def _part(url: str) -> str:
    try:
        part = urlsplit(url).path.removeprefix(PREFIX)
    except ValueError:
        raise BadUploadError("upload-concat") from None
    if not is_id(part):
        raise BadUploadError("upload-concat")
    return part


def _decode(text: str, fact: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error):
        raise BadUploadError(fact) from None
