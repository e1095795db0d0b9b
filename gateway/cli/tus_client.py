"""A tus client: uploads a file to a gateway and resumes after interruptions.

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
#: The gateway responds only after the file is on its disk.
_RESPONSE_SECONDS: Final = 600
_BLOCK: Final = 1 << 18
#: Seconds before each retry; progress starts the sequence again.
_DELAYS: Final = (0.2, 1, 2, 5, 10, 15, 30)
#: The upload session is busy, or the gateway is temporarily unavailable.
_RETRYABLE: Final = frozenset({409, 423, 429, 460, 500, 502, 503, 504})
_GONE: Final = frozenset({404, 410})


class UploadError(GatewayError):
    """The gateway refused an upload with the HTTP status ``status``."""

    def __init__(self, status: int, title: str) -> None:
        self.status = status
        super().__init__(f"{title} ({status})")


class _RetryableError(Exception):
    """The connection or the gateway failed, and a retry may succeed."""


@dataclass(frozen=True)
class TusClient:
    """Uploads to the gateway at the public URL ``url`` with a bearer token."""

    url: str
    token: str

    def create(self, name: str, size: int) -> str:
        """Create an upload session and return its path.

        Raise UploadError, and BadNameError for a name that is not UTF-8.
        """
        try:
            encoded = base64.b64encode(name.encode()).decode()
        except UnicodeEncodeError:
            raise BadNameError(f"{name!r} is not UTF-8: rename it") from None
        headers = {
            "Content-Length": "0",
            "Upload-Length": str(size),
            "Upload-Metadata": f"filename {encoded}",
        }
        path = f"{urlsplit(self.url).path}/tus/"
        response = _retry(lambda: self._request("POST", path, headers))
        return str(urlsplit(response.headers["Location"]).path)

    def exists(self, path: str) -> bool:
        """Return whether the upload session still exists."""
        try:
            _retry(lambda: self._request("HEAD", path))
        except UploadError as error:
            if error.status in _GONE:
                return False
            raise
        return True

    def send(
        self, path: str, file: IO[bytes], size: int, on_progress: Callable[[int], None]
    ) -> str | None:
        """Send the missing bytes of *file*; return the URL of the finished upload.

        Return None for a drop link: only its owner may open the upload.  *on_progress*
        is called with the number of bytes sent.  Raise UploadError, and OSError if the
        connection keeps failing.
        """
        delays = iter(_DELAYS)
        furthest = -1
        while True:
            try:
                response = self._request("HEAD", path)
                offset = int(response.headers["Upload-Offset"])
                on_progress(offset)
                if offset > furthest:
                    furthest, delays = offset, iter(_DELAYS)
                if offset < size:
                    response = self._patch(path, file, offset, size, on_progress)
                stored: str | None = response.headers["Content-Location"]
                if stored is not None:
                    return urljoin(self.url, stored)
                if int(response.headers["Upload-Offset"]) == size:
                    return None
            except _RetryableError as error:
                _wait(delays, error)

    def _patch(
        self,
        path: str,
        file: IO[bytes],
        offset: int,
        size: int,
        on_progress: Callable[[int], None],
    ) -> HTTPResponse:
        headers = {
            "Upload-Offset": str(offset),
            "Content-Type": "application/offset+octet-stream",
            "Content-Length": str(size - offset),
        }

        def body(connection: HTTPConnection) -> None:
            position = file.seek(offset)
            while position < size:
                block = file.read(min(_BLOCK, size - position))
                if not block:
                    raise UploadError(0, "the file changed during the upload")
                connection.send(block)
                position += len(block)
                on_progress(position)

        return self._request("PATCH", path, headers, body)

    def _request(
        self,
        method: str,
        path: str,
        headers: dict[str, str] | None = None,
        body: Callable[[HTTPConnection], None] | None = None,
    ) -> HTTPResponse:
        """Return a 2xx response; raise UploadError or _RetryableError for any other."""
        with closing(self._connection()) as connection:
            try:
                _write(connection, method, path, self._headers(headers or {}), body)
                response = connection.getresponse()
                content = response.read()
            except (OSError, HTTPException) as error:
                raise _RetryableError(error) from error
        if response.status < 300:  # noqa: PLR2004 -- the end of 2xx
            return response
        refused = UploadError(response.status, _title(content) or response.reason)
        if response.status in _RETRYABLE:
            raise _RetryableError(refused) from refused
        raise refused

    def _connection(self) -> HTTPConnection:
        parts = urlsplit(self.url)
        kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
        return kind(parts.hostname or "", parts.port, timeout=_SOCKET_SECONDS)

    def _headers(self, extra: dict[str, str]) -> dict[str, str]:
        return {
            "Authorization": f"Bearer {self.token}",
            "Tus-Resumable": "1.0.0",
            "Accept": "application/json",
            **extra,
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
        # The gateway may have refused before it read the body; read its response.
        return
    connection.sock.settimeout(_RESPONSE_SECONDS)


def _retry(request: Callable[[], HTTPResponse]) -> HTTPResponse:
    delays = iter(_DELAYS)
    while True:
        try:
            return request()
        except _RetryableError as error:
            _wait(delays, error)


def _wait(delays: Iterator[float], error: _RetryableError) -> None:
    """Wait before the next retry; raise the cause if no retries are left."""
    delay = next(delays, None)
    if delay is None:
        cause = error.args[0]
        if isinstance(cause, HTTPException):
            raise OSError(f"invalid HTTP response: {cause!r}") from error
        raise cause
    time.sleep(delay)


def _title(content: bytes) -> str:
    try:
        return str(json.loads(content)["title"])
    except (ValueError, KeyError, TypeError):
        return ""
