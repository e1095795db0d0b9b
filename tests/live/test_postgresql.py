"""PostgreSQL away, frozen, read-only or behind a pooler, and shared by gateways."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import make_url

from tests.catalog.pgbouncer import pooled
from tests.live.stack import NativeStack, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import requests

    from tests.catalog.postgres import Server

WAITS = "gateway: waiting for the catalog (GATEWAY_DATABASE): "
#: How long a client waits for a frozen server at most, for a link or anything else:
#: four and nine seconds, and two for a slow machine.
LINKS, PROMISED = timedelta(seconds=6), timedelta(seconds=11)


@pytest.fixture(scope="module")
def started(restartable: Server) -> Iterator[tuple[NativeStack, str]]:
    """Give a stack that was started while its server was away, and what it said."""
    with restartable.new_database() as url, ThreadPoolExecutor(1) as pool:
        stack = NativeStack(GATEWAY_DATABASE=url, GATEWAY_VERDICT_TTL="0")
        log = stack.home / "log"
        gone = threading.Event()

        def be_away() -> None:
            with restartable.away():
                gone.set()
                wait_until(
                    lambda: log.exists() and WAITS in log.read_text(),
                    seconds=30,
                    what="it says that it waits",
                )

        away = pool.submit(be_away)
        assert gone.wait(30)
        with stack.running():
            away.result()
            stack.put("a.txt", b"delivered\n")
            yield stack, stack.log()


@pytest.fixture(scope="module")
def stack(started: tuple[NativeStack, str]) -> NativeStack:
    return started[0]


@pytest.fixture(scope="module")
def bearer(stack: NativeStack) -> dict[str, str]:
    return {"Authorization": f"Bearer {stack.new_token('upload', 'read')}"}


def put(
    stack: NativeStack, bearer: dict[str, str], name: str = "a.bin"
) -> requests.Response:
    return stack.send(
        f"{stack.url}/api/v1/files/{name}", "PUT", data=b"content", headers=bearer
    )


def log_in(stack: NativeStack) -> requests.Response:
    page = stack.send(f"{stack.url}/login")
    token = page.text.partition('name="csrf_token" value="')[2].partition('"')[0]
    return stack.send(
        f"{stack.url}/login",
        "POST",
        data={"csrf_token": token, "name": "nobody", "password": "a wrong password"},
        headers={"Cookie": page.headers["Set-Cookie"].partition(";")[0]},
    )


def is_told_to_come_again(answer: requests.Response) -> bool:
    return (answer.status_code, answer.headers.get("Retry-After")) == (503, "5")


def test_an_outage_is_told_at_once_and_over_with_its_end(
    stack: NativeStack, restartable: Server, bearer: dict[str, str]
) -> None:
    before = put(stack, bearer).status_code
    with restartable.away():
        away = [put(stack, bearer), stack.send(stack.sign("a.txt")), log_in(stack)]
        unready = stack.send(f"{stack.url}/readyz")
    after = [put(stack, bearer), stack.send(stack.sign("a.txt"))]
    assert before == 201
    assert all(map(is_told_to_come_again, away))
    assert unready.json()["failing"] == ["catalog"]
    assert max(answer.elapsed for answer in away) < timedelta(seconds=2)
    assert [answer.status_code for answer in after] == [201, 200]
    assert stack.log_has("the catalog does not answer: ")


def places(stack: NativeStack, server: Server) -> int:
    """Return how many uploads the catalog counts as running."""
    database = make_url(stack.settings["GATEWAY_DATABASE"]).database or ""
    return len(server.ask("SELECT id FROM reservations", database))


def test_uploads_that_end_during_an_outage_lock_nobody_out(
    stack: NativeStack, restartable: Server, bearer: dict[str, str]
) -> None:
    """All 16 places are taken when the catalog goes away."""
    host = f"127.0.0.1:{stack.port}"
    head = (
        "PUT /api/v1/files/a.bin HTTP/1.1\r\nContent-Length: 4\r\nConnection: close"
        f"\r\nHost: {host}\r\nAuthorization: {bearer['Authorization']}\r\n\r\n"
    ).encode()
    with ExitStack() as open_:
        peers = [open_.enter_context(stack.connected(head + b"abc")) for _ in range(16)]
        # Asked for by an upload, one of them could find its place taken.
        wait_until(lambda: places(stack, restartable) == 16, what="all are let in")
        assert put(stack, bearer).status_code == 429
        with restartable.away():
            for peer in peers:
                peer.sendall(b"d")
            ended = [peer.recv(1 << 16).split()[1] for peer in peers]
    assert ended == [b"503"] * 16
    wait_until(
        lambda: put(stack, bearer).status_code == 201, what="the places are free again"
    )


def test_a_frozen_server_is_given_up_and_health_never_waits(
    stack: NativeStack, restartable: Server, bearer: dict[str, str]
) -> None:
    links = [stack.sign("a.txt", name=f"{n}.txt") for n in range(24)]
    asked: list[Callable[[], requests.Response]] = [
        *(partial(stack.send, link) for link in links),
        partial(put, stack, bearer),
        partial(log_in, stack),
    ]
    assert [one().status_code for one in asked[:3]] == [200] * 3
    with ThreadPoolExecutor(len(asked)) as pool, restartable.frozen():
        told = [pool.submit(one) for one in asked]
        healthy = [stack.send(f"{stack.url}/healthz") for _ in range(20)]
        answers = [one.result(timeout=60) for one in told]
        unready = stack.send(f"{stack.url}/readyz")
    # Each worker leaves the server alone for a moment: all have to be back.
    wait_until(
        lambda: {put(stack, bearer).status_code for _ in range(8)} == {201},
        seconds=5,
        what="it is back",
    )
    assert {answer.status_code for answer in healthy} == {200}
    assert max(answer.elapsed for answer in healthy) < timedelta(seconds=1)
    assert all(map(is_told_to_come_again, answers))
    assert max(answer.elapsed for answer in answers[: len(links)]) < LINKS
    assert max(answer.elapsed for answer in [*answers, unready]) < PROMISED
    assert unready.status_code == 503


def test_a_read_only_server_delivers_and_changes_nothing(
    stack: NativeStack, restartable: Server, bearer: dict[str, str]
) -> None:
    """As after a failover, on connections that were open before."""
    assert put(stack, bearer).status_code == 201
    with restartable.read_only():
        changes = [put(stack, bearer), log_in(stack)]
        delivered = stack.send(stack.sign("a.txt"))
        unready = stack.send(f"{stack.url}/readyz")
    assert all(map(is_told_to_come_again, changes))
    assert (delivered.status_code, unready.status_code) == (200, 503)
    assert put(stack, bearer).status_code == 201
    assert stack.send(f"{stack.url}/readyz").status_code == 200


def test_a_gateway_that_starts_beside_a_read_only_server_delivers(
    stack: NativeStack, restartable: Server
) -> None:
    """A failover and a reboot may come together."""
    with restartable.read_only():
        stack.kill()
        stack.start()
        delivered = stack.send(stack.sign("a.txt"))
        unready = stack.send(f"{stack.url}/readyz")
    assert (delivered.status_code, unready.status_code) == (200, 503)


@pytest.mark.extra
def test_behind_a_pooler_of_transactions_all_goes_on(postgresql: Server) -> None:
    with (
        postgresql.new_database() as url,
        pooled(postgresql, make_url(url).database or "") as pooler,
        NativeStack(
            GATEWAY_DATABASE=pooler,
            GATEWAY_DATABASE_DIRECT=url,
            GATEWAY_VERDICT_TTL="0",
        ).running() as stack,
        ThreadPoolExecutor(8) as pool,
    ):
        stack.put("a.txt", b"delivered\n")
        bearer = {"Authorization": f"Bearer {stack.new_token('upload')}"}
        delivered = pool.map(
            lambda number: stack.send(stack.sign("a.txt", name=f"{number}.txt")),
            range(100),
        )
        stored = pool.map(lambda _: put(stack, bearer), range(30))
        statuses = {answer.status_code for answer in delivered}
        made = {answer.status_code for answer in stored}
    assert (statuses, made) == ({200}, {201})


def test_gateways_share_a_database_and_a_store(
    stack: NativeStack, bearer: dict[str, str]
) -> None:
    """Whichever has started first has made the administrator."""
    with NativeStack(
        GATEWAY_DATABASE=stack.settings["GATEWAY_DATABASE"],
        GATEWAY_STORE=str(stack.home / "data" / "store"),
        GATEWAY_KEYS=str(stack.keys),
    ).running() as other:
        stored = put(stack, bearer)
        there = other.send(f"{other.url}{stored.headers['Location']}", headers=bearer)
        made = other.log_has("Made the user admin")
    assert (there.status_code, there.content) == (200, b"content")
    assert not made


def test_serve_waits_for_a_server_that_is_away(
    started: tuple[NativeStack, str],
) -> None:
    stack, said = started
    assert said.index(WAITS) < said.index("Serving ")
    assert stack.send(f"{stack.url}/readyz").status_code == 200
