"""``gateway housekeep``: clean up store and catalog, once or periodically."""

from __future__ import annotations

import json
import signal
import sys
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import click

from gateway.catalog.advisory_locks import Lock, name_lock
from gateway.catalog.database import Database
from gateway.cli import times
from gateway.cli.catalog import (
    open_blobs,
    open_catalog_and_store,
    open_locks,
    open_store,
)
from gateway.cli.links import public_address
from gateway.cli.options import JSON
from gateway.config import secret_files, settings
from gateway.errors import GatewayError, HousekeepingError, SettingsError
from gateway.mail.outbox import Outbox
from gateway.maintenance import last_round
from gateway.maintenance.housekeeping import Housekeeper, maintenance_lock
from gateway.maintenance.ledger_booking import LedgerBooking
from gateway.maintenance.mail_sender import MailSender
from gateway.maintenance.orphans import GRACE
from gateway.metrics.counters import HousekeepingCounters
from gateway.runtime import counting, instance, store_claim
from gateway.shares.booking import Booker
from gateway.shares.codes import ShareCodes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from gateway.catalog.advisory_locks import AdvisoryLocks
    from gateway.catalog.outbox import MailState
    from gateway.catalog.recipients import Recipient
    from gateway.config.settings import Settings
    from gateway.maintenance.housekeeping import Report
    from gateway.metrics.slots import Slot
    from gateway.shares.booking import Batch

#: Seconds between two sweeps over all blobs.
_SWEEP_SECONDS: Final = 3600
#: Seconds between two attempts to take the catalog's work over from another gateway.
_TAKEOVER_SECONDS: Final = 5.0
_PATIENCE: Final = 60.0
_ACCEPTED: Final = "mails accepted by the relay"
#: The rounds, the ledger, the mails and deferred writes have a thread each.
_CONNECTIONS: Final = 4
#: The kind of this process's slot in the metrics folder.
_KIND: Final = "housekeeping"
_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


@click.command()
@click.option(
    "--every",
    type=click.IntRange(1),
    metavar="SECONDS",
    help="Run a round this often until SIGTERM, as `gateway serve` does.",
)
@click.option(
    "--grace",
    type=click.IntRange(0),
    default=GRACE,
    show_default=True,
    metavar="SECONDS",
    help="Keep unreferenced files that are younger than this: they may belong to an "
    "upload that is being stored.",
)
@JSON
def housekeep(*, every: int | None, grace: int, as_json: bool) -> None:
    """Delete expired data and crash leftovers, and send due mails.

    Blobs that no upload refers to stay in the store's trash for a week. Safe to run
    repeatedly, also while the gateway is running.

    Exits with status 1 if a step failed.
    """
    # The kernel sends SIGIO when another process opens a file on which this process
    # holds a lease (F_SETLEASE).
    signal.signal(signal.SIGIO, signal.SIG_IGN)
    if every is not None:
        _Rounds(every, grace).run()
        return
    database, store, current = open_catalog_and_store()

    def say(line: str) -> None:
        if not as_json:
            click.echo(line)

    locks = open_locks(current)
    with maintenance_lock(store, locks, patience=_PATIENCE), _recorded(current):
        report = Housekeeper(
            database=database,
            store=store,
            blobs=open_blobs(current),
            log=say,
            grace=grace,
            booker=_booker(current, database),
            ledger_days=current.ledger_days,
        ).round(now=times.now())
    _send(current, database, report, say=say)
    if as_json:
        click.echo(json.dumps({"done": report.done, "faults": report.faults}))
    sys.exit(1 if report.faults else 0)


