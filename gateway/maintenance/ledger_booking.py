"""The thread of housekeeping that books the ledger each second."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.metrics.counters import HousekeepingCounters
    from gateway.shares.booking import Booker

_SECONDS: Final = 1.0


class LedgerBooking(threading.Thread):
    """Books the ledger each second, beside the rounds: a round may take long.

    ``clock`` returns Unix seconds.  ``say`` gets a line when the fault changes.
    """

    def __init__(
        self,
        booker: Booker,
        counters: HousekeepingCounters,
        clock: Callable[[], int],
        say: Callable[[str], None],
    ) -> None:
        super().__init__(daemon=True)
        self._booker, self._counters = booker, counters
        self._clock, self._say = clock, say
        self._stopped = threading.Event()

    def run(self) -> None:
        """Book until ``stop`` is called."""
        fault = ""
        while not self._stopped.wait(_SECONDS):
            previous, fault = fault, ""
            try:
                now = self._clock()
                self._booker.round(now=now)
                self._counters.booked(now=now)
            except Exception as error:  # noqa: BLE001 -- the next second retries
                fault = f"{type(error).__name__}: {error}"
                if fault != previous:
                    self._say(f"can't book the ledger, will retry: {fault}")

    def stop(self) -> None:
        """Stop, and wait for the end of the present booking."""
        self._stopped.set()
        self.join()
