"""The gunicorn entry: ``gateway.wsgi:app``.

It refuses to start on a missing, short or example key.
"""

import sys

from gateway import settings
from gateway.app import create_app
from gateway.errors import SettingsError

# gunicorn takes this exit status of a worker as "don't start it again".
_APP_LOAD_ERROR = 4

try:
    _reading = settings.read(required=("keys", "files"))
except SettingsError as error:
    for _fault in error.faults:
        sys.stderr.write(f"gateway: {_fault}\n")
    sys.exit(_APP_LOAD_ERROR)
for _warning in _reading.warnings:
    sys.stderr.write(f"gateway: warning: {_warning}\n")

app = create_app(_reading.settings)
