"""What gunicorn's master does before there are workers.

It reads the settings, once for each start and reload, and all workers get what it
read: one that is restarted in between must not pick up half a change.  Under
``gateway serve`` it reads what that has read for all of its children.
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
    """Read the settings, for gunicorn.conf.py.

    Faults end the start with status 1; at a reload they are reported and the
    last good settings stay.
    """
    global _last  # noqa: PLW0603 -- gunicorn runs its conf anew at each reload
    try:
        _last = settings.read(required=("keys", "secret", "files", "pool"))
    except SettingsError as error:
        for fault in error.faults:
            sys.stderr.write(f"gateway: {fault}\n")
        if _last is None:
            sys.exit(1)
        sys.stderr.write("gateway: the settings stay as they were\n")
    for warning in _last.warnings:
        sys.stderr.write(f"gateway: warning: {warning}\n")
    sys.stderr.flush()
    return _last


def end_what_ran(url: str, gateway: str) -> None:
    """Give back what requests of an earlier gunicorn hold in the catalog at *url*.

    A kill leaves them no time for it, and their users would be told for long that
    they have too much on its way.  A catalog that can't be changed now keeps what
    it has until that ends by itself.  In PostgreSQL only what *gateway* has let in
    ends: others may have requests there that run on.
    """
    database = Database.open(url)
    is_shared = database.engine.dialect.name != "sqlite"
    with suppress(CatalogBusyError, NoSpaceError):
        if is_usable(database):
            with database.write() as connection:
                expiry.clear_active_requests(connection, gateway if is_shared else None)
    # (!) Workers must not inherit its connection.
    database.engine.dispose()
