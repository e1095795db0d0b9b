"""One client can't take more than its share."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from tests.live.stack import CONNECTIONS, fresh_client, wait_until

if TYPE_CHECKING:
    import requests

    from tests.live.stack import Stack


def test_a_flood_of_forged_links_is_held_back_and_then_refused_unasked(
    stack: Stack,
) -> None:
    stack.put("l/good.txt", b"good\n")
    flooder = fresh_client()

    def forge(number: int) -> requests.Response:
        return stack.ask(f"{stack.url}/s/forged{number}/l/good.txt", client=flooder)

    with ThreadPoolExecutor(3 * CONNECTIONS) as pool:
        flood = [pool.submit(forge, number) for number in range(3 * CONNECTIONS)]
        neighbour = stack.ask(stack.sign("l/good.txt"))
        answers = [answer.result() for answer in flood]
    over = [answer for answer in answers if answer.status_code == 429]
    assert neighbour.status_code == 200
    assert {answer.status_code for answer in answers} == {404, 429}
    assert {answer.headers["Retry-After"] for answer in over} == {"5"}
    assert "Too many requests" in over[0].text

    request_id = over[0].headers["X-Request-ID"]
    wait_until(lambda: stack.log_has(request_id), what="the refusal is logged")
    line = next(row for row in stack.log().splitlines() if request_id in row)
    assert json.loads(line)["verdict_seconds"] in {"", "-"}


def test_a_program_over_its_share_gets_problem_json(stack: Stack) -> None:
    flooder = fresh_client()

    def forge(number: int) -> requests.Response:
        return stack.ask(
            f"{stack.url}/s/forged{number}/x",
            client=flooder,
            headers={"Accept": "application/json"},
        )

    with ThreadPoolExecutor(3 * CONNECTIONS) as pool:
        answers = list(pool.map(forge, range(3 * CONNECTIONS)))
    problem = next(answer for answer in answers if answer.status_code == 429)
    assert problem.headers["Content-Type"] == "application/problem+json"
    assert problem.json()["status"] == 429
    assert problem.json()["request_id"] == problem.headers["X-Request-ID"]


def test_the_addresses_of_one_ipv6_network_are_one_client(stack: Stack) -> None:
    network = fresh_client().removesuffix("1")

    def forge(number: int) -> int:
        answer = stack.ask(
            f"{stack.url}/s/forged{number}/x", client=f"{network}{number + 1:x}"
        )
        return answer.status_code

    with ThreadPoolExecutor(3 * CONNECTIONS) as pool:
        statuses = set(pool.map(forge, range(3 * CONNECTIONS)))
    assert 429 in statuses
