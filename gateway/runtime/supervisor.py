"""``gateway serve``: nginx, both pools of gunicorn, and housekeeping, as one service.

If any of them exits, all are stopped.  SIGTERM and SIGINT drain, SIGHUP reloads.
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

_NGINX: Final = "nginx"
_START_SECONDS: Final = 20
_POLL_SECONDS: Final = 0.05
#: Seconds between two rounds of housekeeping.
_EVERY: Final = "60"


@dataclass
class Supervisor:
    """Starts all, waits, and stops all within ``grace`` seconds.

    ``conf`` is nginx's configuration, renewed at the start.  ``reload`` renews it
    and what the children read, or raises and has changed nothing.  ``environment``
    and ``descriptors`` are those of the Python children, ``sockets`` where the pools
    listen.  ``address`` is the host and port that nginx takes, or None if nginx is
    not started here.  ``on_reload`` is told what came of each reload: nothing, or why
    it was not done.
    """

    conf: LiveConf
    reload: Callable[[], None]
    environment: dict[str, str]
    sockets: Mapping[Pool, Path]
    address: Address | None
    grace: int
    ledger: LedgerFile | None = None
    descriptors: tuple[int, ...] = ()
    on_reload: Callable[[str], object] = str
    children: list[Child] = field(default_factory=list)
    _pending: list[signal.Signals] = field(default_factory=list)
    _said_of_ledger: str = ""

    def run(self, *, on_ready: Callable[[], None]) -> int:
        """Serve until told to stop; return the exit status.

        0 after a signal, 1 when a process ended by itself.  Raise
        SuperviseError when the start fails.
        """
        if self.address is not None:
            # nginx checks its files here, before anything is started.
            self.conf.renew()
            check_free(self.address)
        _raise_file_limit()
        deadline = time.monotonic() + _START_SECONDS
        with self._signals() as wake:
            try:
                self._start_pools()
                if not self._comes_true(self._pools_answer, deadline):
                    return 0
                if self.address is None:
                    # nginx's container waits for its files: it starts no earlier.
                    self.conf.renew()
                self._start_others()
                if not self._comes_true(self._nginx_accepts, deadline):
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

    def _start_others(self) -> None:
        """Start nginx and housekeeping; the pools answer already.

        (!) Earlier, nginx would answer 503 to what it can ask nobody about.
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
        self._start_python("housekeeper", "gateway", "housekeep", "--every", _EVERY)
        # Not before the last of them runs: listening takes threads.
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

    def _comes_true(self, condition: Callable[[], bool], deadline: float) -> bool:
        """Wait for *condition*; tell whether it came, or else a signal to stop.

        Raise SuperviseError when a child ends, or at the monotonic clock's *deadline*.
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
        # (!) Ready or not: a database may be read-only for hours after a failover, and
        #     deliveries go on meanwhile.
        return all(map(answers, self.sockets.values()))

    def _nginx_accepts(self) -> bool:
        return self.address is None or accepts(self.address)

    def _watch(self, wake: int) -> int:
        while True:
            select.select([wake], [], [], 1.0)
            os.set_blocking(wake, False)
            with suppress(BlockingIOError):
                os.read(wake, 4096)
            while self._pending:
                if self._pending.pop(0) is signal.SIGHUP:
                    self._reload()
                else:
                    return 0
            self._rotate()
            for child in self.children:
                status = child.process.poll()
                if status is not None:
                    _say(f"{child.name} ended with status {status}; stopping")
                    return 1

    def _rotate(self) -> None:
        """Have nginx begin another file of the ledger if this one is long or gone."""
        for child in self.children:
            if self.ledger is not None and child.name == _NGINX:
                said = self.ledger.rotate(child.process.pid)
                if said not in {"", self._said_of_ledger}:
                    _say(f"ledger: {said}")
                self._said_of_ledger = said

    def _reload(self) -> None:
        """Reload all; a faulty configuration is reported and changes nothing."""
        try:
            self.reload()
        except (GatewayError, OSError) as error:
            _say(f"not reloaded: {error}")
            self.on_reload(str(error))
            return
        for child in self.children:
            child.process.send_signal(signal.SIGHUP)
        _say("reloaded")
        self.on_reload("")

    def _stop(self) -> None:
        """End housekeeping, drain nginx, which still asks gunicorn, then the pools."""
        deadline = time.monotonic() + self.grace
        for child in self.children:
            child.forward_output()
        for child in reversed(self.children):
            if not child.drain(deadline):
                _say(f"{child.name} is still busy after {self.grace} s; ending it")
            child.terminate()

    @contextmanager
    def _signals(self) -> Iterator[int]:
        """Collect signals; yield a descriptor that turns readable at each."""
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
    """Allow as many open files as the system does: each download has two."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _say(text: str) -> None:
    sys.stderr.write(f"gateway: {text}\n")
    sys.stderr.flush()
