"""Kills at one step of an upload to a bucket: of the gateway, and of the server.

The connections to the server lead through a proxy, which holds them at that step.
"""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
import requests

from tests.live.stack import PRESIGNED, wait_until
from tests.live.tcp_proxy import STEP, TCPProxy
from tests.live.test_bucket_uploads import (
    BUSY,
    CONTENT,
    WAYS,
    Uploads,
    get,
    problem,
    put,
)
from tests.live.tus import Tus

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator

    from tests.live.seaweedfs import SeaweedFS

#: Three parts of an object.
LARGE = os.urandom(17 * 2**20)


class Held(TCPProxy):
    """Passes a request on as far as its text *hold* and some KiB, then nothing."""

    def __init__(self, server: SeaweedFS) -> None:
        super().__init__(("127.0.0.1", server.port))
        self._text = b""
        self.is_held = threading.Event()
        self._may_go_on = threading.Event()

    def hold(self, text: bytes) -> None:
        """Hold the next connection on which a request has *text*."""
        self.is_held.clear()
        self._may_go_on.clear()
        self._text = text

    def release(self) -> None:
        self._text = b""
        self._may_go_on.set()

    def __exit__(self, *_: object) -> None:
        self.release()
        super().__exit__()

    def send(self, client: socket.socket, server: socket.socket) -> None:
        while chunk := client.recv(STEP):
            server.sendall(chunk)
            if self._text and self._text in chunk:
                self._text = b""
                self.is_held.set()
                self._may_go_on.wait()


class Sending(threading.Thread):
    """Sends a request; ``answer`` is None if the connection was cut."""

    def __init__(self, send: Callable[[], requests.Response]) -> None:
        super().__init__(daemon=True)
        self._send = send
        self.answer: requests.Response | None = None

    def run(self) -> None:
        with suppress(requests.RequestException):
            self.answer = self._send()

    @property
    def is_acknowledged(self) -> bool:
        return self.answer is not None and self.answer.ok


@pytest.fixture(scope="module")
def link(seaweedfs: SeaweedFS) -> Iterator[Held]:
    with Held(seaweedfs) as link:
        yield link


@pytest.fixture(scope="module")
def stack(seaweedfs: SeaweedFS, link: Held) -> Iterator[Uploads]:
    running = Uploads(seaweedfs, GATEWAY_BUCKET_ENDPOINT=link.url)
    running.start()
    try:
        yield running
    finally:
        running.stop()


@pytest.fixture(scope="module")
def token(stack: Uploads) -> str:
    return stack.new_token("upload", "read")


def killed(stack: Uploads, name: str) -> None:
    """Kill everything, or nginx or gunicorn alone: the others end with it."""
    if name == "everything":
        stack.kill()
    else:
        stack.kill_processes(name)


def started_again(stack: Uploads) -> None:
    wait_until(lambda: stack.process.poll() is not None, seconds=30, what="all ended")
    log = stack.log()
    assert "Traceback" not in log
    assert PRESIGNED.search(log) is None
    stack.start()


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("everything", marks=pytest.mark.extra),
        pytest.param("nginx", marks=pytest.mark.extra),
        "gunicorn",
    ],
)
def test_a_kill_while_nginx_sends_the_body_leaves_an_orphan_at_most(
    stack: Uploads, token: str, link: Held, name: str
) -> None:
    before = stack.listed(), stack.objects()
    sending = Sending(lambda: put(stack, token, "killed.bin"))
    link.hold(b"PUT ")
    sending.start()
    assert link.is_held.wait(30)
    killed(stack, name)
    link.release()
    sending.join()
    started_again(stack)
    assert not sending.is_acknowledged
    assert stack.listed() == before[0]
    stack.gateway("housekeep", "--grace", "0")
    assert stack.objects() == before[1]
    assert get(stack, token, put(stack, token, "again.bin").json()) == CONTENT


@pytest.mark.parametrize(
    "name",
    ["everything", pytest.param("gunicorn", marks=pytest.mark.extra)],
)
def test_a_kill_between_the_parts_of_an_object_loses_nothing(
    stack: Uploads, token: str, link: Held, name: str
) -> None:
    before = stack.objects()
    client = Tus(stack, token)
    path = client.create(len(LARGE))
    sending = Sending(lambda: client.patch(path, 0, LARGE))
    link.hold(b"partNumber=2&")
    sending.start()
    assert link.is_held.wait(30)
    killed(stack, name)
    link.release()
    sending.join()
    assert not sending.is_acknowledged
    started_again(stack)
    # The bytes are on disk, and the object is sent again as a whole.
    assert client.offset(path) == len(LARGE)
    assert client.get(client.patch(path, len(LARGE), b"")) == LARGE
    stack.gateway("housekeep", "--grace", "0")
    [added] = {*stack.objects().items()} - {*before.items()}
    assert added[1] == len(LARGE)


@pytest.mark.extra
def test_an_upload_by_nginx_outlives_no_kill_of_the_server(
    stack: Uploads, token: str, link: Held, seaweedfs: SeaweedFS
) -> None:
    before = stack.listed(), stack.objects()
    sending = Sending(lambda: put(stack, token, "killed.bin"))
    link.hold(b"PUT ")
    sending.start()
    assert link.is_held.wait(30)
    with seaweedfs.away():
        link.release()
        sending.join()
    assert sending.answer is not None
    assert problem(sending.answer) == BUSY
    assert (stack.listed(), stack.objects()) == before
    assert get(stack, token, put(stack, token, "again.bin").json()) == CONTENT


@pytest.mark.extra
def test_a_resumable_upload_outlives_a_kill_of_the_server(
    stack: Uploads, token: str, link: Held, seaweedfs: SeaweedFS
) -> None:
    client = Tus(stack, token)
    path = client.create(len(LARGE))
    sending = Sending(lambda: client.patch(path, 0, LARGE))
    link.hold(b"partNumber=2&")
    sending.start()
    assert link.is_held.wait(30)
    with seaweedfs.away():
        link.release()
        sending.join()
    assert not sending.is_acknowledged
    assert client.get(client.patch(path, len(LARGE), b"")) == LARGE


@pytest.mark.parametrize(
    "way",
    [WAYS[0], *(pytest.param(way, marks=pytest.mark.extra) for way in WAYS[1:])],
)
def test_what_was_acknowledged_before_a_kill_is_there(
    stack: Uploads, token: str, way: Callable[[Uploads, str, bytes], dict[str, Any]]
) -> None:
    content = os.urandom(100_000)
    made = way(stack, token, content)
    stack.kill()
    started_again(stack)
    assert get(stack, token, made) == content
