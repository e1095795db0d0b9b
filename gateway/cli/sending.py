"""A tus client: sends one file to a gateway, and goes on where it stopped.

https://tus.io/protocols/resumable-upload
"""

from __future__ import annotations

import base64
import json
import time
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from typing import IO, TYPE_CHECKING, Final
from urllib.parse import urljoin, urlsplit

from gateway.errors import BadNameError, GatewayError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_SOCKET_SECONDS: Final = 60
#: The gateway answers when the file is on its disk.
_ANSWER_SECONDS: Final = 600
_STEP: Final = 1 << 18
#: Seconds before each new try; a try that brings the upload on begins them anew.
_PAUSES: Final = (0.2, 1, 2, 5, 10, 15, 30)
# Another request has the turn, or the gateway can't just now.
_AGAIN: Final = frozenset({409, 423, 429, 460, 500, 502, 503, 504})
_GONE: Final = frozenset({404, 410})


class SendingError(GatewayError):
    """The gateway does not take a file; ``status`` is what it answered."""

    def __init__(self, status: int, title: str) -> None:
        self.status = status
        super().__init__(f"{title} ({status})")


class _LineError(Exception):
    """The line or the gateway failed in a way that another try may mend."""


@dataclass(frozen=True)
class Gateway:
    """The gateway at ``url``, asked with a bearer token."""

    url: str
    token: str

    def create(self, name: str, size: int) -> str:
        """Announce an upload and return its path.

        Raise SendingError, and BadNameError for a name that can't be sent.
        """
        try:
            encoded = base64.b64encode(name.encode()).decode()
        except UnicodeEncodeError:
            raise BadNameError(f"{name!r} is not UTF-8: rename it") from None
        told = {
            "Content-Length": "0",
            "Upload-Length": str(size),
            "Upload-Metadata": f"filename {encoded}",
        }
        answer = _patiently(lambda: self._ask("POST", "/tus/", told))
        return str(urlsplit(answer.headers["Location"]).path)

    def exists(self, path: str) -> bool:
        """Tell whether an upload can be gone on with."""
        try:
            _patiently(lambda: self._ask("HEAD", path))
        except SendingError as error:
            if error.status in _GONE:
                return False
            raise
        return True

    def send(
        self, path: str, file: IO[bytes], size: int, told: Callable[[int], None]
    ) -> str | None:
        """Send what is missing of *file*; return the URL of the stored upload.

        That is None by a drop link: what came is its maker's alone.  *told* hears
        how many bytes are there.  Raise SendingError, and for a line that stays
        broken OSError.
        """
        pauses = iter(_PAUSES)
        furthest = -1
        while True:
            try:
                answer = self._ask("HEAD", path)
                offset = int(answer.headers["Upload-Offset"])
                told(offset)
                if offset > furthest:
                    furthest, pauses = offset, iter(_PAUSES)
                if offset < size:
                    answer = self._patch(path, file, offset, size, told)
                stored: str | None = answer.headers["Content-Location"]
                if stored is not None:
                    return urljoin(self.url, stored)
                if int(answer.headers["Upload-Offset"]) == size:
                    return None
            except _LineError as error:
                _pause(pauses, error)

    def _patch(
        self,
        path: str,
        file: IO[bytes],
        offset: int,
        size: int,
        told: Callable[[int], None],
    ) -> HTTPResponse:
        headers = {
            "Upload-Offset": str(offset),
            "Content-Type": "application/offset+octet-stream",
            "Content-Length": str(size - offset),
        }

        def body(connection: HTTPConnection) -> None:
            position = file.seek(offset)
            while position < size:
                chunk = file.read(min(_STEP, size - position))
                if not chunk:
                    raise SendingError(0, "the file was changed while it was sent")
                connection.send(chunk)
                position += len(chunk)
                told(position)

        return self._ask("PATCH", path, headers, body)

    def _ask(
        self,
        method: str,
        path: str,
        headers: dict[str, str] | None = None,
        body: Callable[[HTTPConnection], None] | None = None,
    ) -> HTTPResponse:
        """Return a good answer; raise SendingError or _LineError for all others."""
        with closing(self._connection()) as connection:
            try:
                _write(connection, method, path, self._headers(headers or {}), body)
                answer = connection.getresponse()
                content = answer.read()
            except (OSError, HTTPException) as error:
                raise _LineError(error) from error
        if answer.status < 300:  # noqa: PLR2004 -- HTTP's own line
            return answer
        refused = SendingError(answer.status, _title(content) or answer.reason)
        if answer.status in _AGAIN:
            raise _LineError(refused) from refused
        raise refused

    def _connection(self) -> HTTPConnection:
        parts = urlsplit(self.url)
        kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
        return kind(parts.hostname or "", parts.port, timeout=_SOCKET_SECONDS)

    def _headers(self, more: dict[str, str]) -> dict[str, str]:
        return {
            "Authorization": f"Bearer {self.token}",
            "Tus-Resumable": "1.0.0",
            "Accept": "application/json",
            **more,
        }


def _write(
    connection: HTTPConnection,
    method: str,
    path: str,
    headers: dict[str, str],
    body: Callable[[HTTPConnection], None] | None,
) -> None:
    connection.putrequest(method, path)
    for name, text in headers.items():
        connection.putheader(name, text)
    connection.endheaders()
    if body is None:
        return
    try:
        body(connection)
    except (BrokenPipeError, ConnectionResetError):
        # A refusal comes before the body is read, and may still be there to read.
        return
    connection.sock.settimeout(_ANSWER_SECONDS)


def _patiently(ask: Callable[[], HTTPResponse]) -> HTTPResponse:
    pauses = iter(_PAUSES)
    while True:
        try:
            return ask()
        except _LineError as error:
            _pause(pauses, error)


def _pause(pauses: Iterator[float], error: _LineError) -> None:
    """Wait before another try, or raise what is wrong if there were enough."""
    pause = next(pauses, None)
    if pause is None:
        fault = error.args[0]
        if isinstance(fault, HTTPException):
            raise OSError(f"the answer can't be read: {fault!r}") from error
        raise fault
    time.sleep(pause)


def _title(content: bytes) -> str:
    try:
        return str(json.loads(content)["title"])
    except (ValueError, KeyError, TypeError):
        return ""
