"""gunicorn's configuration, for `gateway serve` and for the container."""

import os

# Imported by the master: workers share its memory and answer as soon as they are
# forked, at a reload too.  New code takes a restart.
import gateway.app  # noqa: F401
from gateway.ops.boot import end_what_ran, read_settings
from gateway.ops.gunicorn_logger import RedactingLogger

_reading = read_settings()
_settings = _reading.settings
# Workers see what was read here, whatever becomes of a secret's file meanwhile.
raw_env = [f"{name}={text}" for name, text in _reading.environment.items()]

wsgi_app = "gateway.wsgi:app"
proc_name = "gateway"

# Only nginx of the same user reaches the socket.
bind = f"unix:{_settings.socket}"
umask = 0o177

workers = _settings.workers or 2 * len(os.sched_getaffinity(0)) + 1
# Measured by bench/workers.py, 4 interleaved rounds, ratios to the first row:
#
#   | variant                           | ratio | least | most |
#   | sync, HTTP                        |  1.00 |  1.00 | 1.00 |
#   | sync, HTTP, h1c parser            |  1.04 |  0.97 | 1.11 |
#   | sync, uwsgi                       |  1.10 |  0.97 | 1.17 |
#   | gthread x4, HTTP                  |  1.02 |  0.98 | 1.12 |
#   | gthread x4, HTTP, kept alive      |  0.53 |  0.46 | 1.45 |
#   | gthread x4, HTTP, h1c, kept alive |  0.52 |  0.48 | 1.75 |
#
# sync over plain HTTP: the most that others win is a tenth, and a kept connection loses
# half in most rounds.  It can be closed by a reloading worker under a
# request; gunicorn decodes uwsgi's PATH_INFO, which nginx has decoded already, a
# second time (100%25.txt breaks); and h1c has to be compiled.
worker_class = "sync"
# The heartbeat's file; on a disk a slow fsync would look like a hung worker.
worker_tmp_dir = "/dev/shm"  # noqa: S108 -- a directory, and root's
# As long as nginx waits for the end of an upload: a disk takes its time to sync.
timeout = 600
graceful_timeout = _settings.grace

# As long as nginx lets a request line be, so that nginx alone refuses.
limit_request_line = 0
limit_request_field_size = 16_384
limit_request_fields = 1000

# No header may set PATH_INFO or SCRIPT_NAME, whoever sends it.
forwarder_headers = ""
# nginx tells the scheme; two headers that disagree would be a 400.
secure_scheme_headers = {"X-FORWARDED-PROTO": "https"}

# nginx's access log has every request; gunicorn's own would show tokens.
accesslog = None
errorlog = "-"
logger_class = RedactingLogger
# Its default is a socket in $HOME, which a service user need not have.
control_socket_disable = True


def on_starting(server: object) -> None:
    """Begin with nothing on its way; gunicorn calls this once, not at a reload."""
    del server
    end_what_ran(_settings.database)
