"""gunicorn's configuration: one file for both pools, which GATEWAY_POOL names.

``gateway serve`` starts both; by hand each is a gunicorn of its own (docs/nginx.md).
"""

import os

# Imported by the master: workers share its memory and answer as soon as they are
# forked, at a reload too.  New code takes a restart.
import gateway.app  # noqa: F401
from gateway.ops.boot import end_what_ran, read_settings
from gateway.ops.gunicorn_logger import RedactingLogger
from gateway.pools import Pool

_reading = read_settings()
_settings = _reading.settings
_pool = Pool(_settings.pool)
# Workers see what was read here, whatever becomes of a secret's file meanwhile.
raw_env = [f"{name}={text}" for name, text in _reading.environment.items()]

wsgi_app = "gateway.wsgi:app"
proc_name = f"gateway-{_pool}"

# Only nginx of the same user reaches the socket.
bind = f"unix:{_settings.socket(_pool)}"
umask = 0o177

_cores = len(os.sched_getaffinity(0))
if _pool is Pool.VERDICTS:
    worker_class = "gateway.ops.verdict_worker.VerdictWorker"
    workers = _settings.workers or 2 * _cores + 1
    timeout = 30
else:
    worker_class = "gthread"
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
    """Begin with nothing on its way; gunicorn calls this once, not at a reload.

    (!) Of one pool alone: the other one may start while uploads are on their way.
    """
    del server
    if _pool is Pool.APP:
        end_what_ran(_settings.database)
