"""The gunicorn entry: ``gateway.wsgi:app``.

Under gunicorn.conf.py, the settings were checked before a worker starts, and they name
the pool.  Under any other server, this module exits if a key is missing, too short or
the example's; without a pool the application answers all URLs.  This module does not
check files and folders: gunicorn's master does, and ``/readyz`` reports them.  A worker
that exits because a folder is missing would be forked again at once, for ever.
"""

import sys

from gateway.app import create_app
from gateway.config import settings
from gateway.errors import SettingsError

try:
    current = settings.read(
        required=("keys", "secret", "files"), check_disk=False
    ).settings
    app = create_app(current, pool=current.pool)
except SettingsError as error:
    for fault in error.faults:
        sys.stderr.write(f"gateway: {fault}\n")
    sys.exit(1)
