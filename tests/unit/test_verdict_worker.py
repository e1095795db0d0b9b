"""The worker of the verdicts' pool answers, closes, and waits for nobody."""

from __future__ import annotations

import os
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from gunicorn.config import Config
from werkzeug.wsgi import ClosingIterator

from gateway.runtime.gunicorn_logger import RedactingLogger
from gateway.runtime.verdict_worker import VerdictWorker
from tests.live.stack import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

REQUEST = b"GET /s/x HTTP/1.1\r\nHost: localhost\r\n\r\n"


def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """Answer 1000 bytes, or break as the path says."""
    if environ["PATH_INFO"] == "/breaks":
        raise RuntimeError
    start_response("200 OK", [("Content-Length", "1000")])
    return [b"x" * 1000]


@dataclass
class Connection:
    """A worker, its side of a connection, and nginx's."""

    worker: VerdictWorker
    listener: socket.socket
    nginx: socket.socket

    def handle(self) -> float:
        """Let the worker handle the connection; return the seconds that it takes."""
        began = time.monotonic()
        self.worker.accept(self.listener)
        return time.monotonic() - began

    def read(self) -> bytes:
        """Return all that nginx is told until the worker has closed."""
        answer = b""
        while chunk := self.nginx.recv(1 << 16):
            answer += chunk
        return answer


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[Connection]:
    config = Config()
    config.set("accesslog", None)
    config.set("worker_tmp_dir", str(tmp_path))
    worker = VerdictWorker(
        1, os.getpid(), [], None, 30, config, RedactingLogger(config)
    )
    worker.wsgi = application
    listener, nginx = socket.socket(socket.AF_UNIX), socket.socket(socket.AF_UNIX)
    nginx.settimeout(10)
    with listener, nginx:
        listener.bind(str(tmp_path / "sock"))
        listener.listen()
        nginx.connect(str(tmp_path / "sock"))
        yield Connection(worker, listener, nginx)
    worker.tmp.close()


def test_it_closes_when_it_has_answered(connection: Connection) -> None:
    """The sync worker would wait for nginx to close, 2 seconds if it must."""
    connection.nginx.sendall(REQUEST)
    assert connection.handle() < 1
    answer = connection.read()
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert answer.endswith(b"x" * 1000)


def test_no_header_is_sent_that_nginx_would_read_for_nothing(
    connection: Connection,
) -> None:
    head, _ = answer_to(connection, REQUEST)
    assert head == b"HTTP/1.1 200 OK\r\nContent-Length: 1000"


def test_a_body_of_unknown_length_is_framed(connection: Connection) -> None:
    connection.worker.wsgi = lambda _, start: (start("200 OK", []), [b"ab", b"c"])[1]
    connection.nginx.sendall(REQUEST)
    connection.handle()
    assert connection.read().endswith(
        b"\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
    )


def test_a_body_that_fails_half_way_is_a_whole_error(connection: Connection) -> None:
    def parts() -> Iterator[bytes]:
        yield b"x"
        raise RuntimeError

    connection.worker.wsgi = lambda _, start: (start("200 OK", []), parts())[1]
    head, _ = answer_to(connection, REQUEST)
    assert head.startswith(b"HTTP/1.1 500 ")


def test_an_answer_is_closed_when_it_is_sent(connection: Connection) -> None:
    """Flask ends its request there, and gives its connections back."""
    ended = []
    answer = ClosingIterator([b"x"], [lambda: ended.append(True)])
    connection.worker.wsgi = lambda _, start: (start("200 OK", []), answer)[1]
    connection.nginx.sendall(REQUEST)
    connection.handle()
    assert ended == [True]


def answer_to(connection: Connection, request: bytes) -> tuple[bytes, bytes]:
    """Return the head and the body of the answer, which says how long it is."""
    connection.nginx.sendall(request)
    connection.nginx.shutdown(socket.SHUT_WR)
    connection.handle()
    head, _, body = connection.read().partition(b"\r\n\r\n")
    assert f"Content-Length: {len(body)}".encode() in head
    return head, body


def test_what_fails_is_answered_whole(
    connection: Connection, caplog: pytest.LogCaptureFixture
) -> None:
    head, _ = answer_to(connection, REQUEST.replace(b"/s/x", b"/breaks"))
    assert head.startswith(b"HTTP/1.1 500 ")
    assert caplog.records


