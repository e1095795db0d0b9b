"""Health checks: ``python -m gateway.runtime.probe SOCKET [URL]``.

``RUN/app.sock`` answers ``/readyz``, which is the default; that view checks the other
pool as well.  ``RUN/health.sock`` answers ``/healthz``.  Exits with 0 if the answer is
200, else with 1 and the reason on stderr.  It runs every few seconds, so it imports as
little as possible.
"""

from __future__ import annotations

import socket
import sys
from os import PathLike, fspath
from typing import Final

_SECONDS: Final = 3.0


def probe(path: PathLike[str] | str, url: str = "/readyz") -> str | None:
    """Return None if the socket *path* answers *url* with 200, else its answer."""
    try:
        status = _request_status(path, url)
    except OSError as error:
        return f"{path}: {error}"
    return None if b" 200 " in status else f"{path}: {status!r}"


def answers(path: PathLike[str] | str) -> bool:
    """Return whether a worker answers on the socket *path*, ready or not."""
    try:
        return _request_status(path, "/healthz") != b""
    except OSError:
        return False


def _request_status(path: PathLike[str] | str, url: str) -> bytes:
    """Return the status line, empty if the connection was closed; raise OSError."""
    request = f"GET {url} HTTP/1.0\r\nHost: localhost\r\n\r\n"
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(_SECONDS)
        connection.connect(fspath(path))
        connection.sendall(request.encode())
        return connection.makefile("rb").readline(1024)


if __name__ == "__main__":
    sys.exit(probe(*sys.argv[1:3]))
