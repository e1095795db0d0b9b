"""Notices when a server that nginx sends requests to has moved to other addresses.

nginx resolves the names in its configuration when it loads it, and never again.
https://nginx.org/en/docs/http/ngx_http_upstream_module.html#server
"""

from __future__ import annotations

import socket
import ssl
import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from gateway.certificates import ca_certificates

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from gateway.origin import Origin

_INTERVAL: Final = 30.0
#: Seconds after which nginx resolves a name again although an old address still
#: accepts connections: without TLS it may be another server by then.
_FORGOTTEN: Final = 600.0
_CONNECT_SECONDS: Final = 2.0


def resolve(server: Origin) -> frozenset[str]:
    """Return the addresses of a server; none if DNS does not answer."""
    try:
        found = socket.getaddrinfo(server.host, server.port, type=socket.SOCK_STREAM)
    except OSError:
        return frozenset()
    return frozenset(str(address[0]) for *_, address in found)


def answers(server: Origin, address: str) -> bool:
    """Return whether *address* accepts connections, with TLS as that server."""
    try:
        with ExitStack() as stack:
            connection = stack.enter_context(
                socket.create_connection((address, server.port), _CONNECT_SECONDS)
            )
            if server.scheme == "https":
                file = ca_certificates()
                context = _tls_context(file, Path(file).stat().st_mtime)
                stack.enter_context(
                    context.wrap_socket(connection, server_hostname=server.host)
                )
    except OSError:
        return False
    return True


@lru_cache(maxsize=1)
def _tls_context(file: str, _modified: float) -> ssl.SSLContext:
    """Return a context that trusts the CA certificates in *file*.

    Reading those of Debian takes more than 10 ms of processor time.
    """
    return ssl.create_default_context(cafile=file)


@dataclass
class UpstreamNames:
    """The names in nginx's configuration, with the addresses that nginx knows.

    ``servers`` returns the servers in the live configuration.  ``moved`` is the host of
    a server that has moved since; empty if there is none.

    A server has moved if DNS has none of its known addresses, and none of them answers.
    It has also moved if a known address that DNS does not have any more is silent in
    two checks in a row: nginx would try it for ever.  If the addresses that DNS has are
    silent, too, a reload would not help.
    Amazon's names have other addresses at each question, and the old ones continue to
    work: a reload for each of them would cut long downloads.
    """

    servers: Callable[[], Collection[Origin]]
    resolve: Callable[[Origin], frozenset[str]] = resolve
    answers: Callable[[Origin, str], bool] = answers
    clock: Callable[[], float] = time.monotonic
    moved: str = ""
    _known: dict[Origin, frozenset[str]] = field(default_factory=dict)
    _gone_since: dict[Origin, float] = field(default_factory=dict)
    _silent: dict[Origin, frozenset[str]] = field(default_factory=dict)
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
        self._silent.clear()
        self.moved = ""
        self._is_loaded.set()

    def check(self) -> None:
        """Resolve all names, and set ``moved``."""
        self.moved = next(
            (server.host for server in self.servers() if self._has_moved(server)), ""
        )

    def _has_moved(self, server: Origin) -> bool:
        found = self.resolve(server)
        if not found:
            return False
        known = self._known.setdefault(server, found)
        silent = self._silent_among(server, known - found)
        was_silent = silent & self._silent.get(server, frozenset())
        self._silent[server] = silent
        if found & known:
            self._gone_since.pop(server, None)
        elif silent == known or self._is_forgotten(server):
            return True
        return bool(was_silent) and self._silent_among(server, found) != found

    def _silent_among(
        self, server: Origin, addresses: frozenset[str]
    ) -> frozenset[str]:
        return frozenset(a for a in addresses if not self.answers(server, a))

    def _is_forgotten(self, server: Origin) -> bool:
        since = self._gone_since.setdefault(server, self.clock())
        return server.scheme == "http" and self.clock() - since >= _FORGOTTEN
