"""gunicorn's configuration: one file for both pools, which GATEWAY_POOL names.

``gateway serve`` starts both; by hand each is a gunicorn of its own (docs/nginx.md).
"""

import gc
import os

# Imported by the master: workers share its memory and answer as soon as they are
# forked, at a reload too.  New code takes a restart.
import gateway.app  # noqa: F401
from gateway.config.gateway_id import own_id
from gateway.http.pools import Pool
from gateway.runtime.boot import clear_in_flight_requests, read_settings
from gateway.runtime.gunicorn_logger import RedactingLogger

# What is imported by now is never garbage.  A worker that examined it would copy the
# memory that it shares with the master: at its end that took 0.3 s of processor time.
gc.collect()
gc.freeze()

_reading = read_settings()
_settings = _reading.settings
_pool = Pool(_settings.pool)
# Workers see what was read here, whatever becomes of a secret's file meanwhile.
raw_env = [f"{name}={text}" for name, text in _reading.environment.items()]

wsgi_app = "gateway.wsgi:app"
proc_name = f"gateway-{_pool}"

# `gateway serve` sets it for its children; this one may have been started by hand.
os.umask(0o077)
# Only nginx of the same user reaches the socket.
bind = [f"unix:{_settings.socket(_pool)}"]
umask = 0o177

# Measured by bench/workers.py: the processor time of a verdict, 8 interleaved rounds,
# median (least-most) of the ratios to the first row:
#
#   | variant                     | gunicorn         | nginx            |
#   | sync                        | 1.00             | 1.00             |
#   | sync, closing at once       | 0.74 (0.65-0.87) | 0.69 (0.50-0.79) |
#   | sync, h1c parser            | 0.98 (0.88-1.11) | 0.95 (0.83-1.15) |
#   | sync, uwsgi                 | 0.93 (0.86-1.03) | 0.93 (0.78-1.15) |
#   | gthread x4                  | 0.89 (0.81-1.01) | 0.53 (0.42-0.56) |
#   | gthread x4, kept alive      | 0.86 (0.73-0.93) | 0.47 (0.35-0.63) |
#   | gthread x4, h1c, kept alive | 0.81 (0.67-0.93) | 0.44 (0.32-0.52) |
#
# Verdicts are answered by the worker that closes at once.  It is the cheapest for
# gunicorn, which takes most of the time.  A kept connection can be closed by a
# reloading worker under a request; gunicorn decodes uwsgi's PATH_INFO, which nginx has
# decoded already, a second time (100%25.txt breaks); and h1c has to be compiled.
# The app pool has threads, since its requests wait; its bodies need the graceful close.
_cores = len(os.sched_getaffinity(0))
if _pool is Pool.VERDICTS:
    bind += [f"unix:{_settings.health_socket}"]
    worker_class = "gateway.runtime.verdict_worker.VerdictWorker"
    workers = _settings.workers or 2 * _cores + 1
    timeout = 30
else:
    worker_class = "gateway.runtime.app_worker.AppWorker"
    workers = _settings.app_workers or max(2, _cores)
    threads = _settings.app_threads
    # (!) More, and connections wait for one worker's threads while another's are free.
    worker_connections = threads
    # As long as nginx waits for the end of an upload: a disk takes its time to sync.
    timeout = 600
# nginx keeps no connection: see the table.
keepalive = 0
# The heartbeat's file; on a disk a slow fsync would look like a hung worker.
worker_tmp_dir = "/dev/shm"  # noqa: S108 -- a directory, and root's
graceful_timeout = _settings.grace

# As long as nginx lets a request line be, so that nginx alone refuses.
limit_request_line = 0
# nginx tells the longest target in a header, too, which has a name.
limit_request_field_size = 16_384 + 64
limit_request_fields = 1000

# No header may set PATH_INFO or SCRIPT_NAME.
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
    """Begin with nothing on its way; gunicorn calls this once, not at a reload.

    (!) Of one pool alone: the other one may start while uploads are on their way.
    """
    del server
    if _pool is Pool.APP:
        clear_in_flight_requests(_settings.database, own_id(_settings.data))
