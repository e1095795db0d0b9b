"""Attempts: at once, in steps, and no pause after the last."""

from __future__ import annotations

import pytest

from gateway.polling import attempts


class Clock:
    """Time that passes by sleeping alone."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr("gateway.polling.time", made)
    return made


@pytest.mark.parametrize(
    ("seconds", "moments"),
    [
        pytest.param(0, [0], id="none"),
        pytest.param(0.25, [0, 0.25], id="less than a step"),
        pytest.param(1.25, [0, 0.5, 1, 1.25], id="steps"),
    ],
)
def test_the_last_attempt_is_when_the_time_is_over(
    clock: Clock, seconds: float, moments: list[float]
) -> None:
    assert [clock.now - 100 for _ in attempts(seconds, every=0.5)] == moments
    assert clock.now - 100 == seconds


def test_time_that_an_attempt_takes_counts(clock: Clock) -> None:
    moments = []
    for _ in attempts(1, every=0.25):
        moments.append(clock.now - 100)
        clock.sleep(0.75)
    assert moments == [0, 1]
