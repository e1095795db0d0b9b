"""``python -m gateway.ops.probe RUN/app.sock`` tells whether gunicorn is ready.

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
    request = f"GET {url} HTTP/1.0\r\nHost: localhost\r\n\r\n"
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(_SECONDS)
        try:
            connection.connect(fspath(path))
            connection.sendall(request.encode())
            status = connection.makefile("rb").readline(1024)
        except OSError as error:
            return f"{path}: {error}"
    return None if b" 200 " in status else f"{path}: {status!r}"


if __name__ == "__main__":
    sys.exit(probe(sys.argv[1]))
