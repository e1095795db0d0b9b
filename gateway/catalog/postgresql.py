"""Connections to PostgreSQL on which every wait for the server has a time limit.

The kernel of a frozen server still acknowledges packets, so that neither
``tcp_user_timeout`` nor keepalives notice.  A lock can also keep a statement waiting.
So the client counts the seconds in which the server is silent.

No server-side state outlives a transaction, because the next transaction may run on
another server connection: a pooler such as pgbouncer shares them between clients.
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

#: Seconds to wait for a connection; psycopg's minimum is 2.
_CONNECT_TIMEOUT: Final = 5
_MINIMUM_CONNECT_TIMEOUT: Final = 2
#: Milliseconds that the server may take to acknowledge sent data.
_ACKNOWLEDGE_TIMEOUT: Final = 10_000
#: Seconds that the server may take to accept the cancellation of a statement.
_CANCEL_TIMEOUT: Final = 1.0
#: Milliseconds that the server waits for a writing transaction's next statement.
_IDLE: Final = 30_000
#: Seconds for which a silent server gets no new statements.
_PAUSE: Final = 2.0
#: psycopg's parameter: how often a statement is executed before it is prepared.
_PREPARED: Final = "prepare_threshold"
_READ_ONLY: Final = "25006"  # PostgreSQL, appendix A


class SilentServerError(psycopg.OperationalError):
    """The server was silent for too long, now or a moment ago."""


@dataclass
class Patience:
    """The seconds for which the server may be silent, for all connections of an engine.

    After a silence, statements fail at once for a moment: otherwise a request with
    several statements, and the requests queued behind it, would wait for each of them.
    """

    seconds: float
    _paused_until: float = 0.0

    def is_over(self) -> bool:
        """Tell whether the server was silent a moment ago."""
        return time.monotonic() < self._paused_until

    def end(self) -> None:
        """Record that the server is silent now."""
        self._paused_until = time.monotonic() + _PAUSE

    def check(self) -> None:
        """Raise SilentServerError if the server was silent a moment ago."""
        if self.is_over():
            raise SilentServerError("the server did not answer a moment ago")


class PatientConnection(psycopg.Connection[Any]):
    """A connection that is closed when the server is silent for too long."""

    patience: Patience = Patience(math.inf)

    def wait(self, gen: PQGen[RV], *args: Any, **kwargs: Any) -> RV:  # noqa: ANN401
        """Wait as psycopg does; raise SilentServerError when patience ends."""
        # Running transactions continue: perhaps only another statement is hanging.
        if self.pgconn.transaction_status == TransactionStatus.IDLE:
            self.patience.check()
        try:
            return super().wait(_bounded(gen, self.patience.seconds), *args, **kwargs)
        except SilentServerError:
            self.patience.end()
            self._leave()
            raise

    def _leave(self) -> None:
        """Cancel the running statement, and close the connection.

        (!) Without the cancellation, the server would not notice the close before it
            has data to send: statements that wait for a lock would use up one server
            connection after the other.
        """
        if psycopg.capabilities.has_cancel_safe():
            with suppress(psycopg.Error):
                self.cancel_safe(timeout=_CANCEL_TIMEOUT)
        self.close()


def _bounded(gen: PQGen[RV], seconds: float) -> PQGen[RV]:
    """Yield from *gen* until the server has been silent for *seconds*.

    psycopg resumes the generator ten times a second, with or without data.
    """
    last = time.monotonic()
    waiting: Generator[Any, Any, RV] = gen
    try:
        wanted = next(waiting)
        while True:
            if ready := (yield wanted):
                last = time.monotonic()
            elif time.monotonic() - last >= seconds:
                raise SilentServerError(f"the server did not answer for {seconds:g} s")
            wanted = waiting.send(ready)
    except StopIteration as done:
        result: RV = done.value
        return result


def engine(url: URL, *, silence: float, wait: int, **pool: int) -> Engine:
    """Return an engine whose statements fail after *silence* seconds without an answer.

    A writer waits *wait* milliseconds for each lock, and the server rolls its
    transaction back if it is idle for half a minute.  No statements are prepared unless
    *url* has psycopg's ``prepare_threshold``.
    (!) A prepared statement belongs to one server connection: behind a pooler, the next
        transaction may run on another connection.
    """
    prepared = url.query.get(_PREPARED)
    created = create_engine(
        _bounded_url(url.difference_update_query([_PREPARED]), silence),
        poolclass=QueuePool,
        pool_pre_ping=True,
        # (!) With a stricter isolation level, a writer would read the state from before
        #     it got the lock.  Set it here: the server's default may be any level.
        isolation_level="READ COMMITTED",
        connect_args={_PREPARED: int(prepared) if isinstance(prepared, str) else None},
        **pool,
    )
    event.listen(created, "do_connect", partial(_connect, Patience(silence)))
    event.listen(created, "handle_error", _leave_read_only)
    options = str(created.url.query.get("options", ""))
    bounds = {"lock_timeout": wait, "idle_in_transaction_session_timeout": _IDLE}
    calls = [
        f"set_config('{name}', '{milliseconds}', true)"
        for name, milliseconds in bounds.items()
        if name not in options
    ]
    if calls:
        event.listen(created, "begin", partial(_begin, f"SELECT {', '.join(calls)}"))
    return created


def _bounded_url(url: URL, silence: float) -> URL:
    """Return *url* with libpq's timeouts, unless *url* sets them.

    https://www.postgresql.org/docs/current/libpq-connect.html
    """
    parameters = dict(url.query)
    if "options" in parameters:
        parameters["options"] = " ".join(url.normalized_query["options"])
    to_connect = int(max(_MINIMUM_CONNECT_TIMEOUT, min(_CONNECT_TIMEOUT, silence)))
    bounds = {
        "connect_timeout": str(to_connect),
        "tcp_user_timeout": str(_ACKNOWLEDGE_TIMEOUT),
    }
    return url.set(query={**bounds, **parameters})


def _connect(
    patience: Patience,
    _dialect: object,
    _record: object,
    args: Sequence[Any],
    arguments: Mapping[str, Any],
) -> PatientConnection:
    patience.check()
    try:
        connection = PatientConnection.connect(*args, **arguments)
    except ConnectionTimeout:
        patience.end()
        raise
    connection.patience = patience
    return connection


def _begin(set_bounds: str, connection: Connection) -> None:
    # (!) Without these bounds, one transaction that hangs would hang every upload, and
    #     a gateway whose machine is gone would block all other writers for hours.  Set
    #     them for this transaction only, and not in the URL's options: a pooler may
    #     give the connection to other clients, or refuse a connection with options.
    if connection.get_execution_options().get("gateway_writes"):
        connection.exec_driver_sql(set_bounds)


def _leave_read_only(context: ExceptionContext) -> None:
    """Reconnect after a failover: another server may be the primary now."""
    if getattr(context.original_exception, "sqlstate", None) == _READ_ONLY:
        context.is_disconnect = True
