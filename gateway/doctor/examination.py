"""Runs checks one after the other, each within a time limit."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from gateway.doctor.results import not_checked
from gateway.errors import GatewayError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from gateway.doctor.results import Code, Result

#: Seconds for one check, and for all checks together.
CHECK_SECONDS: Final = 20.0
SECONDS: Final = 60.0


@dataclass(frozen=True)
class Check:
    """One check; ``run`` returns at least one result for each of ``codes``."""

    codes: tuple[Code, ...]
    run: Callable[[], Iterable[Result]]


@dataclass
class Examination:
    """Runs checks; together they have *seconds*, and each at most *check_seconds*."""

    seconds: float = SECONDS
    check_seconds: float = CHECK_SECONDS
    _deadline: float = field(init=False)

    def __post_init__(self) -> None:
        self._deadline = time.monotonic() + self.seconds

    def results(self, checks: Iterable[Check]) -> Iterator[Result]:
        """Yield the results of each check as soon as it is done.

        A check that fails or takes too long could not be made.
        """
        for check in checks:
            left = self._deadline - time.monotonic()
            yield from _results(check, min(left, self.check_seconds))


def _results(check: Check, seconds: float) -> Iterable[Result]:
    """Run *check* in a thread: a look-up of a name or a mount may hang for minutes."""
    results: list[Result] = []
    faults: list[Exception] = []

    def run() -> None:
        try:
            results.extend(check.run())
        except Exception as error:  # noqa: BLE001 -- raised again, in the caller
            faults.append(error)

    if seconds <= 0:
        return _none(check, "the time for all checks is over")
    # (!) A daemon: otherwise the program would not end before it.
    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        return _none(check, f"no result within {seconds:.0f} seconds")
    if not faults:
        return results
    if isinstance(faults[0], GatewayError | OSError):
        return _none(check, str(faults[0]))
    raise faults[0]


def _none(check: Check, reason: str) -> list[Result]:
    return [not_checked(code, reason) for code in check.codes]
