"""``python -m gateway.runtime.probe RUN/app.sock`` tells whether gunicorn is ready.

Asks ``/readyz`` on the app pool's socket, which asks the other pool; status 0 if both
are ready, 1 with the reason on stderr if not.  It runs every few seconds, so it
imports next to nothing.
"""

from __future__ import annotations

import socket
import sys
from os import PathLike, fspath
from typing import Final

_SECONDS: Final = 3.0


def probe(path: PathLike[str] | str, url: str = "/readyz") -> str | None:
    """Return None if the socket *path* answers *url* by 200, else what it answered."""
    try:
        status = _ask(path, url)
    except OSError as error:
        return f"{path}: {error}"
    return None if b" 200 " in status else f"{path}: {status!r}"


def answers(path: PathLike[str] | str) -> bool:
    """Tell whether a worker answers on the socket *path*, ready or not."""
    try:
        return _ask(path, "/healthz") != b""
    except OSError:
        return False


def _ask(path: PathLike[str] | str, url: str) -> bytes:
    """Return the line of the status, nothing if there is none; raise OSError."""
    request = f"GET {url} HTTP/1.0\r\nHost: localhost\r\n\r\n"
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(_SECONDS)
        connection.connect(fspath(path))
        connection.sendall(request.encode())
        return connection.makefile("rb").readline(1024)


if __name__ == "__main__":
    sys.exit(probe(sys.argv[1]))
