"""What outsiders keep busy keeps no delivery waiting.

The workers of the app pool are stopped, so that each of their threads is as busy as it
can be; deliveries are over while every request to them still waits.
"""

from __future__ import annotations

import os
import select
import signal
import socket
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import pytest

from gateway.http.pools import Pool
from tests.live.stack import NativeStack, fresh_client
from tests.live.test_drops import Box
from tests.live.tus import Tus

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import requests

CONTENT = b"content of a file\n"
CLIENTS = 90


@contextmanager
def stopped(stack: NativeStack, pool: Pool) -> Iterator[None]:
    """Stop a pool's processes: all of its threads are busy."""
    pids = stack.pool(pool)
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


def head(stack: NativeStack, path: str, code: str) -> socket.socket:
    """Ask, as a client of its own, how far an upload is."""
    lines = (
        f"HEAD {path} HTTP/1.1",
        "Host: 127.0.0.1",
        f"X-Forwarded-For: {fresh_client()}",
        f"Authorization: Bearer {code}",
        "Tus-Resumable: 1.0.0",
        "Connection: close",
    )
    peer = socket.create_connection(("127.0.0.1", stack.port), 30)
    peer.sendall("\r\n".join([*lines, "", ""]).encode())
    return peer


def cold(stack: NativeStack, number: int) -> requests.Response:
    """Ask for a link that nobody has asked for."""
    return stack.send(stack.sign("i/cold.txt", name=f"{number}.txt"))


def hot(stack: NativeStack, _number: int) -> requests.Response:
    """Ask for a link whose verdict may be kept."""
    return stack.send(stack.sign("i/hot.txt"))


def forged(stack: NativeStack, _number: int) -> requests.Response:
    """Ask for what is refused."""
    return stack.send(f"{stack.url}/s/forged/x")


@pytest.mark.parametrize(
    ("ask", "status"),
    [
        pytest.param(cold, 200, id="uncached link"),
        pytest.param(hot, 200, id="kept verdict"),
        pytest.param(forged, 404, id="forged link"),
    ],
)
def test_deliveries_go_on_while_a_piece_stalls_and_90_clients_wait(
    native_stack: NativeStack,
    ask: Callable[[NativeStack, int], requests.Response],
    status: int,
) -> None:
    for name in ("i/cold.txt", "i/hot.txt"):
        native_stack.put(name, CONTENT)
    code = Box(native_stack).code
    path = Tus(native_stack, code).create(len(CONTENT))
    with ExitStack() as open_peers:
        stalled = Tus(native_stack, code).cut(path, CONTENT, 5, Upload_Offset="0")
        open_peers.enter_context(stalled)
        with stopped(native_stack, Pool.APP):
            peers = [head(native_stack, path, code) for _ in range(CLIENTS)]
            for peer in peers:
                open_peers.enter_context(peer)
            answers = [ask(native_stack, number) for number in range(20)]
            answered, _, _ = select.select([stalled, *peers], [], [], 0)
        told = [peer.recv(4096).split(b"\r\n")[0] for peer in peers]
    assert {answer.status_code for answer in answers} == {status}
    assert answered == []
    assert set(told) == {b"HTTP/1.1 200 OK"}


def test_an_upload_is_delivered_while_no_upload_can_end(
    native_stack: NativeStack,
) -> None:
    tus = Tus(native_stack, native_stack.new_token("upload", "read"))
    last = tus.patch(tus.create(len(CONTENT)), 0, CONTENT)
    with stopped(native_stack, Pool.APP):
        peer = head(native_stack, "/tus/" + "a" * 26, tus.token)
        content = tus.get(last)
        answered, _, _ = select.select([peer], [], [], 0)
    told = peer.recv(4096)
    peer.close()
    assert (content, answered) == (CONTENT, [])
    assert told.startswith(b"HTTP/1.1 404 ")
