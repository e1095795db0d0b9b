"""One supervised process: started, listened to, and ended."""

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
_NUDGE_SECONDS: Final = 1.0
_END_SECONDS: Final = 2.0
#: For its last words; only who left its process group can still hold the pipe.
_READ_SECONDS: Final = 10.0
#: What a log is to hold while it is not read, and for how long it is not.
_PIPE_BYTES: Final = 1 << 20
_PAUSE_SECONDS: Final = 0.01
_PR_SET_PDEATHSIG: Final = 1


@dataclass
class Child:
    """One supervised process; ``drain`` is the signal that stops it gently."""

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
        """Start *command* in a process group of its own; it inherits *descriptors*.

        Nothing is read of what it says before ``listen``: no thread may run
        while processes are being started.
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
        """Pass on what it says, without tokens; once is enough."""
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
        """Ask for a gentle end; tell whether it came before *deadline*.

        The deadline is a moment of the monotonic clock.
        """
        if self.process.poll() is None:
            self.process.send_signal(self.drain_signal)
        while time.monotonic() < deadline:
            try:
                self.process.wait(_NUDGE_SECONDS)
            except subprocess.TimeoutExpired:
                if self.drain_signal is signal.SIGTERM:
                    # A gunicorn worker that is just being forked loses its master's
                    # signal, and the master would wait for it all of its time.
                    os.killpg(self.process.pid, signal.SIGTERM)
            else:
                return True
        return self.process.poll() is not None

    def terminate(self) -> None:
        """End what is left in its process group, a killed master's workers too."""
        deadline = time.monotonic() + _END_SECONDS
        # Raised as soon as the group is empty; workers can outlive their master.
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
    """Have the kernel end this child when the supervisor is killed.

    A reload must not end one that has not come as far as to await it.
    """
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _copy(source: IO[bytes], sink: int) -> None:
    """Pass the access log on in large chunks, a hundred a second while they last.

    Each line that is passed on wakes the process that reads the log, which under load
    took more processor time than the request.  A pipe that fills does not wait: nginx
    would.
    """
    with suppress(OSError):  # more than this user may have
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
    """Write all; when nobody reads the log any more, serving goes on without."""
    view = memoryview(data)
    with suppress(OSError):
        while view:
            view = view[os.write(sink, view) :]