@dataclass
class _Rounds:
    """Runs rounds until SIGTERM; SIGHUP reloads the settings.

    The signals are blocked and polled between steps, so that no step is interrupted.
    """

    every: int
    grace: int
    _current: Settings = field(init=False)
    _locks: AdvisoryLocks | None = field(default=None, init=False)
    _is_holder: bool = field(default=False, init=False)
    slot: Slot = field(init=False)
    counters: HousekeepingCounters = field(init=False)

    def run(self) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        current = settings.read(embedded=True).settings
        self.slot = counting.join(current, _KIND)
        self.counters = HousekeepingCounters(now=times.now())
        keeper, booking = self._start(current)
        mail_sender = MailSender(self._outbox(current, keeper.database), _say)
        _say(f"a round every {self.every} seconds")
        mail_sender.start()
        try:
            self._rounds(keeper, booking, mail_sender)
        finally:
            mail_sender.stop()

    def _rounds(
        self, keeper: Housekeeper, booking: LedgerBooking, mail_sender: MailSender
    ) -> None:
        swept = float("-inf")
        while not _is_stop_pending():
            with_sweep = time.monotonic() - swept >= _SWEEP_SECONDS
            with _recorded(self._current):
                is_done = self._round(keeper, with_sweep=with_sweep)
            if is_done and with_sweep and self._is_holder:
                swept = time.monotonic()
            received = self._wait()
            if received is None:
                continue
            if received != signal.SIGHUP:
                break
            keeper, booking = self._reload(keeper, booking, mail_sender)
        booking.stop()

    def _wait(self) -> int | None:
        """Wait for the next round; return the number of a signal that came before.

        The next round is due at once if this gateway has taken over from another.
        """
        end = time.monotonic() + self.every
        while (left := end - time.monotonic()) > 0:
            is_waiting = self._locks is not None and not self._is_holder
            step = min(left, _TAKEOVER_SECONDS) if is_waiting else left
            received = signal.sigtimedwait(_SIGNALS, step)
            if received is not None:
                return received.si_signo
            with suppress(GatewayError):  # the next round says what is wrong
                if is_waiting and self._hold():
                    break
        return None

    @property
    def _name(self) -> str:
        return open_store(self._current).replica

    def _hold(self) -> bool:
        """Return whether this gateway does the catalog's work, for all gateways.

        Raise HousekeepingError if two gateways have the same name.
        """
        was_holder, self._is_holder = self._is_holder, False
        if self._locks is None:
            self._is_holder = True
        elif not self._locks.try_lock(name_lock(self._name)):
            raise HousekeepingError(instance.another_has(self._name))
        elif self._locks.try_lock(Lock.HOUSEKEEPER):
            self._is_holder = True
            if not was_holder:
                _say("does the catalog's work, for all gateways")
        elif was_holder:
            _say("leaves the catalog's work to another gateway")
        return self._is_holder

    def _must_stop(self) -> bool:
        """Return whether a round must end: at a stop, or when the lock is lost."""
        is_lost = (
            self._is_holder
            and self._locks is not None
            and not self._locks.holds(Lock.HOUSEKEEPER)
        )
        return is_lost or _is_stop_pending()

    def _reload(
        self, before: Housekeeper, booking: LedgerBooking, mail_sender: MailSender
    ) -> tuple[Housekeeper, LedgerBooking]:
        try:
            current = settings.read(embedded=True).settings
        except SettingsError as error:
            for fault in error.faults:
                _say(fault)
            return before, booking
        booking.stop()
        before.database.engine.dispose()
        keeper, booking = self._start(current)
        mail_sender.outbox = self._outbox(current, keeper.database)
        return keeper, booking

    def _start(self, current: Settings) -> tuple[Housekeeper, LedgerBooking]:
        self._current = current
        self._open_locks(current)
        keeper = _keeper(current, self.grace, self._must_stop)
        booker = _booker(current, keeper.database, self._note)
        booking = LedgerBooking(booker, self.counters, times.now, _say)
        booking.start()
        return keeper, booking

    def _open_locks(self, current: Settings) -> None:
        """Open the connection of the locks, unless it is open already."""
        if self._locks is not None and self._locks.url == current.lock_database:
            return
        if self._locks is not None:
            self._locks.close()
        self._locks = open_locks(current)

    def _note(self, batch: Batch) -> None:
        self.counters.lines(
            booked=batch.lines - batch.unreadable,
            unreadable=batch.unreadable,
            sent=batch.sent,
            spent=batch.spent,
        )
        self.slot.kept[0] += batch.kept

    def _outbox(self, current: Settings, database: Database) -> Outbox | None:
        return _outbox(current, database, _say, self.counters.mail)

    def _round(self, keeper: Housekeeper, *, with_sweep: bool) -> bool:
        began, done, is_good = time.monotonic(), {}, False
        try:
            report = self._report(keeper, with_sweep=with_sweep)
        except (GatewayError, OSError) as error:
            _say(f"round failed, will retry: {error}")
            is_done = False
        else:
            is_done = True
            done, is_good = report.done, not report.faults
        self.counters.round(
            done, is_good=is_good, took=time.monotonic() - began, now=times.now()
        )
        return is_done

    def _report(self, keeper: Housekeeper, *, with_sweep: bool) -> Report:
        if not self._hold():
            self._check_store(keeper, is_local=True)
            return keeper.round(now=times.now(), is_local=True)
        with maintenance_lock(keeper.store, self._locks, patience=0):
            self._check_store(keeper, is_local=False)
            return keeper.round(now=times.now(), with_sweep=with_sweep)

    def _check_store(self, keeper: Housekeeper, *, is_local: bool) -> None:
        """Raise SettingsError if the store or the bucket is that of another catalog.

        The settings may have changed since the start.  Local work needs no bucket.
        """
        has_own_store = not self._current.shares_store
        if not (has_own_store and is_local):
            store_claim.check(keeper.database, keeper.blobs.id)
        if has_own_store:
            store_claim.check_own_store(keeper.database, keeper.store.root)


