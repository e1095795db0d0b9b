"""What a catalog could not do is done as soon as it can."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from gateway.catalog.deferred import DeferredWrites
from gateway.errors import CatalogBusyError, NoSpaceError
from tests.live.stack import wait_until

if TYPE_CHECKING:
    from gateway.catalog.database import Database


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.catalog.deferred._INTERVAL", 0.01)


@pytest.mark.parametrize(
    "refusal",
    [
        pytest.param(CatalogBusyError("away"), id="away"),
        pytest.param(NoSpaceError(), id="full"),
    ],
)
def test_work_is_tried_until_it_is_done_and_in_its_order(
    refusal: CatalogBusyError | NoSpaceError,
) -> None:
    answers, done = threading.Event(), list[int]()

    def work(number: int) -> None:
        if not answers.is_set():
            raise refusal
        done.append(number)

    deferred = DeferredWrites()
    for number in range(3):
        deferred.add(lambda number=number: work(number))  # type: ignore[misc]
    answers.set()
    wait_until(lambda: len(done) == 3, what="all of it is done")
    assert done == [0, 1, 2]


def test_work_that_fails_is_logged_and_holds_up_none(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail() -> None:
        raise ZeroDivisionError

    deferred, done = DeferredWrites(), threading.Event()
    deferred.add(fail)
    wait_until(lambda: caplog.records, what="it has failed")
    deferred.add(done.set)
    assert done.wait(10)
    assert caplog.messages == ["a deferred write failed"]


def test_no_thread_is_left_when_all_is_done() -> None:
    deferred, done = DeferredWrites(), threading.Event()
    before = threading.active_count()
    for _ in range(2):
        done.clear()
        deferred.add(done.set)
        assert done.wait(10)
        wait_until(lambda: threading.active_count() == before, what="it has ended")


def test_a_change_that_can_be_made_is_made_at_once(database: Database) -> None:
    made: list[object] = []
    database.write_or_defer(made.append)
    assert len(made) == 1
