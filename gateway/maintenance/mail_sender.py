"""Send mails in a thread beside housekeeping: a slow relay must not delay it."""

from __future__ import annotations

import threading
from functools import partial
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.mail.outbox import Outbox

#: Seconds between two checks of the outbox.
_EVERY: Final = 2.0
#: Factor for the pause after a failure: a full disk under the catalog is noticed only
#: after the relay has been contacted.
_AFTER_FAULT: Final = 30
#: Seconds that a mail in transmission gets to finish when the gateway stops.
_STOP_SECONDS: Final = 20.0


class MailSender:
    """Sends the mails that are due in ``outbox``; None if there is no relay.

    ``outbox`` may be replaced at any time.  *log* gets a line for each new failure;
    *every* is the pause between two checks, in seconds.
    """

    def __init__(
        self, outbox: Outbox | None, log: Callable[[str], None], every: float = _EVERY
    ) -> None:
        self.outbox = outbox
        self._log, self._every = log, every
        self._last_fault = ""
        self._is_stopped = threading.Event()
        # A mail that is not finished in time gets the state "unknown" later.
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Send no further mail; wait up to 20 seconds for the current one."""
        self._is_stopped.set()
        self._thread.join(_STOP_SECONDS)

    def _run(self) -> None:
        pause = self._every
        while not self._is_stopped.wait(pause):
            pause = self._every
            outbox = self.outbox
            if outbox is None:
                continue
            try:
                outbox.send(is_stopped=partial(self._must_stop, outbox))
            except Exception as error:  # noqa: BLE001 -- the next check may succeed
                self._log_fault(f"{type(error).__name__}: {error}")
                pause *= _AFTER_FAULT
            else:
                self._last_fault = ""

    def _must_stop(self, outbox: Outbox) -> bool:
        """Return whether *outbox* must send no further mail; it may be replaced."""
        return self._is_stopped.is_set() or self.outbox is not outbox

    def _log_fault(self, fault: str) -> None:
        if fault != self._last_fault:
            self._log(f"mails wait: {fault}")
        self._last_fault = fault