def _keeper(
    current: Settings, grace: int, is_stopped: Callable[[], bool]
) -> Housekeeper:
    return Housekeeper(
        database=Database.open(current.database, connections=_CONNECTIONS),
        store=open_store(current),
        blobs=open_blobs(current),
        log=_say,
        is_stopped=is_stopped,
        grace=grace,
        ledger_days=current.ledger_days,
    )


def _booker(
    current: Settings, database: Database, note: Callable[[Batch], object] = id
) -> Booker:
    store = open_store(current)
    return Booker(
        database=database,
        folder=store.ledger,
        gateway=store.replica,
        say=_say,
        note=note,
    )


def _outbox(
    current: Settings,
    database: Database,
    say: Callable[[str], None],
    note: Callable[[MailState], object] = id,
) -> Outbox | None:
    """Return the outbox, or None if no relay is set."""
    if current.mail_url is None or current.mail_from is None:
        return None

    def link(recipient: Recipient) -> str:
        if current.secret is None:
            raise SettingsError([secret_files.missing_fault("secret", current.data)])
        return ShareCodes(current.secret).url(recipient, base=public_address(current))

    return Outbox(
        database=database,
        url=current.mail_url,
        sender=current.mail_from,
        site=current.mail_from.name or current.name,
        link=link,
        clock=times.now,
        say=say,
        note=note,
    )


def _send(
    current: Settings,
    database: Database,
    report: Report,
    *,
    say: Callable[[str], None],
) -> None:
    def note(fault: str) -> None:
        report.faults.append(fault)
        say(fault)

    outbox = _outbox(current, database, note)
    if outbox is None:
        return
    try:
        accepted = outbox.send()
    except GatewayError as error:
        note(f"mails wait: {error}")
        return
    if accepted:
        report.done[_ACCEPTED] = accepted
        say(f"{_ACCEPTED}: {accepted}")


@contextmanager
def _recorded(current: Settings) -> Iterator[None]:
    """Record a round for `gateway doctor`, when it begins and when it ends."""
    last_round.record(current.data, now=times.now())
    yield
    last_round.record(current.data, now=times.now())


def _is_stop_pending() -> bool:
    return not {signal.SIGTERM, signal.SIGINT}.isdisjoint(signal.sigpending())


def _say(line: str) -> None:
    click.echo(f"housekeeping: {line}", err=True)