@pytest.mark.parametrize(
    "request_",
    [
        # Also where something is left unread, which could cut the answer off.
        pytest.param(b"rubbish\r\n\r\n" + b"x" * 20_000, id="no request"),
        pytest.param(REQUEST.replace(b"GET", b"get"), id="method"),
        pytest.param(REQUEST.replace(b"/s/x", b"/s/\xe4"), id="target"),
        pytest.param(REQUEST.replace(b"1.1", b"9.9"), id="version"),
        pytest.param(REQUEST.replace(b"Host", b"Ho st"), id="name of a header"),
        pytest.param(REQUEST.replace(b"localhost", b"a\x01"), id="control character"),
        pytest.param(
            REQUEST.replace(b"\r\n", b"\r\nX: " + b"x" * 20_000 + b"\r\n", 1),
            id="long header",
        ),
        pytest.param(
            REQUEST.replace(b"\r\n", b"\r\nX: y" * 2000 + b"\r\n", 1), id="many headers"
        ),
        pytest.param(
            REQUEST.replace(b"\r\n", b"\r\nTransfer-Encoding: foo\r\n", 1),
            id="encoding",
        ),
        pytest.param(
            REQUEST.replace(b"\r\n", b"\r\nExpect: much\r\n", 1), id="expectation"
        ),
    ],
)
def test_what_can_not_be_read_is_answered_by_nginx(
    connection: Connection, caplog: pytest.LogCaptureFixture, request_: bytes
) -> None:
    """Nothing of the request is quoted or logged, and nginx has the words."""
    head, body = answer_to(connection, request_)
    assert head.startswith(b"HTTP/1.1 403 ")
    assert b"\r\nX-Accel-Redirect: /_unfit\r\n" in head
    assert b"\r\nX-Refusal-Headers: unfit\r\n" in head
    assert body == b""
    assert not caplog.records


def test_a_header_that_the_application_made_up_is_a_fault(
    connection: Connection, caplog: pytest.LogCaptureFixture
) -> None:
    """The client's request was good, and the operator has to hear of it."""
    connection.worker.wsgi = lambda _, start: start("200 OK", [("X", "a\nb")])
    head, _ = answer_to(connection, REQUEST)
    assert head.startswith(b"HTTP/1.1 500 ")
    assert caplog.records


@pytest.mark.parametrize(
    "sent", [pytest.param(b"", id="nothing"), pytest.param(REQUEST, id="its request")]
)
def test_nginx_that_has_gone_is_no_fault(
    connection: Connection, caplog: pytest.LogCaptureFixture, sent: bytes
) -> None:
    connection.nginx.sendall(sent)
    connection.nginx.close()
    connection.handle()
    assert not caplog.records


def test_whether_it_lives_is_told_while_it_waits(
    connection: Connection, tmp_path: Path
) -> None:
    """A second socket has a thread of its own; the first one's request hangs."""
    worker, begun, release = connection.worker, threading.Event(), threading.Event()

    def hang(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if environ["PATH_INFO"] == "/s/x":
            begun.set()
            assert release.wait(10)
        return application(environ, start_response)

    def run() -> None:
        worker.run()

    worker.wsgi = hang
    worker.ppid = os.getppid()
    worker.PIPE = os.pipe()
    worker.timeout = 0.1
    with (
        socket.socket(socket.AF_UNIX) as health,
        socket.socket(socket.AF_UNIX) as asking,
        ThreadPoolExecutor(1) as pool,
        ExitStack() as at_end,
    ):
        at_end.callback(release.set)
        at_end.callback(setattr, worker, "alive", False)  # noqa: FBT003
        health.bind(str(tmp_path / "health"))
        health.listen()
        health.settimeout(0)
        worker.sockets = [connection.listener, health]
        worker.wait_fds = [*worker.sockets, worker.PIPE[0]]
        connection.nginx.sendall(REQUEST)
        running = pool.submit(run)
        assert begun.wait(10)
        asking.settimeout(5)
        asking.connect(str(tmp_path / "health"))
        asking.sendall(REQUEST.replace(b"/s/x", b"/healthz"))
        told = asking.recv(1 << 16)
        at_end.close()
        waited = connection.read()
        running.result(10)
        # Its socket is closed next.
        wait_until(
            lambda: not any("_answer" in one.name for one in threading.enumerate()),
            what="its thread has ended",
        )
    for end in worker.PIPE:
        os.close(end)
    assert told.startswith(b"HTTP/1.1 200 OK\r\n")
    assert waited.startswith(b"HTTP/1.1 200 OK\r\n")


def test_the_heartbeat_is_written_once_a_second(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, beats = [100.0], []
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    monkeypatch.setattr(connection.worker.tmp, "notify", lambda: beats.append(now[0]))
    for now[0] in (100.0, 100.5, 100.9, 101.0, 101.9, 102.5):
        connection.worker.notify()
    assert beats == [100.0, 101.0, 102.5]
