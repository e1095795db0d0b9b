"""The thread that sends mails goes on after faults, and ends when it is told to."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any, cast

from gateway.errors import CatalogBusyError
from gateway.maintenance.mail_sender import MailSender
from tests.live.stack import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.mail.outbox import Outbox


class FakeOutbox:
    """Counts how often it is told to send, and does what *work* does."""

    def __init__(self, work: Callable[..., object] = bool) -> None:
        self.work = work
        self.sent = 0

    def send(self, *, is_stopped: Callable[[], bool]) -> int:
        self.sent += 1
        self.work(is_stopped)
        return 0


def mail_sender(outbox: FakeOutbox | None, said: list[str]) -> MailSender:
    return MailSender(cast("Outbox", outbox), said.append, every=0.005)


def test_a_fault_is_told_once_and_makes_the_next_look_wait() -> None:
    times: list[float] = []

    def fail(_: Any) -> None:
        times.append(time.monotonic())
        raise CatalogBusyError("the catalog is away")

    said: list[str] = []
    outbox = FakeOutbox(fail)
    sender = mail_sender(outbox, said)
    sender.start()
    wait_until(lambda: outbox.sent > 1, what="a second try")
    sender.stop()
    assert said == ["mails wait: CatalogBusyError: the catalog is away"]
    assert times[1] - times[0] > 20 * 0.005


def test_it_takes_another_outbox_at_a_reload() -> None:
    """Also while it sends: the relay of the first may be why the settings changed."""
    first = FakeOutbox(lambda is_over: wait_until(is_over, what="the reload"))
    second = FakeOutbox()
    sender = mail_sender(None, [])
    sender.start()
    sender.outbox = cast("Outbox", first)
    wait_until(lambda: first.sent > 0, what="the first")
    sender.outbox = cast("Outbox", second)
    wait_until(lambda: second.sent > 0, what="the second")
    sender.stop()


def test_when_it_stops_the_mail_that_is_being_sent_is_waited_for() -> None:
    begun, ended = threading.Event(), threading.Event()

    def work(is_stopped: Callable[[], bool]) -> None:
        begun.set()
        wait_until(is_stopped, what="the stop")
        ended.set()

    sender = mail_sender(FakeOutbox(work), [])
    sender.start()
    assert begun.wait(10)
    sender.stop()
    assert ended.is_set()
