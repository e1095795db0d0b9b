"""``python -m gateway.ops.probe SOCKET`` tells whether gunicorn is ready.

Asks ``/readyz`` on the unix socket; status 0 if it is ready, 1 with the reason
on stderr if not.  It runs every few seconds, so it imports next to nothing.
"""

from __future__ import annotations

import socket
import sys
from typing import Final

_SECONDS: Final = 3.0
_REQUEST: Final = b"GET /readyz HTTP/1.0\r\nHost: localhost\r\n\r\n"


def probe(path: str) -> str | None:
    """Return None if the socket *path* answers 200, else what it answered."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(_SECONDS)
        try:
            connection.connect(path)
            connection.sendall(_REQUEST)
            status = connection.makefile("rb").readline(1024)
        except OSError as error:
            return f"{path}: {error}"
    return None if b" 200 " in status else f"{path}: {status!r}"


if __name__ == "__main__":
    sys.exit(probe(sys.argv[1]))
