"""``python -m gateway.ops.probe``: ask gunicorn's socket whether it is ready.

Status 0 if it is, 1 if not, with the reason on stderr.
"""

from __future__ import annotations

import socket
import sys
from http.client import HTTPConnection, HTTPException
from typing import TYPE_CHECKING

from gateway import settings

if TYPE_CHECKING:
    from pathlib import Path

_SECONDS = 3.0


class _UnixConnection(HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=_SECONDS)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(_SECONDS)
        self.sock.connect(str(self._path))


def probe(path: Path) -> str | None:
    """Return None if ``/readyz`` on the socket *path* says 200, else why not."""
    connection = _UnixConnection(path)
    try:
        connection.request("GET", "/readyz")
        answer = connection.getresponse()
        body = answer.read().decode(errors="replace")
    except (OSError, HTTPException) as error:
        return f"{path}: {error}"
    finally:
        connection.close()
    return None if answer.status == 200 else body  # noqa: PLR2004 -- HTTP's OK


if __name__ == "__main__":
    _path = settings.read().settings.socket
    _fault = probe(_path) if _path else "GATEWAY_SOCKET is not set"
    if _fault:
        sys.exit(_fault)
