"""``gateway serve``: nginx, both gunicorn pools and housekeeping as one service.

If any child exits, all are stopped.  SIGTERM and SIGINT drain, SIGHUP reloads.
"""

from __future__ import annotations

import os
import resource
import select
import signal
import sys
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from gateway.config.address import accepts, check_free
from gateway.config.assets import asset
from gateway.errors import GatewayError, SuperviseError
from gateway.runtime.child import Child
from gateway.runtime.live_conf import directives, find_nginx
from gateway.runtime.probe import answers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from gateway.config.address import Address
    from gateway.http.pools import Pool
    from gateway.runtime.ledger_file import LedgerFile
    from gateway.runtime.live_conf import LiveConf
    from gateway.runtime.upstream_names import UpstreamNames

_NGINX: Final = "nginx"
_START_SECONDS: Final = 20
_POLL_SECONDS: Final = 0.05
_HOUSEKEEPING_SECONDS: Final = "60"


@dataclass
class Supervisor:
    """Starts all children, supervises them, and stops them within ``grace`` seconds.

    ``conf`` is nginx's configuration, rendered at the start.  ``reload`` renders it
    again and replaces the children's settings; if it raises, nothing has changed.
    ``environment`` and ``descriptors`` are passed to the Python children; the pools
    listen on ``sockets``.  nginx listens on ``address``, a host and a port; with None,
    nginx is not started.  nginx resolves its names again when ``names`` notices that a
    server has moved.  ``on_reload`` is called after each reload with an empty
    string, or with the reason of the failure.
    """

    conf: LiveConf
    reload: Callable[[], None]
    environment: dict[str, str]
    sockets: Mapping[Pool, Path]
    address: Address | None
    names: UpstreamNames
    grace: int
    ledger: LedgerFile | None = None
    descriptors: tuple[int, ...] = ()
    on_reload: Callable[[str], object] = str
    children: list[Child] = field(default_factory=list)
    _pending: list[signal.Signals] = field(default_factory=list)
    _last_ledger_warning: str = ""

    def run(self, *, on_ready: Callable[[], None]) -> int:
        """Serve until a signal to stop; return the exit status.

        The status is 0 after a signal and 1 if a child exited on its own.  Raise
        SuperviseError if the start fails.
        """
        if self.address is not None:
            # nginx checks its configuration here, before any process is started.
            self.conf.renew()
            check_free(self.address)
        _raise_file_limit()
        deadline = time.monotonic() + _START_SECONDS
        with self._signals() as wake:
            try:
                self._start_pools()
                if not self._wait_for(self._pools_answer, deadline):
                    return 0
                if self.address is None:
                    # The nginx container starts nginx when these files exist.
                    self.conf.renew()
                self._start_nginx_and_housekeeping()
                if not self._wait_for(self._nginx_accepts, deadline):
                    return 0
                on_ready()
                return self._watch(wake)
            finally:
                self._stop()

    def _start_pools(self) -> None:
        for pool, socket in self.sockets.items():
            socket.unlink(missing_ok=True)
            self._start_python(
                f"gunicorn-{pool}",
                *("gunicorn", "--config", str(asset("gunicorn.conf.py"))),
                GATEWAY_POOL=pool,
            )

    def _start_nginx_and_housekeeping(self) -> None:
        """Start the other children, after the pools answer.

        (!) If nginx starts before the pools answer, it answers requests with 503.
        """
        if self.address is not None:
            if self.ledger is not None:
                self.ledger.begin()
            self.children.append(
                Child.spawn(
                    _NGINX,
                    [
                        *(find_nginx(), "-e", "stderr"),
                        *("-g", directives(), "-c", str(self.conf.path)),
                    ],
                    signal.SIGQUIT,
                    self.environment,
                )
            )
        self._start_python(
            "housekeeper", "gateway", "housekeep", "--every", _HOUSEKEEPING_SECONDS
        )
        # After the last child is started: forwarding uses threads.
        for child in self.children:
            child.forward_output()

    def _start_python(self, name: str, *module: str, **settings: str) -> None:
        self.children.append(
            Child.spawn(
                name,
                [sys.executable, "-m", *module],
                signal.SIGTERM,
                {**self.environment, **settings},
                self.descriptors,
            )
        )

    def _wait_for(self, condition: Callable[[], bool], deadline: float) -> bool:
        """Wait until *condition* is true; return False on a signal to stop.

        Raise SuperviseError if a child exits, or at *deadline* (monotonic clock).
        """
        while not condition():
            if {signal.SIGTERM, signal.SIGINT} & set(self._pending):
                return False
            for child in self.children:
                if child.process.poll() is not None:
                    raise SuperviseError(f"{child.name} did not start; see above")
            if time.monotonic() > deadline:
                raise SuperviseError(f"nothing answers after {_START_SECONDS} seconds")
            time.sleep(_POLL_SECONDS)
        return True

    def _pools_answer(self) -> bool:
        # (!) Don't wait for readiness: a database may be read-only for hours after a
        #     failover, and deliveries must continue meanwhile.
        return all(map(answers, self.sockets.values()))

    def _nginx_accepts(self) -> bool:
        return self.address is None or accepts(self.address)

    def _watch(self, wake: int) -> int:
        self.names.watch()
        while True:
            is_signalled = bool(select.select([wake], [], [], 1.0)[0])
            os.set_blocking(wake, False)
            with suppress(BlockingIOError):
                os.read(wake, 4096)
            while self._pending:
                if self._pending.pop(0) is signal.SIGHUP:
                    self._reload()
                else:
                    return 0
            if not is_signalled:
                # (!) Once a second: the end of its script is a signal, too.
                self._rotate()
            if self.names.moved:
                self._resolve_again(self.names.moved)
            for child in self.children:
                status = child.process.poll()
                if status is not None:
                    _log(f"{child.name} ended with status {status}; stopping")
                    return 1

    def _rotate(self) -> None:
        """Rotate the ledger's log file if it is large or was deleted."""
        for child in self.children:
            if self.ledger is not None and child.name == _NGINX:
                warning = self.ledger.rotate(child.process.pid)
                if warning not in {"", self._last_ledger_warning}:
                    _log(f"ledger: {warning}")
                self._last_ledger_warning = warning

    def _resolve_again(self, host: str) -> None:
        """Reload nginx, with the settings as they are."""
        try:
            self.conf.renew()
        except (GatewayError, OSError) as error:
            _log(f"{host} has other addresses; nginx is not reloaded: {error}")
            self.names.moved = ""  # until the next check
            return
        self.names.note_load()
        for child in self.children:
            if child.name == _NGINX:
                child.process.send_signal(signal.SIGHUP)
        _log(f"{host} has other addresses; nginx is reloaded")

    def _reload(self) -> None:
        """Reload all children; log an invalid configuration without reloading."""
        try:
            self.reload()
        except (GatewayError, OSError) as error:
            _log(f"not reloaded: {error}")
            self.on_reload(str(error))
            return
        for child in self.children:
            child.process.send_signal(signal.SIGHUP)
        self.names.note_load()
        _log("reloaded")
        self.on_reload("")

    def _stop(self) -> None:
        """Stop housekeeping, then nginx, which still needs gunicorn, then the pools."""
        deadline = time.monotonic() + self.grace
        for child in self.children:
            child.forward_output()
        for child in reversed(self.children):
            if not child.drain(deadline):
                _log(f"{child.name} is still busy after {self.grace} s; ending it")
            child.terminate()

    @contextmanager
    def _signals(self) -> Iterator[int]:
        """Collect signals; yield a descriptor that becomes readable at each signal."""
        reader, writer = os.pipe()
        os.set_blocking(writer, False)

        def note(number: int, _frame: object) -> None:
            if number != signal.SIGCHLD:
                self._pending.append(signal.Signals(number))

        previous_wakeup = signal.set_wakeup_fd(writer)
        watched = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)
        previous = {number: signal.signal(number, note) for number in watched}
        try:
            yield reader
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)
            signal.set_wakeup_fd(previous_wakeup)
            os.close(reader)
            os.close(writer)


def _raise_file_limit() -> None:
    """Raise the limit of open files to the hard limit: each download uses two."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _log(text: str) -> None:
    sys.stderr.write(f"gateway: {text}\n")
    sys.stderr.flush()
