"""Connections to PostgreSQL on which every wait for the server has an end.

The kernel of a frozen server goes on to acknowledge what it receives, so that neither
``tcp_user_timeout`` nor keepalives notice.  A lock can keep a statement waiting, too.
So the client counts the seconds in which the server says nothing.

Nothing here outlives a transaction on the server, which may be another one for the next
transaction: a pooler such as pgbouncer hands its connections from client to client.
"""

from __future__ import annotations

import math
import time
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import psycopg
from psycopg.errors import ConnectionTimeout
from psycopg.pq import TransactionStatus
from sqlalchemy import create_engine, event
from sqlalchemy.pool import QueuePool

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence

    from psycopg.abc import RV, PQGen
    from sqlalchemy import URL, Connection, Engine
    from sqlalchemy.engine import ExceptionContext

#: Seconds that the server gets to take a connection; psycopg takes 2 at least.
_CONNECT_TIMEOUT: Final = 5
_LEAST_CONNECT_TIMEOUT: Final = 2
#: Milliseconds that it gets to acknowledge what was sent.
_UNHEARD_TIMEOUT: Final = 10_000
#: Seconds that it gets to take the news that nobody waits for a statement any more.
_CANCEL_TIMEOUT: Final = 1.0
#: Milliseconds that it waits for the next statement of a transaction that writes.
_IDLE: Final = 30_000
#: Seconds for which a server that was silent is not asked again.
_PAUSE: Final = 2.0
#: psycopg's parameter: how often a statement is asked before it is prepared.
_PREPARED: Final = "prepare_threshold"
_READ_ONLY: Final = "25006"  # PostgreSQL, appendix A


class SilentServerError(psycopg.OperationalError):
    """The server said nothing for too long, or did so a moment ago."""


@dataclass
class Patience:
    """How many seconds the server may say nothing, for all connections of an engine.

    After that it is not asked for a moment: a request that asks several times, and
    those behind it, would wait as often.
    """

    seconds: float
    _asked_again: float = 0.0

    def is_over(self) -> bool:
        """Tell whether the server was silent a moment ago."""
        return time.monotonic() < self._asked_again

    def end(self) -> None:
        """Note that it is."""
        self._asked_again = time.monotonic() + _PAUSE

    def check(self) -> None:
        """Raise SilentServerError if the server was silent a moment ago."""
        if self.is_over():
            raise SilentServerError("the server did not answer a moment ago")


class PatientConnection(psycopg.Connection[Any]):
    """A connection that is closed when the server says nothing for too long."""

    patience: Patience = Patience(math.inf)

    def wait(self, gen: PQGen[RV], *args: Any, **kwargs: Any) -> RV:  # noqa: ANN401
        """Wait as psycopg does; raise SilentServerError when patience ends."""
        # What is under way goes on: it may be another statement that hangs.
        if self.pgconn.transaction_status == TransactionStatus.IDLE:
            self.patience.check()
        try:
            return super().wait(_bounded(gen, self.patience.seconds), *args, **kwargs)
        except SilentServerError:
            self.patience.end()
            self._leave()
            raise

    def _leave(self) -> None:
        """Close, and have the server give up what it may be waiting for.

        (!) It would not notice before it has something to say: statements that wait
            for a lock would take up one connection after the other.
        """
        if psycopg.capabilities.has_cancel_safe():
            with suppress(psycopg.Error):
                self.cancel_safe(timeout=_CANCEL_TIMEOUT)
        self.close()


def _bounded(gen: PQGen[RV], seconds: float) -> PQGen[RV]:
    """Give what *gen* gives, until the server has said nothing for *seconds*.

    psycopg asks ten times a second whether anything came.
    """
    last = time.monotonic()
    answer: Generator[Any, Any, RV] = gen
    try:
        requested = next(answer)
        while True:
            if ready := (yield requested):
                last = time.monotonic()
            elif time.monotonic() - last >= seconds:
                raise SilentServerError(f"the server said nothing for {seconds:g} s")
            requested = answer.send(ready)
    except StopIteration as done:
        result: RV = done.value
        return result


def engine(place: URL, *, silence: float, wait: int, **pool: int) -> Engine:
    """Return an engine that gives up a server which says nothing for *silence* seconds.

    A writer waits for each of its locks for *wait* milliseconds, and its transaction is
    undone when it asks for nothing for half a minute.  Nothing is prepared unless
    *place* says psycopg's ``prepare_threshold``.
    (!) A prepared statement is one connection's of the server: behind a pooler, the
        next transaction may find itself on another one.
    """
    prepared = place.query.get(_PREPARED)
    made = create_engine(
        _bounded_place(place.difference_update_query([_PREPARED]), silence),
        poolclass=QueuePool,
        pool_pre_ping=True,
        # (!) In a stricter isolation a writer would read what there was before it got
        #     the lock.  The server's default may be any.
        isolation_level="READ COMMITTED",
        connect_args={_PREPARED: int(prepared) if isinstance(prepared, str) else None},
        **pool,
    )
    event.listen(made, "do_connect", partial(_connect, Patience(silence)))
    event.listen(made, "handle_error", _leave_read_only)
    said = str(made.url.query.get("options", ""))
    bounds = {"lock_timeout": wait, "idle_in_transaction_session_timeout": _IDLE}
    asked = [
        f"set_config('{name}', '{milliseconds}', true)"
        for name, milliseconds in bounds.items()
        if name not in said
    ]
    if asked:
        event.listen(made, "begin", partial(_begin, f"SELECT {', '.join(asked)}"))
    return made


def _bounded_place(place: URL, silence: float) -> URL:
    """Return *place* with a bound to what libpq waits for, unless it has one.

    https://www.postgresql.org/docs/current/libpq-connect.html
    """
    said = dict(place.query)
    if "options" in said:
        said["options"] = " ".join(place.normalized_query["options"])
    to_connect = int(max(_LEAST_CONNECT_TIMEOUT, min(_CONNECT_TIMEOUT, silence)))
    bounds = {
        "connect_timeout": str(to_connect),
        "tcp_user_timeout": str(_UNHEARD_TIMEOUT),
    }
    return place.set(query={**bounds, **said})


def _connect(
    patience: Patience,
    _dialect: object,
    _record: object,
    args: Sequence[Any],
    arguments: Mapping[str, Any],
) -> PatientConnection:
    patience.check()
    try:
        made = PatientConnection.connect(*args, **arguments)
    except ConnectionTimeout:
        patience.end()
        raise
    made.patience = patience
    return made


def _begin(bound: str, connection: Connection) -> None:
    # (!) Without, one transaction that hangs would hang every upload, and a gateway
    #     whose machine is gone would keep all others from writing for hours.  For this
    #     transaction alone, and not among the URL's options: a pooler may give the
    #     connection to others, and refuse one that comes with any.
    if connection.get_execution_options().get("gateway_writes"):
        connection.exec_driver_sql(bound)


def _leave_read_only(context: ExceptionContext) -> None:
    """Open new connections after a failover: another server may be the primary now."""
    if getattr(context.original_exception, "sqlstate", None) == _READ_ONLY:
        context.is_disconnect = True
