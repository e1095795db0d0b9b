"""The settings of one generation of gunicorn's workers.

The master reads them once for each start and reload, and all workers get what
it read: one that is restarted in between must not pick up half a change.
"""

from __future__ import annotations

import sys

from gateway import settings
from gateway.errors import SettingsError

_last: settings.Reading | None = None


def read_settings() -> settings.Reading:
    """Read the settings, for gunicorn.conf.py.

    Faults end the start with status 1; at a reload they are reported and the
    last good settings stay.
    """
    global _last  # noqa: PLW0603 -- gunicorn runs its conf anew at each reload
    try:
        _last = settings.read(required=("keys", "files"))
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
