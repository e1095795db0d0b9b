"""Locks of processes, which PostgreSQL keeps for a connection until that ends.

The connection must lead to the server itself: a pooler would give it, with its locks,
to other clients, and would keep it open when the process has ended.
https://www.postgresql.org/docs/current/explicit-locking.html#ADVISORY-LOCKS
"""

from __future__ import annotations

import hashlib
import time
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import make_url, text
from sqlalchemy.exc import ProgrammingError

from gateway.catalog import blob_place
from gateway.catalog.database import translated_errors
from gateway.errors import CatalogBusyError, SettingsError

if TYPE_CHECKING:
    from sqlalchemy import Connection

#: Seconds that the server may stay silent.
_SILENCE: Final = 8.0
#: Seconds for which the connection is taken to be open after the server's last answer.
_FRESH: Final = 5.0
#: Seconds after which the server notices that this machine is gone: without these
#: settings that takes hours, and nobody could take over.
_KEEPALIVES: Final = {
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
}
_POOLED: Final = (
    "GATEWAY_DATABASE_DIRECT: the connection leads to a pooler, and housekeeping holds "
    "a lock that needs a connection to the server: set this to the server's own URL"
)


class Lock(IntEnum):
    """The locks; the values differ from the key of the writers' lock."""

    HOUSEKEEPER = 0x616363656D
    """Held for as long as a gateway does the housekeeping of the catalog."""
    MAINTENANCE = 0x616363656E
    """Held for one round of housekeeping, or for one repair."""


def name_lock(replica: str) -> int:
    """Return the lock that the gateway named *replica* holds while it runs."""
    digest = hashlib.sha256(f"gateway {replica}".encode()).digest()
    return int.from_bytes(digest[:8], signed=True)


class AdvisoryLocks:
    """The locks of this process, on a connection of its own to *url*.

    A lock is one of ``Lock``, or that of a gateway's name.  *label* is the
    connection's name in ``pg_stat_activity``.  Methods raise
    CatalogBusyError if the server does not answer, and SettingsError if there is a
    pooler in between.  If the connection is lost, so are all locks.
    """

    def __init__(self, url: str, *, label: str) -> None:
        from gateway.catalog import postgresql  # noqa: PLC0415 -- an extra

        self.url = url
        self._label = label
        self._engine = postgresql.engine(
            make_url(url), silence=_SILENCE, wait=0, pool_size=1, max_overflow=0
        )
        self._connection: Connection | None = None
        self._held: set[int] = set()
        self._answered = 0.0

    def try_lock(self, lock: int) -> bool:
        """Take *lock*, unless another process has it; return whether it is held."""
        if self.holds(lock):
            return True
        if self._ask("SELECT pg_try_advisory_lock(:key)", key=int(lock)):
            self._held.add(lock)
        return lock in self._held

    def unlock(self, lock: int) -> None:
        """Release *lock*, if it is held."""
        if self.holds(lock):
            self._held.discard(lock)
            self._ask("SELECT pg_advisory_unlock(:key)", key=int(lock))

    def holds(self, lock: int) -> bool:
        """Return whether *lock* is held; ask the server if it was silent for long."""
        if lock in self._held and time.monotonic() - self._answered > _FRESH:
            try:
                self._ask("SELECT 1")
            except CatalogBusyError:
                return False
        return lock in self._held

    def is_of(self, store: str) -> bool:
        """Return whether this is the catalog that has recorded *store*."""
        try:
            with translated_errors():
                return blob_place.recorded(self._open()) == store
        except ProgrammingError:  # it has no such table
            return False

    def close(self) -> None:
        """Release all locks."""
        self._held.clear()
        if self._connection is not None:
            # (!) Not close(), which would keep the locks on the pooled connection.
            self._connection.invalidate()
            self._connection = None
        self._engine.dispose()

    def _ask(self, query: str, **parameters: int) -> Any:  # noqa: ANN401
        try:
            with translated_errors():
                answer = self._open().execute(text(query), parameters).scalar()
        except CatalogBusyError:
            self.close()
            raise
        self._answered = time.monotonic()
        return answer

    def _open(self) -> Connection:
        if self._connection is None:
            connection = self._engine.connect().execution_options(
                isolation_level="AUTOCOMMIT"
            )
            driver: Any = connection.connection.driver_connection
            pid = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
            # A pooler gives its clients numbers of its own.
            if driver.info.backend_pid != pid:
                connection.invalidate()
                raise SettingsError([_POOLED])
            for name, value in {**_KEEPALIVES, "application_name": self._label}.items():
                connection.execute(
                    text("SELECT set_config(:name, :value, false)"),
                    {"name": name, "value": value},
                )
            self._connection = connection
        return self._connection
