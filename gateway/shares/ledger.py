"""The lines of the ledger, which nginx writes when a request for a shared file ends.

``nginx/conf.d/ledger.conf`` defines the format.
"""

from __future__ import annotations

import hashlib
import json
import re
from functools import lru_cache
from typing import Final, NamedTuple
from urllib.parse import quote, unquote

#: Maximum characters of a path; the end of a longer path is replaced by a digest.
_MAXIMUM_PATH: Final = 255
_DIGEST: Final = 16
_NO_LEASE: Final = "-"
#: Every number in a line is smaller.
_LIMIT: Final = 10**18
_FILE: Final = re.compile(
    r"([a-z0-9]{12}) ([a-z0-9]{12}) (-|[a-z0-9]{16}) ([!-~]{0,255}) "
    r"([0-9]{1,6}) ([0-9]{1,18})",
    re.ASCII,
)
_KEY: Final = re.compile(r"key ([A-Za-z0-9_-]{1,16})", re.ASCII)
_REQUEST: Final = re.compile(r"[0-9A-Za-z.-]{1,64}", re.ASCII)
_RANGE: Final = re.compile(r"bytes ([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18})", re.ASCII)
#: Exceptions, besides ValueError, for a line that is JSON of another form.
_MALFORMED: Final = (
    AttributeError,
    KeyError,
    OverflowError,
    RecursionError,
    TypeError,
)
#: nginx's words for a cached verdict (``$upstream_cache_status``).
_KEPT: Final = frozenset({"HIT", "STALE", "UPDATING"})
#: The statuses of a response with a file or a part of it.
_OK: Final = "200"
_PARTIAL: Final = "206"


class SharedFile(NamedTuple):
    """The shared file of a request, which the verdict passes to nginx for the ledger.

    ``lease`` is empty if a program downloads with the share link itself; ``path`` is
    the path inside an item that is a folder, else empty; ``size`` is in bytes, 0 if it
    is not known before nginx sends the file.
    """

    share: str
    recipient: str
    lease: str
    item: int
    size: int
    path: str = ""

    @property
    def text(self) -> str:
        """The fields as ASCII words, separated by spaces."""
        path = quote(self.path)
        if len(path) > _MAXIMUM_PATH:
            digest = hashlib.sha256(self.path.encode()).hexdigest()[:_DIGEST]
            path = f"{path[: _MAXIMUM_PATH - _DIGEST - 1]}~{digest}"
        lease = self.lease or _NO_LEASE
        # The path is not the last word: nginx would trim an empty path.
        return f"{self.share} {self.recipient} {lease} {path} {self.item} {self.size}"

    @classmethod
    def parse(cls, text: str) -> SharedFile:
        """Parse ``text``; raise ValueError for anything else."""
        match = _FILE.fullmatch(text)
        if match is None:
            raise ValueError("not a shared file")
        share, recipient, lease, path, item, size = match.groups()
        lease = "" if lease == _NO_LEASE else lease
        return cls(share, recipient, lease, int(item), int(size), unquote(path))


@lru_cache(maxsize=4096)
def _file(text: str) -> SharedFile:
    """Parse a file's text; cached, since all requests of a download have the same."""
    return SharedFile.parse(text)


class Line(NamedTuple):
    """One line of the ledger.

    ``request`` is nginx's id of a request that began a counted download, else empty.
    ``file`` is the requested shared file, or None; ``key`` is the key id of a requested
    signed URL, else empty.  ``sent`` is the number of bytes of the file that nginx
    handed to the kernel, and ``covered`` their range: the first byte and the byte after
    the last; None if the range is unknown.  ``at`` is Unix seconds by nginx's clock.
    ``is_kept`` is set if the verdict was cached.
    """

    at: int
    request: str
    file: SharedFile | None
    key: str
    size: int
    sent: int
    covered: tuple[int, int] | None
    agent: str
    address: str
    is_kept: bool

    @classmethod
    def parse(cls, text: bytes) -> Line:
        """Parse a line; raise ValueError for a line that is incomplete or invalid."""
        if rb"\u0000" in text:
            raise ValueError("a field contains a NUL")
        try:
            return cls._from_json(json.loads(text.decode()))
        except _MALFORMED as error:
            raise ValueError(str(error)) from error

    @classmethod
    def _from_json(cls, fields: dict[str, str]) -> Line:
        target, is_get = fields["what"], fields["method"] == "GET"
        key = _KEY.fullmatch(target)
        file = _file(target) if target and key is None else None
        size = sent = 0
        covered = None
        if file is not None and is_get:
            size, sent, covered = _sent(fields, file)
        request = fields["request"]
        if fields["began"] and not _REQUEST.fullmatch(request):
            raise ValueError("invalid request id")
        at = int(fields["at"])
        if not all(0 <= number < _LIMIT for number in (at, size, sent)):
            raise ValueError("number out of range")
        return cls(
            at=at,
            request=request if fields["began"] else "",
            file=file if is_get else None,
            key=key[1] if key else "",
            size=size,
            sent=sent,
            covered=covered,
            agent=fields["agent"],
            address=fields["address"],
            is_kept=fields.get("verdict") in _KEPT,
        )


def _sent(
    fields: dict[str, str], file: SharedFile
) -> tuple[int, int, tuple[int, int] | None]:
    """Return the file's size, the number of bytes sent, and their range.

    An aborted request has not sent its last byte, even if the count says so: for
    HTTP/2 the count includes the frames.
    """
    status, count = fields["status"], int(fields["bytes"])
    is_whole = fields["complete"] == "OK"
    size = file.size
    if status == _OK and fields["encoding"]:
        # Compressed: the range of a partial response is unknown.
        return size, count, (0, size) if is_whole else None
    if status == _OK:
        first, size = 0, int(fields["length"] or size)
        length = size
    elif status == _PARTIAL:
        match = _RANGE.fullmatch(fields["range"])
        if match is None:
            # A multipart response with several ranges.
            return size, count, None
        first, last, size = int(match[1]), int(match[2]), int(match[3])
        length = last + 1 - first
    else:
        return size, 0, None
    if is_whole:
        return size, length, (first, first + length)
    count = max(0, min(count, length - 1))
    return size, count, (first, first + count) if count else None
