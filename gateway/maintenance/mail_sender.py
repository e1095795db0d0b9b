"""Sends mails beside housekeeping: a relay that is slow keeps nothing else waiting."""

from __future__ import annotations

import threading
from functools import partial
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.mail.outbox import Outbox

#: Seconds between two looks at the outbox.
_EVERY: Final = 2.0
#: How many times as long it waits after a fault: a catalog without room is found out
#: when the relay has been asked already.
_AFTER_FAULT: Final = 30
#: Seconds that the mail which is being sent gets when the gateway stops.
_FAREWELL: Final = 20.0


class MailSender:
    """Sends what is due in ``outbox``, in a thread; None is no relay.

    ``outbox`` may be replaced at any time.  ``say`` gets a line for what goes wrong.
    """

    def __init__(
        self, outbox: Outbox | None, say: Callable[[str], None], every: float = _EVERY
    ) -> None:
        self.outbox = outbox
        self._say, self._every = say, every
        self._said = ""
        self._is_stopped = threading.Event()
        # What it can't finish in time is found unknown later.
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Send no further mail; wait for the one that is being sent, for a while."""
        self._is_stopped.set()
        self._thread.join(_FAREWELL)

    def _run(self) -> None:
        pause = self._every
        while not self._is_stopped.wait(pause):
            pause = self._every
            outbox = self.outbox
            if outbox is None:
                continue
            try:
                outbox.send(is_stopped=partial(self._is_over, outbox))
            except Exception as error:  # noqa: BLE001 -- the next look may go well
                self._complain(f"{type(error).__name__}: {error}")
                pause *= _AFTER_FAULT
            else:
                self._said = ""

    def _is_over(self, outbox: Outbox) -> bool:
        """Tell whether *outbox* is to send no further mail: it may be replaced."""
        return self._is_stopped.is_set() or self.outbox is not outbox

    def _complain(self, fault: str) -> None:
        if fault != self._said:
            self._say(f"mails wait: {fault}")
        self._said = fault
