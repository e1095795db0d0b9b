"""The address on which ``gateway serve`` listens, and the URL to reach it."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Final

from gateway.errors import SuperviseError
from gateway.storage.places import Places

if TYPE_CHECKING:
    from pathlib import Path

_FILE: Final = "url"
_SERVED: Final = "served"
#: The wildcard addresses, each with the address at which this machine reaches itself.
_LOOPBACK: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104

Address = tuple[str, int]


def authority(address: Address) -> str:
    """Return ``host:port`` in the syntax of URLs and nginx, IPv6 in brackets."""
    host, port = address
    return f"{bracketed(host)}:{port}"


def bracketed(host: str) -> str:
    """Return *host* in the syntax of URLs and nginx."""
    return f"[{host}]" if ":" in host else host


def local_url(address: Address) -> str:
    """Return the URL by which this machine reaches a server on *address*."""
    host, port = address
    return f"http://{authority((_LOOPBACK.get(host, host), port))}"


def check_free(address: Address) -> None:
    """Raise SuperviseError, with the reason, if nothing can listen on *address*."""
    with socket.socket(_family(address)) as candidate:
        candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            candidate.bind(address)
        except OSError as error:
            raise SuperviseError(
                f"can't listen on {authority(address)}: {error.strerror}"
            ) from None


def accepts(address: Address) -> bool:
    """Return whether a server listens on *address*."""
    with socket.socket(_family(address)) as connection:
        return connection.connect_ex(address) == 0


def _family(address: Address) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in address[0] else socket.AF_INET


def record_url(data: Path, url: str) -> None:
    """Write *url* to the data folder, for ``gateway sign``."""
    (data / _FILE).write_text(f"{url}\n", "utf-8")


def recorded_url(data: Path) -> str | None:
    """Return the last recorded URL, or None if there is none."""
    return _recorded(data / _FILE)


def record_files(data: Path, files: Places) -> None:
    """Write the value of GATEWAY_FILES to the data folder, for ``gateway sign``."""
    (data / _SERVED).write_text(f"{files}\n", "utf-8")


def recorded_files(data: Path) -> Places | None:
    """Return the last recorded value of GATEWAY_FILES, or None if there is none."""
    text = _recorded(data / _SERVED)
    try:
        return None if text is None else Places.parse(text)
    except ValueError:  # the file is damaged
        return None


def _recorded(file: Path) -> str | None:
    try:
        return file.read_text("utf-8").strip() or None
    except (OSError, UnicodeDecodeError):
        return None
