"""``gateway serve``: nginx and gunicorn in the foreground, as one service.

Either one's end is the end of both; SIGTERM and SIGINT drain, SIGHUP reloads.
"""

from __future__ import annotations

import ctypes
import os
import resource
import select
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Final

from gateway.errors import GatewayError, SuperviseError
from gateway.ops.assets import asset
from gateway.ops.logs import redact
from gateway.ops.probe import probe

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

#: nginx lives in sbin, which a user's PATH often lacks.
_SBIN: Final = "/usr/local/sbin:/usr/sbin:/sbin"
_START_SECONDS: Final = 20
_POLL_SECONDS: Final = 0.05
_NUDGE_SECONDS: Final = 1.0
_END_SECONDS: Final = 2.0
_PR_SET_PDEATHSIG: Final = 1


@dataclass
class Child:
    """One supervised process; ``drain`` is the signal that stops it gently."""

    name: str
    process: subprocess.Popen[bytes]
    drain: signal.Signals
    readers: list[threading.Thread] = field(default_factory=list)


@dataclass
class Supervisor:
    """Starts both, waits, and stops both within ``grace`` seconds.

    ``nginx_conf`` is the rendered configuration, which ``render`` writes anew
    before each reload; ``environment`` is what gunicorn runs in, ``address``
    the host and port that nginx takes.
    """

    nginx_conf: Path
    render: Callable[[], object]
    environment: dict[str, str]
    socket: Path
    address: tuple[str, int]
    grace: int
    children: list[Child] = field(default_factory=list)
    _pending: list[signal.Signals] = field(default_factory=list)

    def run(self, *, on_ready: Callable[[], None]) -> int:
        """Serve until told to stop; return the exit status.

        0 after a signal, 1 when a process ended by itself.  Raise
        SuperviseError when the start fails.
        """
        nginx = find_nginx()
        self.check_nginx(nginx)
        check_port(self.address)
        _raise_file_limit()
        with self._signals() as wake:
            try:
                self._start(nginx)
                self._await_ready()
                on_ready()
                return self._watch(wake)
            finally:
                self._stop()

    def check_nginx(self, nginx: str) -> None:
        """Let nginx check its configuration; raise SuperviseError with its words."""
        check = subprocess.run(
            [nginx, "-e", "stderr", "-q", "-t", "-c", self.nginx_conf],
            capture_output=True,
            check=False,
        )
        if check.returncode:
            raise SuperviseError(
                "nginx refuses its configuration:\n"
                + check.stderr.decode(errors="replace").strip()
            )

    def _start(self, nginx: str) -> None:
        self.socket.unlink(missing_ok=True)
        # Started first: nginx must find the socket when it answers.
        self._spawn(
            "gunicorn",
            [
                sys.executable,
                "-m",
                "gunicorn",
                "--config",
                str(asset("gunicorn.conf.py")),
            ],
            signal.SIGTERM,
        )
        directives = "daemon off;"
        if os.geteuid() == 0:
            # Workers of another user could not read the socket and the files.
            directives += " user root;"
        self._spawn(
            "nginx",
            [nginx, "-e", "stderr", "-g", directives, "-c", str(self.nginx_conf)],
            signal.SIGQUIT,
        )

    def _spawn(self, name: str, command: list[str], drain: signal.Signals) -> None:
        process = subprocess.Popen(
            command,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            preexec_fn=_die_with_parent,  # noqa: PLW1509 -- no threads run yet
            start_new_session=True,
        )
        child = Child(name, process, drain)
        for source, sink, pump in (
            (process.stdout, sys.stdout, _copy),
            (process.stderr, sys.stderr, _copy_redacted),
        ):
            thread = threading.Thread(
                target=pump, args=(source, sink.fileno()), daemon=True
            )
            child.readers.append(thread)
        self.children.append(child)

    def _await_ready(self) -> None:
        for child in self.children:
            for reader in child.readers:
                reader.start()
        deadline = time.monotonic() + _START_SECONDS
        while probe(str(self.socket)) is not None or not _accepts(self.address):
            for child in self.children:
                if child.process.poll() is not None:
                    raise SuperviseError(f"{child.name} did not start; see above")
            if time.monotonic() > deadline:
                raise SuperviseError(f"nothing answers after {_START_SECONDS} seconds")
            time.sleep(_POLL_SECONDS)

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
            for child in self.children:
                status = child.process.poll()
                if status is not None:
                    _say(f"{child.name} ended with status {status}; stopping")
                    return 1

    def _reload(self) -> None:
        """Reload both; a faulty configuration is reported and changes nothing."""
        try:
            self.render()
            self.check_nginx(find_nginx())
        except (GatewayError, OSError) as error:
            _say(f"not reloaded: {error}")
            return
        for child in self.children:
            child.process.send_signal(signal.SIGHUP)
        _say("reloaded")

    def _stop(self) -> None:
        """Drain nginx, which still asks gunicorn, and then gunicorn."""
        deadline = time.monotonic() + self.grace
        for child in reversed(self.children):
            if not _drained(child, deadline):
                _say(f"{child.name} is still busy after {self.grace} s; ending it")
            _end_group(child)
            for reader in child.readers:
                if reader.is_alive():
                    reader.join(1.0)

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


