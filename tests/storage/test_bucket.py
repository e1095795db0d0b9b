"""Whether a bucket can be listed: what anybody may ask, at the cost of a request."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import TYPE_CHECKING

import pytest

from gateway.errors import BucketBusyError
from gateway.storage import bucket
from gateway.storage.bucket import Bucket
from gateway.storage.places import BucketURL
from tests.live.ports import free_port
from tests.storage.test_files import server

if TYPE_CHECKING:
    from collections.abc import Callable

#: Longer than a test.
LONG = 600.0


class Asked(list[str]):
    """The listings that were asked for; a fault in it is the next answer."""

    fault = ""

    def ask(self) -> None:
        self.append(self.fault)
        if self.fault:
            raise BucketBusyError(self.fault)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Asked:
    asked = Asked()
    monkeypatch.setattr(Bucket, "_list_one", asked.ask)
    return asked


@pytest.fixture
def check() -> Callable[[], None]:
    url = BucketURL("media", "")
    return Bucket.open(url, server(f"http://127.0.0.1:{free_port()}")).check_listing


def test_an_answer_holds_for_a_second(
    check: Callable[[], None], asked: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bucket, "_KEPT_SECONDS", LONG)
    for _ in range(3):
        check()
    assert len(asked) == 1


def test_a_refusal_holds_for_as_long(
    check: Callable[[], None], asked: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bucket, "_KEPT_SECONDS", LONG)
    asked.fault = "answers 403"
    for _ in range(3):
        with pytest.raises(BucketBusyError, match="answers 403"):
            check()
    assert len(asked) == 1


def test_then_it_is_asked_again(
    check: Callable[[], None], asked: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bucket, "_KEPT_SECONDS", 0)
    asked.fault = "answers 403"
    with pytest.raises(BucketBusyError):
        check()
    asked.fault = ""
    check()
    assert asked == ["answers 403", ""]


def test_while_one_thread_asks_the_others_have_the_last_answer(
    check: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A silent server would hold all threads of the application."""
    monkeypatch.setattr(bucket, "_KEPT_SECONDS", 0)
    begun, answered = Event(), Event()
    answered.set()

    def ask(_: object) -> None:
        begun.set()
        assert answered.wait(10)

    monkeypatch.setattr(Bucket, "_list_one", ask)
    check()
    begun.clear()
    answered.clear()
    with ThreadPoolExecutor(1) as pool:
        silent = pool.submit(check)
        assert begun.wait(60)
        check()
        is_waiting = not silent.done()
        answered.set()
    assert is_waiting
