"""A fake supervised process, which reacts to signals as a test orders.

The name of its file says which process it replaces.  It reads its orders from the JSON
file that ``ORDERS`` names, and writes all events to the file ``EVENTS``.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from types import FrameType

#: The command ``gateway housekeep`` is ``gateway.py``.
NAME = Path(sys.argv[0]).stem.replace("gateway", "housekeeper")
POOL = os.environ.get("GATEWAY_POOL", "")
if NAME == "gunicorn":
    NAME = f"gunicorn-{POOL}"
ORDERS = json.loads(Path(os.environ["ORDERS"]).read_text())
ORDER = ORDERS[NAME]


def note(event: str) -> None:
    """Report an event to the test; with one write per line, lines never mix."""
    with Path(os.environ["EVENTS"]).open("a") as events:
        events.write(f"{NAME} {event} {os.getpid()}\n")


def on_signal(number: int, _frame: FrameType | None) -> None:
    """Report the signal; exit at once, later or never, as ordered."""
    name = signal.Signals(number).name
    note(name)
    if name in ORDER["ends_on"]:
        threading.Timer(ORDER["after"], end).start()


def end() -> None:
    sys.stderr.write(ORDER["last"])
    sys.stderr.flush()
    note("ended")
    os._exit(0)


def check() -> None:
    """Do what ``nginx -t`` does."""
    note("checked")
    sys.stderr.write(ORDER["fault"])
    sys.exit(1 if ORDER["fault"] else 0)


def listen() -> socket.socket:
    """Listen on the socket of the real process."""
    if NAME == "nginx":
        return socket.create_server(("127.0.0.1", ORDERS["port"]))
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(Path(os.environ["ORDERS"]).with_name(f"{POOL}.sock")))
    server.listen()
    return server


def serve() -> None:
    """Give every client the same answer, until a signal ends the process."""
    for number in (signal.SIGTERM, signal.SIGQUIT, signal.SIGHUP):
        signal.signal(number, on_signal)
    sys.stdout.write(ORDER["out"])
    sys.stdout.flush()
    sys.stderr.write(ORDER["err"])
    sys.stderr.flush()
    if ORDER["forks"] and os.fork() == 0:
        work()
    note("started")
    if ORDER["exits"] is not None:
        sys.exit(ORDER["exits"])
    if NAME == "housekeeper":
        rest()
    with listen() as server:
        while True:
            peer, _ = server.accept()
            with peer:
                peer.sendall(ORDER["answer"].encode())


def work() -> None:
    """Be a hanging worker: it outlives its master and ignores signals."""
    ORDER["ends_on"] = []
    note("started")
    rest()


def rest() -> NoReturn:
    while True:
        signal.pause()


if __name__ == "__main__":
    if "-t" in sys.argv:
        check()
    serve()
