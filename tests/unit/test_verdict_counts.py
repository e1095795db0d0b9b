"""Verdicts are counted by family, result and public class of refusal."""

from __future__ import annotations

import pytest

from gateway.http.explanations import BY_ERROR, BY_STATUS
from gateway.metrics import verdicts
from gateway.metrics.slots import Slot
from gateway.metrics.verdicts import (
    BEGIN,
    DELIVER,
    FAMILIES,
    REDIRECT,
    Counted,
    Outcome,
    VerdictCounts,
    refused,
)

NOT_FOUND = refused("not-found")


def of(family: str, cells: memoryview[int]) -> Counted:
    """Return the counts of one family."""
    return next(c for c in verdicts.counted(cells) if c.family == family)


def shown(counted: Counted) -> dict[Outcome, int]:
    return {outcome: count for outcome, count in counted.outcomes.items() if count}


def test_each_outcome_is_counted_for_itself() -> None:
    cells = Slot.alone().verdicts
    counts = VerdictCounts(cells, FAMILIES)
    counts.by_family["signed"].delivered(100_000)
    counts.by_family["signed"].delivered(100_000)
    for outcome in (BEGIN, REDIRECT, NOT_FOUND, DELIVER):
        counts.by_family["leased"].add(outcome, 1_000)
    counts.publish()
    assert shown(of("signed", cells)) == {DELIVER: 2}
    assert shown(of("leased", cells)) == {
        DELIVER: 1,
        BEGIN: 1,
        REDIRECT: 1,
        NOT_FOUND: 1,
    }
    assert shown(of("files", cells)) == {}


def test_durations_are_counted_by_their_number_of_bits() -> None:
    cells = Slot.alone().verdicts
    counts = VerdictCounts(cells, ["signed"])
    for nanoseconds in (0, 1, 65_535, 65_536, 10**12):
        counts.by_family["signed"].add(NOT_FOUND, nanoseconds)
    counts.publish()
    signed = of("signed", cells)
    counted = {bits: count for bits, count in enumerate(signed.durations) if count}
    assert counted == {0: 1, 1: 1, 16: 1, 17: 1, 40: 1}


def test_what_earlier_processes_have_counted_is_added() -> None:
    cells = Slot.alone().verdicts
    for _ in range(2):
        counts = VerdictCounts(cells, ["signed"])
        counts.by_family["signed"].add(NOT_FOUND, 500_000_000)
        counts.publish()
        counts.publish()
    assert shown(of("signed", cells)) == {NOT_FOUND: 2}
    assert of("signed", cells).seconds == pytest.approx(1.0)


def test_every_public_class_can_be_counted() -> None:
    """A class that is missing would end each of its refusals with a 500."""
    counts = VerdictCounts(Slot.alone().verdicts, ["signed"])
    for explanation in (*BY_ERROR.values(), *BY_STATUS.values()):
        counts.by_family["signed"].add(refused(explanation.name), 1)


@pytest.mark.parametrize(
    ("name", "result"),
    [
        pytest.param("not-found", "refuse", id="the client's fault"),
        pytest.param("no-space", "refuse", id="no room"),
        pytest.param("busy", "fail", id="busy"),
        pytest.param("internal-error", "fail", id="bug"),
    ],
)
def test_only_the_gateway_s_own_faults_are_failures(name: str, result: str) -> None:
    assert refused(name) == (result, name)
