"""The work of gunicorn's master before it forks workers.

The master reads the settings once per start and reload, and passes them to all
workers: a worker that is restarted later must not read half a change.  Under
``gateway serve`` the master reads the supervisor's snapshot of the settings.
"""

from __future__ import annotations

import sys
from contextlib import suppress

from gateway.catalog import expiry
from gateway.catalog.database import Database
from gateway.catalog.revision import is_usable
from gateway.config import settings
from gateway.errors import CatalogBusyError, NoSpaceError, SettingsError

_last: settings.Reading | None = None


def read_settings() -> settings.Reading:
    """Return the settings, for gunicorn.conf.py.

    At the start, invalid settings exit with status 1; at a reload they are reported
    and the last valid settings stay in effect.
    """
    global _last  # noqa: PLW0603 -- gunicorn runs its conf again at each reload
    try:
        _last = settings.read(required=("keys", "secret", "files", "pool"))
    except SettingsError as error:
        for fault in error.faults:
            sys.stderr.write(f"gateway: {fault}\n")
        if _last is None:
            sys.exit(1)
        sys.stderr.write("gateway: the previous settings stay in effect\n")
    for warning in _last.warnings:
        sys.stderr.write(f"gateway: warning: {warning}\n")
    sys.stderr.flush()
    return _last


def clear_in_flight_requests(url: str, gateway: str) -> None:
    """Clear the in-flight requests of a previous gunicorn in the catalog at *url*.

    A killed gunicorn can't release its reservations, and until they expire its users
    would be refused for having too many uploads in progress.  If the catalog can't be
    written now, the reservations stay until they expire.  In PostgreSQL only the
    reservations of *gateway* are cleared: other gateways may share the catalog, and
    their requests are still running.
    """
    database = Database.open(url)
    is_shared = database.engine.dialect.name != "sqlite"
    with suppress(CatalogBusyError, NoSpaceError):
        if is_usable(database):
            with database.write() as connection:
                expiry.clear_active_requests(connection, gateway if is_shared else None)
    # (!) Workers must not inherit its connection.
    database.engine.dispose()