def find_nginx() -> str:
    """Return nginx's path; raise SuperviseError if it is not installed."""
    path = shutil.which("nginx") or shutil.which("nginx", path=_SBIN)
    if path is None:
        raise SuperviseError("nginx is not installed; on Debian: apt install nginx")
    return path


def check_port(address: tuple[str, int]) -> None:
    """Raise SuperviseError, in words, if the address can't be taken."""
    host, port = address
    with socket.socket(_family(host)) as candidate:
        candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            candidate.bind(address)
        except OSError as error:
            raise SuperviseError(
                f"can't listen on {host}:{port}: {error.strerror}"
            ) from None


def _accepts(address: tuple[str, int]) -> bool:
    with socket.socket(_family(address[0])) as connection:
        return connection.connect_ex(address) == 0


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def _drained(child: Child, deadline: float) -> bool:
    """Ask for a gentle end; tell whether it came before *deadline*."""
    if child.process.poll() is None:
        child.process.send_signal(child.drain)
    while time.monotonic() < deadline:
        try:
            child.process.wait(_NUDGE_SECONDS)
        except subprocess.TimeoutExpired:
            if child.drain is signal.SIGTERM:
                # A gunicorn worker that is just being forked loses its master's
                # signal, and the master would wait for it all of its time.
                os.killpg(child.process.pid, signal.SIGTERM)
        else:
            return True
    return child.process.poll() is not None


def _end_group(child: Child) -> None:
    """End whoever is left in the child's process group, a killed master's too."""
    with suppress(ProcessLookupError):
        os.killpg(child.process.pid, signal.SIGTERM)
    try:
        child.process.wait(_END_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(child.process.pid, signal.SIGKILL)
        child.process.wait()


def _die_with_parent() -> None:
    """Have the kernel end this child when the supervisor is killed."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _raise_file_limit() -> None:
    """Allow as many open files as the system does: each download has two."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _copy(source: IO[bytes], sink: int) -> None:
    """Pass a stream on in large pieces: the access log is a hot path."""
    while piece := os.read(source.fileno(), 1 << 16):
        _write(sink, piece)


def _copy_redacted(source: IO[bytes], sink: int) -> None:
    for line in source:
        _write(sink, redact(line.decode(errors="replace")).encode())


def _write(sink: int, data: bytes) -> None:
    """Write all; when nobody reads the log any more, serving goes on without."""
    view = memoryview(data)
    with suppress(OSError):
        while view:
            view = view[os.write(sink, view) :]


def _say(text: str) -> None:
    sys.stderr.write(f"gateway: {text}\n")
    sys.stderr.flush()
