"""Lines of the ledger: what nginx writes when a request for a shared file is over.

``nginx/conf.d/ledger.conf`` has the format.
"""

from __future__ import annotations

import hashlib
import json
import re
from functools import lru_cache
from typing import Final, NamedTuple
from urllib.parse import quote, unquote

#: Characters of a path that are told; of a longer one the end is a digest.
_PATH: Final = 255
_DIGEST: Final = 16
_NO_LEASE: Final = "-"
#: More than any number in a line is.
_MOST: Final = 10**18
_FILE: Final = re.compile(
    r"([a-z0-9]{12}) ([a-z0-9]{12}) (-|[a-z0-9]{16}) ([!-~]{0,255}) "
    r"([0-9]{1,6}) ([0-9]{1,18})",
    re.ASCII,
)
_WHAT: Final = re.compile(r"key ([A-Za-z0-9_-]{1,16})", re.ASCII)
_REQUEST: Final = re.compile(r"[0-9a-f]{32}", re.ASCII)
_RANGE: Final = re.compile(r"bytes ([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18})", re.ASCII)
#: What else is raised for a line of other JSON.
_BROKEN: Final = (
    AttributeError,
    KeyError,
    OverflowError,
    RecursionError,
    TypeError,
)
#: Answers that are a file, or a part of one.
_WHOLE: Final = "200"
_PART: Final = "206"


class SharedFile(NamedTuple):
    """What a verdict tells nginx of the file that it is to send.

    ``lease`` is empty where a program gets it by the share link itself; ``path`` is the
    file's below an item that is a folder, and else empty; ``size`` is in bytes.
    """

    share: str
    recipient: str
    lease: str
    item: int
    size: int
    path: str = ""

    @property
    def text(self) -> str:
        """One word of ASCII for each field."""
        path = quote(self.path)
        if len(path) > _PATH:
            digest = hashlib.sha256(self.path.encode()).hexdigest()[:_DIGEST]
            path = f"{path[: _PATH - _DIGEST - 1]}~{digest}"
        lease = self.lease or _NO_LEASE
        # Not the last word: nginx would trim an empty one.
        return f"{self.share} {self.recipient} {lease} {path} {self.item} {self.size}"

    @classmethod
    def parse(cls, text: str) -> SharedFile:
        """Read what ``text`` says; raise ValueError for anything else."""
        match = _FILE.fullmatch(text)
        if match is None:
            raise ValueError("no shared file")
        share, recipient, lease, path, item, size = match.groups()
        lease = "" if lease == _NO_LEASE else lease
        return cls(share, recipient, lease, int(item), int(size), unquote(path))


@lru_cache(maxsize=4096)
def _file(text: str) -> SharedFile:
    """Read a file's text; the requests of a download have the same."""
    return SharedFile.parse(text)


class Line(NamedTuple):
    """What one line says.

    ``request`` is nginx's id of a request that began a counted download, or empty;
    ``file`` is what was asked for, if it was a shared file, and ``key`` the id of the
    key if it was a signed URL.  ``sent`` are the bytes of the file that were handed to
    the kernel, of which ``covered`` is the part from one byte up to another one; None
    where that can't be told.  ``at`` is Unix seconds by nginx's clock.
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

    @classmethod
    def parse(cls, text: bytes) -> Line:
        """Read a line; raise ValueError for one that nginx has not written whole."""
        if rb"\u0000" in text:
            raise ValueError("no text has a NUL")
        try:
            return cls._read(json.loads(text.decode()))
        except _BROKEN as error:
            raise ValueError(str(error)) from error

    @classmethod
    def _read(cls, said: dict[str, str]) -> Line:
        what, is_get = said["what"], said["method"] == "GET"
        key = _WHAT.fullmatch(what)
        file = _file(what) if what and key is None else None
        size = sent = 0
        covered = None
        if file is not None and is_get:
            size, sent, covered = _sent(said, file)
        request = said["request"]
        if said["began"] and not _REQUEST.fullmatch(request):
            raise ValueError("no request")
        at = int(said["at"])
        if not all(0 <= number < _MOST for number in (at, size, sent)):
            raise ValueError("no number")
        return cls(
            at=at,
            request=request if said["began"] else "",
            file=file if is_get else None,
            key=key[1] if key else "",
            size=size,
            sent=sent,
            covered=covered,
            agent=said["agent"],
            address=said["address"],
        )


def _sent(
    said: dict[str, str], file: SharedFile
) -> tuple[int, int, tuple[int, int] | None]:
    """Return the file's size, the bytes of it that were sent, and which.

    A request that broke off has not sent its last byte, whatever the count says: of
    HTTP/2 that includes the frames.
    """
    status, count = said["status"], int(said["bytes"])
    is_whole = said["complete"] == "OK"
    size = file.size
    if status == _WHOLE and said["encoding"]:
        # Compressed: nothing can be told of a part.
        return size, count, (0, size) if is_whole else None
    if status == _WHOLE:
        first, size = 0, int(said["length"] or size)
        length = size
    elif status == _PART:
        match = _RANGE.fullmatch(said["range"])
        if match is None:
            # Several ranges at once.
            return size, count, None
        first, last, size = int(match[1]), int(match[2]), int(match[3])
        length = last + 1 - first
    else:
        return size, 0, None
    if is_whole:
        return size, length, (first, first + length)
    count = max(0, min(count, length - 1))
    return size, count, (first, first + count) if count else None
