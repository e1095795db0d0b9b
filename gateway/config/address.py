"""Where ``gateway serve`` listens, and where it can be reached."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Final

from gateway.errors import SuperviseError

_FILE: Final = "url"
_SERVED: Final = "served"
#: Any address of this machine, and the one by which it reaches itself.
_LOOPBACK: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104

Address = tuple[str, int]


def authority(address: Address) -> str:
    """Return ``host:port`` as URLs and nginx write it, IPv6 in brackets."""
    host, port = address
    return f"{bracketed(host)}:{port}"


def bracketed(host: str) -> str:
    """Return *host* as URLs and nginx write it."""
    return f"[{host}]" if ":" in host else host


def local_url(address: Address) -> str:
    """Return the URL by which this machine reaches what listens on *address*."""
    host, port = address
    return f"http://{authority((_LOOPBACK.get(host, host), port))}"


def check_free(address: Address) -> None:
    """Raise SuperviseError, in words, if *address* can't be taken."""
    with socket.socket(_family(address)) as candidate:
        candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            candidate.bind(address)
        except OSError as error:
            raise SuperviseError(
                f"can't listen on {authority(address)}: {error.strerror}"
            ) from None


def accepts(address: Address) -> bool:
    """Tell whether somebody listens on *address*."""
    with socket.socket(_family(address)) as connection:
        return connection.connect_ex(address) == 0


def _family(address: Address) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in address[0] else socket.AF_INET


def record_url(data: Path, url: str) -> None:
    """Leave *url* in the data folder, for ``gateway sign``."""
    (data / _FILE).write_text(f"{url}\n", "utf-8")


def recorded_url(data: Path) -> str | None:
    """Return the URL that was left last, or None if there is none to be read."""
    return _recorded(data / _FILE)


def record_files(data: Path, files: Path) -> None:
    """Leave in the data folder which folder is served, for ``gateway sign``."""
    (data / _SERVED).write_text(f"{files}\n", "utf-8")


def recorded_files(data: Path) -> Path | None:
    """Return the folder that was served last, or None if none is known."""
    found = _recorded(data / _SERVED)
    return None if found is None else Path(found)


def _recorded(file: Path) -> str | None:
    try:
        return file.read_text("utf-8").strip() or None
    except (OSError, UnicodeDecodeError):
        return None
