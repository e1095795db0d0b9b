"""Notices when a server that nginx sends requests to has moved to other addresses.

nginx resolves the names in its configuration when it loads it, and never again.
https://nginx.org/en/docs/http/ngx_http_upstream_module.html#server
"""

from __future__ import annotations

import socket
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from gateway.config.address import Address

_INTERVAL: Final = 30.0
#: Seconds after which nginx resolves a name again although an old address still
#: accepts connections: it may belong to another server by then.  Amazon's names have
#: other addresses at each question, and their old ones continue to work.
_FORGOTTEN: Final = 600.0
_CONNECT_SECONDS: Final = 2.0


def resolve(server: Address) -> frozenset[str]:
    """Return the addresses of a host and port; none if DNS does not answer."""
    try:
        found = socket.getaddrinfo(*server, type=socket.SOCK_STREAM)
    except OSError:
        return frozenset()
    return frozenset(str(address[0]) for *_, address in found)


def accepts(address: Address) -> bool:
    """Return whether a server accepts connections at *address*."""
    try:
        socket.create_connection(address, _CONNECT_SECONDS).close()
    except OSError:
        return False
    return True


@dataclass
class UpstreamNames:
    """The names in nginx's configuration, with the addresses that nginx knows.

    ``servers`` returns the host and port of each server in the live configuration.
    ``moved`` is the host of a server that has moved since; empty if there is none.
    """

    servers: Callable[[], Collection[Address]]
    resolve: Callable[[Address], frozenset[str]] = resolve
    accepts: Callable[[Address], bool] = accepts
    clock: Callable[[], float] = time.monotonic
    moved: str = ""
    _known: dict[Address, frozenset[str]] = field(default_factory=dict)
    _gone_since: dict[Address, float] = field(default_factory=dict)
    _is_loaded: threading.Event = field(default_factory=threading.Event)

    def watch(self) -> None:
        """Check all names every ``_INTERVAL`` seconds, in a thread of its own."""
        threading.Thread(target=self._repeat, daemon=True).start()

    def _repeat(self) -> None:
        while True:
            self.check()
            self._is_loaded.wait(_INTERVAL)
            self._is_loaded.clear()

    def note_load(self) -> None:
        """Begin anew: nginx loads its configuration, and resolves all names, now."""
        self._known.clear()
        self._gone_since.clear()
        self.moved = ""
        self._is_loaded.set()

    def check(self) -> None:
        """Resolve all names, and set ``moved``."""
        self.moved = next(
            (server[0] for server in self.servers() if self._has_moved(server)), ""
        )

    def _has_moved(self, server: Address) -> bool:
        found = self.resolve(server)
        if not found:
            return False
        known = self._known.setdefault(server, found)
        if found & known:
            self._gone_since.pop(server, None)
            return False
        since = self._gone_since.setdefault(server, self.clock())
        return self.clock() - since >= _FORGOTTEN or not any(
            self.accepts((address, server[1])) for address in known
        )
