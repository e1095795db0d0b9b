"""One client can't take more than its share."""

from __future__ import annotations

import email
import json
import re
import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest
import requests

from tests.live.stack import ALWAYS, CONNECTIONS, ORIGIN, fresh_client, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.live.stack import Stack

#: Well over GATEWAY_CLIENT_REQUESTS and as many at once.
FLOOD = 900
STYLE = "/static/style.css"
#: Every tenth request of the second half of a flood.
TARGETS = slice(FLOOD // 2 + 9, None, 10)


def flood(
    stack: Stack,
    clients: Iterable[str],
    accept: str = "*/*",
    target: str = "/s/forged/x",
) -> list[bytes]:
    """Ask FLOOD times, one after the other, on one connection.

    TARGETS are for *target*, all others for what nginx has by itself: a verdict may
    be slower than the rate that is allowed, and what it lets in is used up so.
    """
    targets = range(FLOOD)[TARGETS]
    requests_sent = [
        f"GET {target if number in targets else STYLE} HTTP/1.1\r\n"
        f"Host: localhost\r\nAccept: {accept}\r\n"
        f"X-Forwarded-For: {client}\r\nOrigin: {ORIGIN}\r\n"
        for number, client in enumerate(clients)
    ]
    requests_sent[-1] += "Connection: close\r\n"
    answer = stack.raw(("\r\n".join(requests_sent) + "\r\n").encode())
    return re.split(rb"(?=HTTP/1\.1 \d)", answer)[1:]


def refusals_in_the_log(stack: Stack, client: str) -> list[dict[str, object]]:
    rows = [row for row in stack.logged() if row["client"] == client]
    return [row for row in rows if row["status"] == 429]


@pytest.mark.docker
def test_a_flood_of_forged_links_is_refused_unasked(stack: Stack) -> None:
    flooder = fresh_client()
    answers = flood(stack, [flooder] * FLOOD)
    over = [answer for answer in answers if answer.startswith(b"HTTP/1.1 429")]
    wait_until(
        lambda: len(refusals_in_the_log(stack, flooder)) == len(over),
        what="the refusals are logged",
    )
    asked = {row["verdict_seconds"] for row in refusals_in_the_log(stack, flooder)}
    assert len(answers) == FLOOD
    assert any(answer.startswith(b"HTTP/1.1 429") for answer in answers[TARGETS])
    assert b"Retry-After: 5\r\n" in over[-1]
    assert b"Too many requests" in over[-1]
    assert asked <= {"", "-"}


@pytest.mark.parametrize(
    "target", ["/_files/x", "/_verdict", "/_admit", "/_cut", "/metrics/nginx"], ids=str
)
def test_a_flood_for_what_is_internal_is_counted_too(stack: Stack, target: str) -> None:
    answers = flood(stack, [fresh_client()] * FLOOD, target=target)
    assert len(answers) == FLOOD
    assert any(answer.startswith(b"HTTP/1.1 429") for answer in answers[TARGETS])


def test_a_flood_of_one_client_leaves_the_others_alone(stack: Stack) -> None:
    stack.put("l/good.txt", b"good\n")
    url = stack.sign("l/good.txt")
    with ThreadPoolExecutor(1) as pool:
        flooding = pool.submit(flood, stack, [fresh_client()] * FLOOD)
        statuses = {stack.ask(url).status_code for _ in range(20)}
        flooding.result()
    assert statuses == {200}


def test_clients_that_hang_up_are_counted_too(stack: Stack) -> None:
    flooder = fresh_client()
    request = (
        f"GET /s/forged/x HTTP/1.1\r\nHost: localhost\r\n"
        f"X-Forwarded-For: {flooder}\r\n\r\n"
    )

    def hang_up(_number: int) -> None:
        with socket.create_connection(("127.0.0.1", stack.port), 20) as peer:
            peer.sendall(request.encode())

    def are_refused() -> bool:
        # A slow machine may need more of them to be over the rate.
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(hang_up, range(FLOOD)))
        return bool(refusals_in_the_log(stack, flooder))

    wait_until(are_refused, what="the refusals are logged")


def test_a_program_over_its_share_gets_problem_json(stack: Stack) -> None:
    answers = flood(stack, [fresh_client()] * FLOOD, accept="application/json")
    head, _, body = next(
        answer for answer in reversed(answers) if answer.startswith(b"HTTP/1.1 429")
    ).partition(b"\r\n\r\n")
    problem = json.loads(re.search(rb"\{.*\}", body)[0])  # type: ignore[index]
    assert b"Content-Type: application/problem+json\r\n" in head
    assert problem["status"] == 429
    assert f"X-Request-ID: {problem['request_id']}\r\n".encode() in head


def test_a_refused_client_gets_every_promised_header(stack: Stack) -> None:
    answers = flood(stack, [fresh_client()] * FLOOD)
    refused = next(a for a in reversed(answers) if a.startswith(b"HTTP/1.1 429"))
    head, _, page = refused.partition(b"\r\n\r\n")
    headers = email.message_from_bytes(head.partition(b"\r\n")[2])
    assert {name: headers[name] for name in ALWAYS} == ALWAYS
    assert headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert headers["Cache-Control"] == "no-store"
    assert headers["X-Request-ID"].encode() in page


def test_the_addresses_of_one_ipv6_network_are_one_client(stack: Stack) -> None:
    network = fresh_client().removesuffix("1")
    answers = flood(stack, [f"{network}{number + 1:x}" for number in range(FLOOD)])
    assert any(answer.startswith(b"HTTP/1.1 429") for answer in answers)


@pytest.mark.docker
def test_downloads_at_a_time_are_limited(stack: Stack) -> None:
    stack.put("l/slow.bin", bytes(1_000_000))
    slow = stack.sign("l/slow.bin", rate=1000)
    client = fresh_client()
    with ExitStack() as running:
        for _ in range(CONNECTIONS):
            answer = requests.get(
                slow, headers={"X-Forwarded-For": client}, stream=True, timeout=30
            )
            running.enter_context(answer)
        assert stack.ask(slow, "HEAD", client=client).status_code == 429
        assert stack.ask(slow, "HEAD").status_code == 200
