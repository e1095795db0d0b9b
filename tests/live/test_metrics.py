"""Metrics through nginx: kept verdicts, tokens, and workers that die."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import pytest
import requests

from gateway.http.pools import Pool
from tests.live.stack import NativeStack, Stack, wait_until
from tests.live.test_shares import leased, link
from tests.samples import Samples

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

#: Requests of one test.
COUNT: Final = 12
KILLS: Final = 20
#: Time in which a verdict is counted, by a worker or by nginx.
COUNTED_SECONDS: Final = 1.5


def metrics(stack: Stack) -> Samples:
    answer = stack.send(f"{stack.url}/metrics", client="127.0.0.1")
    assert answer.status_code == 200, answer.text
    return Samples(answer.text)


@pytest.mark.database
@pytest.mark.docker
def test_each_verdict_is_counted_as_asked_or_as_kept(stack: Stack) -> None:
    """Only nginx knows of the kept ones."""
    stack.put("m/a.txt")
    urls = {
        "signed": stack.sign("m/a.txt"),
        "leased": leased(stack, link(stack, "m/a.txt")),
    }

    def counts() -> dict[tuple[str, str], float]:
        found = metrics(stack)
        return {
            (family, source): found.get(
                "verdicts_total", family=family, source=source, result="deliver"
            )
            for family in urls
            for source in ("asked", "kept")
        }

    earlier = time.monotonic() + COUNTED_SECONDS
    wait_until(lambda: time.monotonic() > earlier, what="earlier ones are counted")
    before = counts()
    for url in urls.values():
        for _ in range(COUNT):
            assert stack.send(url).status_code == 200

    def more() -> dict[tuple[str, str], float]:
        return {key: count - before[key] for key, count in counts().items()}

    wait_until(
        lambda: sum(more().values()) == COUNT * len(urls),
        what="each verdict is counted once",
    )
    for family in urls:
        asked, kept = more()[family, "asked"], more()[family, "kept"]
        assert asked + kept == COUNT
        # Each new second has new questions, but most requests are in the same one.
        assert asked >= 1
        assert (kept > 0) == stack.keeps_verdicts


@pytest.mark.docker
@pytest.mark.parametrize("path", ["/metrics", "/metrics/nginx"])
def test_a_token_of_their_scope_opens_them_from_everywhere(
    stack: Stack, path: str
) -> None:
    url = f"{stack.url}{path}"
    bearers = [stack.new_token("metrics"), stack.new_token("read", "admin"), "gwt_x"]
    opened, other, rubbish = (
        stack.send(url, headers={"Authorization": f"Bearer {token}"})
        for token in bearers
    )
    nothing = stack.send(url)
    assert opened.status_code == 200
    assert [a.status_code for a in (other, rubbish, nothing)] == [404, 404, 404]


def test_both_pools_and_housekeeping_are_watched(native_stack: NativeStack) -> None:
    def rounds(result: str) -> float:
        return metrics(native_stack).get("housekeeping_rounds_total", result=result)

    wait_until(lambda: rounds("done") >= 1, what="the first round has ended")
    found = metrics(native_stack)
    assert found.get("workers", pool="verdicts") == 3
    assert found.get("workers", pool="app") == 2
    assert found.get("worker_threads", pool="app") == 32
    # The worker that shows the metrics is busy with it.
    assert found.get("worker_threads", pool="app", state="busy") >= 1
    assert found.get("worker_threads", pool="verdicts", state="busy") == 0
    assert found.get("waiting_connections", pool="verdicts") == 0
    assert "accel_gateway_waiting_connections" in found.names
    assert rounds("failed") == 0
    assert found.get("housekeeping_last_success_timestamp_seconds") > 1e9
    assert found.get("ledger_last_booked_timestamp_seconds") > 1e9


def test_a_busy_pool_and_what_waits_for_it_show(native_stack: NativeStack) -> None:
    """The workers are stopped: they answer nobody."""
    stack = native_stack
    stack.put("m/b.txt")
    workers = stack.pool(Pool.VERDICTS)[1:]

    def state() -> tuple[float, float]:
        found = metrics(stack)
        busy = found.get("worker_threads", pool="verdicts", state="busy")
        return busy, found.get("waiting_connections", pool="verdicts")

    with ThreadPoolExecutor(8) as pool:
        try:
            for pid in workers:
                os.kill(pid, signal.SIGSTOP)
            asked = [pool.submit(stack.send, stack.sign("m/b.txt")) for _ in range(8)]
            wait_until(lambda: state()[1] == 8, what="all wait for a worker")
        finally:
            for pid in workers:
                os.kill(pid, signal.SIGCONT)
        assert {each.result().status_code for each in asked} == {200}
    wait_until(lambda: state() == (0, 0), what="the pool is idle again")


@pytest.fixture(scope="module")
def mortal() -> Iterator[NativeStack]:
    """Give a gateway whose workers may be killed: its log may have errors."""
    stack = NativeStack(GATEWAY_CLIENT_CONNECTIONS="1000")
    stack.start()
    stack.put("m/c.txt")
    yield stack
    stack.stop()


def slots(stack: NativeStack) -> list[Path]:
    return list((stack.home / "data" / "run" / "metrics").glob("*.slot"))


def test_a_reload_loses_no_count(mortal: NativeStack) -> None:
    """The old workers have counted until their end."""

    def asked() -> float:
        return metrics(mortal).get("verdicts_total", family="signed", source="asked")

    def reload() -> None:
        workers = set(mortal.pool(Pool.VERDICTS)[1:])
        mortal.reload()
        wait_until(
            lambda: not workers & set(mortal.pool(Pool.VERDICTS)),
            what="the old workers have ended",
        )

    reload()
    before = asked()
    for number in range(COUNT):
        url = mortal.sign("m/c.txt", name=f"reloaded-{number}")
        assert mortal.send(url).status_code == 200
    reload()
    assert asked() == before + COUNT


def test_counters_only_grow_while_workers_are_killed(mortal: NativeStack) -> None:
    over = threading.Event()

    def load(number: int) -> None:
        urls = (
            mortal.sign("m/c.txt"),
            mortal.sign("m/c.txt", name=f"{number}"),
            f"{mortal.url}/nothing",
            mortal.sign("m/missing.txt"),
        )
        while not over.is_set():
            for url in urls:
                # Some requests end with their worker.
                with suppress(requests.RequestException):
                    mortal.send(url)

    rng = random.Random(1)  # noqa: S311 -- which worker is killed
    last = metrics(mortal).counters
    with ThreadPoolExecutor(4) as pool:
        running = [pool.submit(load, number) for number in range(4)]
        for kill in range(KILLS):
            workers = mortal.pool([*Pool][kill % 2])[1:]
            with suppress(ProcessLookupError):
                os.kill(rng.choice(workers), signal.SIGKILL)
            for _ in range(3):
                now = metrics(mortal).counters
                smaller = {key: n for key, n in last.items() if now.get(key, 0) < n}
                assert smaller == {}
                last = now
        over.set()
        for each in running:
            each.result()
    # As many as there were processes at a time, also at the reload.
    assert len(slots(mortal)) <= 2 * (3 + 2) + 1


def test_a_folder_that_is_lost_costs_only_the_metrics_of_processes(
    native_stack: NativeStack,
) -> None:
    stack = native_stack
    folder = (stack.home / "data" / "run" / "metrics").readlink()
    away = folder.rename(folder.with_name(f"{folder.name}-away"))
    try:
        found = metrics(stack)
        page = stack.send(f"{stack.url}/nothing")
    finally:
        away.rename(folder)
    assert (found.get("catalog_up"), found.get("workers", pool="app")) == (1, 0)
    assert page.status_code == 404


def test_a_damaged_file_hides_no_other_one(native_stack: NativeStack) -> None:
    """A worker that is killed while it makes a file leaves it empty."""
    stack = native_stack
    damaged = stack.home / "data" / "run" / "metrics" / "counter_app-99.db"
    before = metrics(stack).get("requests_total")
    damaged.touch()
    try:
        found = metrics(stack)
    finally:
        damaged.unlink()
    assert found.get("requests_total") > before
