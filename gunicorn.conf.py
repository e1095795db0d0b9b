"""gunicorn's configuration for both pools; GATEWAY_POOL selects the pool.

``gateway serve`` starts both pools; started by hand, each is a separate gunicorn
(docs/nginx.md).
"""

import gc
import os
from typing import Any

# Imported by the master: workers share its memory and answer as soon as they are
# forked, also at a reload.  New code requires a restart.
import gateway.app  # noqa: F401
from gateway.config.gateway_id import replica_name
from gateway.http.pools import Pool
from gateway.runtime import counting
from gateway.runtime.boot import clear_in_flight_requests, read_settings
from gateway.runtime.gunicorn_logger import RedactingLogger

# Imported modules are never garbage.  If a worker's garbage collector examined them, it
# would copy the memory shared with the master: at exit this took 0.3 s of processor
# time.
gc.collect()
gc.freeze()

_reading = read_settings()
_settings = _reading.settings
_pool = Pool(_settings.pool)
# Workers use the values read here, even if the file of a secret changes meanwhile.
raw_env = [f"{name}={text}" for name, text in _reading.environment.items()]

wsgi_app = "gateway.wsgi:app"
proc_name = f"gateway-{_pool}"

# `gateway serve` sets the umask for its children, but gunicorn may be started by hand.
os.umask(0o077)
# Only an nginx of the same user can connect to the socket.
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
# The verdicts pool uses the sync worker that closes connections at once: it is the
# cheapest for gunicorn, which takes most of the time.  Drawbacks of the alternatives: a
# reloading worker can close a kept-alive connection during a request; gunicorn decodes
# uwsgi's PATH_INFO again, after nginx (100%25.txt breaks); h1c must be compiled.
# The app pool uses threads, since its requests wait; bodies need the graceful close.
_cores = len(os.sched_getaffinity(0))
if _pool is Pool.VERDICTS:
    bind += [f"unix:{_settings.health_socket}"]
    worker_class = "gateway.runtime.verdict_worker.VerdictWorker"
    workers = _settings.workers or 2 * _cores + 1
    threads = 1
    timeout = 30
else:
    worker_class = "gateway.runtime.app_worker.AppWorker"
    workers = _settings.app_workers or max(2, _cores)
    threads = _settings.app_threads
    # (!) With a higher value, connections wait for the threads of one worker while the
    #     threads of another worker are idle.
    worker_connections = threads
    # The same time as nginx waits for the answer to an upload: syncing takes time.
    timeout = 600
# nginx keeps no connection to gunicorn alive: see the table.
keepalive = 0
# For the heartbeat file: on a disk, a slow fsync would look like a hung worker.
worker_tmp_dir = "/dev/shm"  # noqa: S108 -- a directory, and root's
graceful_timeout = _settings.grace

# No limits below those of nginx, so that only nginx refuses requests for their length.
limit_request_line = 0
# nginx also passes the request target in a header: its maximum, and the header's name.
limit_request_field_size = 16_384 + 64
limit_request_fields = 1000

# No header may set PATH_INFO or SCRIPT_NAME.
forwarder_headers = ""
# nginx sets the scheme; two headers that disagree would be a 400.
secure_scheme_headers = {"X-FORWARDED-PROTO": "https"}

# nginx's access log has every request; gunicorn's own would contain tokens.
accesslog = None
errorlog = "-"
logger_class = RedactingLogger
# The default is a socket in $HOME, and a service user may have no home.
control_socket_disable = True


def post_fork(server: object, worker: Any) -> None:  # noqa: ANN401 -- of either pool
    """Have a new worker count; gunicorn calls this in the worker, before its start."""
    del server
    worker.slot = counting.join(_settings, _pool, threads=threads)


def on_starting(server: object) -> None:
    """Clear in-flight requests; gunicorn calls this once, not at a reload.

    (!) In the app pool only: the other pool may start while uploads are in progress.
    """
    del server
    if _pool is Pool.APP:
        clear_in_flight_requests(
            _settings.database, replica_name(_settings.replica, _settings.data)
        )
