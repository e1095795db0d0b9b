"""Files change and configurations reload while requests run."""

from __future__ import annotations

import hashlib
import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from tests.live.stack import fresh_client, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.live.stack import Stack


def while_running(action: Callable[[], object], load: Callable[[], object]) -> None:
    """Repeat *action* in a thread, and *load* until it is true, 150 times or more.

    nginx keeps a file open for a second: so many requests may all see one state.
    """
    stop = threading.Event()

    def repeat() -> None:
        while not stop.is_set():
            action()

    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(repeat)
        try:
            for _ in range(150):
                load()
            wait_until(load, seconds=60, what="every state is seen")
        finally:
            stop.set()
        running.result()


def test_a_file_replaced_meanwhile_comes_whole_old_or_whole_new(stack: Stack) -> None:
    versions = [bytes([65 + n]) * (200_000 + n * 100_000) for n in range(2)]
    known = {hashlib.sha256(version).digest() for version in versions}
    numbers = iter(range(1 << 30))
    url = stack.sign("c/replaced.bin")
    seen = set()

    def replace() -> None:
        stack.put("c/replaced.bin", versions[next(numbers) % 2])

    def load() -> bool:
        answer = stack.send(url)
        assert answer.status_code == 200
        assert len(answer.content) == int(answer.headers["Content-Length"])
        seen.add(hashlib.sha256(answer.content).digest())
        assert seen <= known
        return seen == known

    replace()
    while_running(replace, load)


@pytest.mark.database
def test_a_file_deleted_meanwhile_is_whole_or_not_there(stack: Stack) -> None:
    url = stack.sign("c/flickering.txt")
    seen = set()

    def last() -> None:
        # Long enough, often, for the verdict and for nginx to see the same.
        time.sleep(random.random() / 100)  # noqa: S311 -- no secret

    def flicker() -> None:
        file = stack.put("c/flickering.txt", b"whole\n")
        last()
        file.unlink()
        last()

    def load() -> bool:
        answer = stack.send(url)
        seen.add(answer.status_code)
        assert seen <= {200, 404}
        assert answer.status_code == 404 or answer.content == b"whole\n"
        return seen == {200, 404}

    while_running(flicker, load)


#: Whose workers a reload replaces, and how many of them there are at least.
RELOADED = {"gunicorn": 3 + 2, "nginx: worker": 1}


@pytest.mark.docker
@pytest.mark.database
def test_a_reload_under_load_fails_no_request_of_either_pool(stack: Stack) -> None:
    stack.put("c/steady.txt", b"steady\n")
    stack.put("c/long.bin", bytes(400_000))
    url = stack.sign("c/steady.txt")
    long_url = stack.sign("c/long.bin", rate=100_000)
    before = set(stack.processes("gunicorn"))
    stop = threading.Event()

    def ask_on(url: str) -> list[int]:
        statuses = []
        while not stop.is_set():
            statuses.append(stack.send(url).status_code)
        return statuses

    with ThreadPoolExecutor(5) as pool:
        asked = [url, f"{stack.url}/login"] * 2
        askers = [pool.submit(ask_on, each) for each in asked]
        download = pool.submit(stack.send, long_url)
        try:
            for _ in range(3):
                workers = [set(stack.processes(name)) for name in RELOADED]
                stack.reload()
                wait_until(
                    lambda old=workers: all(  # type: ignore[misc]
                        len(set(stack.processes(name)) - before) >= count
                        for (name, count), before in zip(
                            RELOADED.items(), old, strict=True
                        )
                    ),
                    what="new workers of both run",
                )
        finally:
            stop.set()
        statuses = [status for asker in askers for status in asker.result()]
        assert len(download.result().content) == 400_000
    assert set(statuses) == {200}
    assert set(stack.processes("gunicorn")) - before


@pytest.mark.docker
def test_a_reload_by_command_is_done_where_the_gateway_runs(stack: Stack) -> None:
    before = stack.log().count("gateway: reloaded")
    stack.gateway("reload")
    wait_until(
        lambda: stack.log().count("gateway: reloaded") == before + 1,
        what="the log says so, too",
    )


@pytest.mark.docker
@pytest.mark.database
def test_the_access_log_names_the_reason_but_no_token(stack: Stack) -> None:
    missing = stack.send(stack.sign("c/missing.txt"))
    request_id = missing.headers["X-Request-ID"]
    wait_until(lambda: stack.log_has(request_id), what="the refusal is logged")
    line = next(row for row in stack.log().splitlines() if request_id in row)
    assert '"reason":"not-servable:missing"' in line
    assert '"uri":"/s/[redacted]/c/missing.txt"' in line


@pytest.mark.parametrize(
    ("target", "host", "shown"),
    [
        pytest.param(b"/x\xff", b"localhost", {"uri": "[not-ascii]"}, id="path"),
        pytest.param(
            b"/s/t/\xff", b"localhost", {"uri": "[not-ascii]"}, id="a link's path"
        ),
        pytest.param(
            b"/s/\xff/x", b"localhost", {"uri": "[not-ascii]"}, id="a link's token"
        ),
        pytest.param(b"/x?\xff", b"localhost", {"uri": "/x"}, id="query"),
        pytest.param(b"/x", b"a\xffb", {"host": "[not-ascii]"}, id="host"),
        pytest.param(b"/x", b'a"\\b', {"host": 'a"\\b'}, id="quotes in the host"),
    ],
)
def test_whatever_is_asked_for_the_access_log_is_json(
    stack: Stack, target: bytes, host: bytes, shown: dict[str, str]
) -> None:
    marker = fresh_client()
    stack.raw(
        b"GET " + target + b" HTTP/1.1\r\nHost: " + host + b"\r\n"
        b"X-Forwarded-For: " + marker.encode() + b"\r\nConnection: close\r\n\r\n"
    )
    wait_until(lambda: stack.log_has(marker), what="the request is logged")
    [row] = [row for row in stack.logged() if row["client"] == marker]
    assert row | shown == row


@pytest.mark.docker
@pytest.mark.database
def test_no_log_holds_a_token_however_it_is_asked_for(stack: Stack) -> None:
    stack.put("c/steady.txt")
    target = stack.sign("c/steady.txt").removeprefix(stack.url)
    host = b"Host: localhost\r\nConnection: close\r\n"
    for line in (
        f"GET {target}/ HTTP/1.1",
        f"GET {target}%00 HTTP/1.1",
        f"GET {target.replace('/s/', '//s//')} HTTP/1.1",
        f"GET {target.replace('/s/', '/%73/')} HTTP/1.1",
        f"GET {target}?{'a' * 20_000} HTTP/1.1",
        f"GET {target} HTTP/9.1",
        f"GE\tT {target} HTTP/1.1",
        f"GET /c/%2e%2e{target} HTTP/1.1",
    ):
        stack.raw(line.encode() + b"\r\n" + host + b"\r\n")
        stack.raw(
            f"GET / HTTP/1.1\r\nReferer: {stack.url}{target}\r\n".encode()
            + host
            + b"\r\n"
        )
    last = stack.send(stack.url + "/last-of-all")
    request_id = last.headers["X-Request-ID"]
    wait_until(lambda: stack.log_has(request_id), what="the last request is logged")
    stack.assert_clean()
