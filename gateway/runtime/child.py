"""A supervised process: start it, forward its output, stop it."""

from __future__ import annotations

import ctypes
import fcntl
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Final, Self

from gateway.runtime.logs import redact_line

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

_POLL_SECONDS: Final = 0.05
_RESEND_SECONDS: Final = 1.0
_END_SECONDS: Final = 2.0
#: Time to read the last output; only a process that left the group can still hold
#: the pipe open.
_READ_SECONDS: Final = 10.0
#: Size of the access log's pipe, and the pause between two reads of it.
_PIPE_BYTES: Final = 1 << 20
_PAUSE_SECONDS: Final = 0.01
_PR_SET_PDEATHSIG: Final = 1


@dataclass
class Child:
    """A supervised process; ``drain_signal`` asks it to stop gracefully."""

    name: str
    process: subprocess.Popen[bytes]
    drain_signal: signal.Signals
    readers: list[threading.Thread] = field(default_factory=list)

    @classmethod
    def spawn(
        cls,
        name: str,
        command: list[str],
        drain: signal.Signals,
        environment: Mapping[str, str],
        descriptors: Collection[int] = (),
    ) -> Self:
        """Start *command* in its own process group; it inherits *descriptors*.

        Its output is not read before ``forward_output``: no thread may run while
        processes are being started.
        """
        process = subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            preexec_fn=_prepare,  # noqa: PLW1509 -- no threads run yet
            start_new_session=True,
            pass_fds=tuple(descriptors),
        )
        return cls(name, process, drain)

    def forward_output(self) -> None:
        """Start forwarding its output, with tokens redacted; later calls do nothing."""
        if self.readers:
            return
        for source, sink, pump in (
            (self.process.stdout, sys.stdout, _copy),
            (self.process.stderr, sys.stderr, _copy_lines),
        ):
            reader = threading.Thread(
                target=pump, args=(source, sink.fileno()), daemon=True
            )
            reader.start()
            self.readers.append(reader)

    def drain(self, deadline: float) -> bool:
        """Send the drain signal; return whether the process exits before *deadline*.

        *deadline* is a time of the monotonic clock, in seconds.
        """
        if self.process.poll() is None:
            self.process.send_signal(self.drain_signal)
        while time.monotonic() < deadline:
            try:
                self.process.wait(_RESEND_SECONDS)
            except subprocess.TimeoutExpired:
                if self.drain_signal is signal.SIGTERM:
                    # A gunicorn worker that is just being forked misses the master's
                    # signal, and the master would wait for it until its timeout.
                    os.killpg(self.process.pid, signal.SIGTERM)
            else:
                return True
        return self.process.poll() is not None

    def terminate(self) -> None:
        """Terminate the rest of its process group, including a killed master's workers.

        SIGTERM first, SIGKILL after ``_END_SECONDS``.
        """
        deadline = time.monotonic() + _END_SECONDS
        # Raised when the group is empty; workers can outlive their master.
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGTERM)
            while time.monotonic() < deadline:
                self.process.poll()
                os.killpg(self.process.pid, 0)
                time.sleep(_POLL_SECONDS)
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        for reader in self.readers:
            reader.join(_READ_SECONDS)


def _prepare() -> None:
    """Have the kernel send this child SIGTERM when the supervisor is killed.

    SIGHUP is ignored until the child installs a handler: a reload during its start
    must not end it.
    """
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _copy(source: IO[bytes], sink: int) -> None:
    """Forward the access log in large blocks, at most a hundred per second.

    Each write wakes the process that reads the log, which under load took more
    processor time than the request itself.  A pipe that is filling up is read without
    a pause: if it were full, nginx would block.
    """
    with suppress(OSError):  # above this user's limit
        fcntl.fcntl(source, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
    capacity = fcntl.fcntl(source, fcntl.F_GETPIPE_SZ)
    while chunk := os.read(source.fileno(), capacity):
        _write(sink, chunk)
        if len(chunk) < capacity // 4:
            time.sleep(_PAUSE_SECONDS)


def _copy_lines(source: IO[bytes], sink: int) -> None:
    for line in source:
        _write(sink, redact_line(line.decode(errors="replace")).encode())


def _write(sink: int, data: bytes) -> None:
    """Write all of *data*; ignore a closed log, so that serving continues."""
    view = memoryview(data)
    with suppress(OSError):
        while view:
            view = view[os.write(sink, view) :]
