"""The doctor ends, whatever a check does."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from gateway.doctor.client import TooManyRequestsError
from gateway.doctor.examination import Check, Examination
from gateway.doctor.results import Code, State, passed

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.doctor.results import Result

GOOD = Check((Code.CLOCK,), lambda: [passed(Code.CLOCK, "It is noon.")])


def failing(error: Exception) -> Callable[[], list[Result]]:
    def run() -> list[Result]:
        raise error

    return run


def test_a_check_that_hangs_is_not_made_and_the_next_one_is() -> None:
    stopped = threading.Event()

    def hang() -> list[Result]:
        stopped.wait(30)
        return []

    hanging = Check((Code.CACHED, Code.COMPRESSED), hang)
    examination = Examination(check_seconds=0.05)
    cached, compressed, clock = examination.results([hanging, GOOD])
    stopped.set()
    assert (cached.code, cached.state) == (Code.CACHED, State.NOT_CHECKED)
    assert (compressed.code, compressed.state) == (Code.COMPRESSED, State.NOT_CHECKED)
    assert clock.state is State.PASSED


def test_when_the_time_is_over_no_check_begins() -> None:
    (clock,) = Examination(seconds=0).results([GOOD])
    assert (clock.state, clock.text) == (
        State.NOT_CHECKED,
        "the time for all checks is over",
    )


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(PermissionError(13, "Permission denied"), id="system"),
        pytest.param(TooManyRequestsError("429"), id="gateway"),
    ],
)
def test_a_check_that_fails_is_not_made(error: Exception) -> None:
    check = Check((Code.KEYS_OLD,), failing(error))
    (result,) = Examination().results([check])
    assert (result.code, result.state) == (Code.KEYS_OLD, State.NOT_CHECKED)
    assert result.text == str(error)


def test_a_bug_is_not_hidden() -> None:
    check = Check((Code.KEYS_OLD,), failing(ZeroDivisionError()))
    with pytest.raises(ZeroDivisionError):
        list(Examination().results([check]))
