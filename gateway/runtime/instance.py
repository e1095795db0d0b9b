"""The gateway that serves from a data folder: one at a time, and how it is told.

``run/lock`` is held by it, and names its process; ``run/reloaded`` says what came of
the last reload: nothing if it was done, and else why not.
"""

from __future__ import annotations

import os
import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from gateway import ownership
from gateway.errors import SuperviseError
from gateway.ownership import Owner
from gateway.polling import attempts
from gateway.storage.locks import try_lock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

#: As long as a start may take, before which no reload is begun, and some more.
_PATIENCE: Final = 30.0
_STEP: Final = 0.05


@contextmanager
def hold(data: Path) -> Iterator[None]:
    """Serve from the folder *data*, which is made if it is missing.

    SIGHUP does nothing until the supervisor awaits it.  Raise SuperviseError if another
    gateway does, or if the folder is another user's.
    """
    ownership.make_folder(data, None)
    owner = Owner.of(data)
    if os.geteuid() == 0 != owner.uid:
        # What root stores, the next start as that user could not read.
        raise SuperviseError(
            f"{data} belongs to the user {owner.name}; run gateway serve as that user"
        )
    ownership.make_folder(_lock(data).parent, None)
    descriptor = ownership.open_private(_lock(data), os.O_RDWR)
    # (!) A reload would end a gateway that waits for its catalog, and systemd starts
    #     none again that SIGHUP has ended.
    previous = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        if not try_lock(descriptor):
            raise SuperviseError(f"another gateway is already serving from {data}")
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()} {_namespace()}".encode(), 0)
        yield
    finally:
        signal.signal(signal.SIGHUP, previous)
        os.close(descriptor)


def record_reload(data: Path, fault: str) -> None:
    """Say what came of a reload; *fault* is empty if it was done."""
    fresh = _outcome(data).with_suffix(".new")
    fresh.write_text(fault, "utf-8")
    fresh.rename(_outcome(data))


def reload(data: Path) -> None:
    """Have the gateway that serves from *data* reload, and wait for it.

    Raise SuperviseError if there is none, or if it goes on as it was.
    """
    number = _process(data)
    outcome = _outcome(data)
    outcome.unlink(missing_ok=True)
    os.kill(number, signal.SIGHUP)
    for _ in attempts(_PATIENCE, every=_STEP):
        if outcome.exists():
            break
    else:
        raise SuperviseError("the gateway has not answered; its log may say why")
    fault = outcome.read_text("utf-8")
    if fault:
        raise SuperviseError(f"not reloaded: {fault}")


def _process(data: Path) -> int:
    """Return the id of the process that serves from *data*."""
    try:
        with _lock(data).open(encoding="ascii") as lock:
            is_served = not try_lock(lock.fileno())
            number, _, namespace = lock.read().partition(" ")
    except FileNotFoundError:
        is_served = False
    if not is_served:
        raise SuperviseError(f"no gateway serves from {data}; is GATEWAY_DATA right?")
    # (!) In another container the number is that of another process.
    if namespace != _namespace():
        raise SuperviseError(
            f"the gateway that serves from {data} runs in another container; run the "
            "command there"
        )
    return int(number)


def _namespace() -> str:
    return os.readlink("/proc/self/ns/pid")  # noqa: PTH115 -- no path


def _lock(data: Path) -> Path:
    return data / "run" / "lock"


def _outcome(data: Path) -> Path:
    return data / "run" / "reloaded"
