"""The gunicorn entry: ``gateway.wsgi:app``.

Under gunicorn.conf.py the settings have been checked before a worker starts, and
name the pool whose URLs this is; under any other server this is where a missing,
short or example key ends it, and all URLs are answered if no pool is named.
What lies on disk is the master's to check and ``/readyz``'s to tell: a worker
that ended because a folder is away would be forked again at once, for ever.
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
