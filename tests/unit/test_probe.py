"""Whether gunicorn is ready, as the container's health check asks it."""

from __future__ import annotations

import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from gateway.runtime.probe import answers, probe

if TYPE_CHECKING:
    from collections.abc import Iterator


class Answering:
    """A unix socket that gives one answer to everybody who asks."""

    def __init__(self, home: Path) -> None:
        self.path = str(home / "sock")
        self.answer = b"HTTP/1.0 200 OK\r\n\r\n"
        self.requests: list[bytes] = []
        self.server = socket.socket(socket.AF_UNIX)
        self.server.bind(self.path)
        self.server.listen()
        self.thread = threading.Thread(target=self._serve)
        self.thread.start()

    def _serve(self) -> None:
        while True:
            peer, _ = self.server.accept()
            with peer:
                request = peer.recv(4096)
                if not request:
                    return
                self.requests.append(request)
                peer.sendall(self.answer)

    def close(self) -> None:
        """End the thread by a connection that asks for nothing."""
        with socket.socket(socket.AF_UNIX) as last:
            last.connect(self.path)
        self.thread.join(10)
        self.server.close()


@pytest.fixture
def answering() -> Iterator[Answering]:
    """Listen in a folder whose path is short enough for a socket."""
    with tempfile.TemporaryDirectory(prefix="gw-") as home:
        here = Answering(Path(home))
        yield here
        here.close()


def test_an_answer_of_200_is_ready(answering: Answering) -> None:
    """Readiness is asked for, not mere life, and the answer is None."""
    assert probe(answering.path) is None
    assert answering.requests == [b"GET /readyz HTTP/1.0\r\nHost: localhost\r\n\r\n"]


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        pytest.param(b"HTTP/1.0 503 Busy\r\n\r\n", b"HTTP/1.0 503 Busy\r\n", id="503"),
        pytest.param(
            b"HTTP/1.0 404 No\r\n\r\n 200 ",
            b"HTTP/1.0 404 No\r\n",
            id="200-in-the-body",
        ),
        pytest.param(b"", b"", id="nothing"),
        pytest.param(b"rubbish", b"rubbish", id="rubbish"),
        pytest.param(b"2" * 5000, b"2" * 1024, id="endless"),
    ],
)
def test_any_other_answer_is_told(
    answering: Answering, answer: bytes, told: bytes
) -> None:
    """The reason names the socket and what was said there."""
    answering.answer = answer
    assert probe(answering.path) == f"{answering.path}: {told!r}"


@pytest.mark.parametrize(
    ("answer", "is_one"),
    [
        pytest.param(b"HTTP/1.0 200 OK\r\n\r\n", True, id="200"),
        pytest.param(b"HTTP/1.0 404 No\r\n\r\n", True, id="404"),
        pytest.param(b"HTTP/1.0 503 Busy\r\n\r\n", True, id="503"),
        pytest.param(b"", False, id="nothing"),
    ],
)
def test_a_pool_answers_that_says_anything(
    answering: Answering, answer: bytes, *, is_one: bool
) -> None:
    """Ready or not; what needs no database is asked."""
    answering.answer = answer
    assert answers(answering.path) is is_one
    assert answering.requests == [b"GET /healthz HTTP/1.0\r\nHost: localhost\r\n\r\n"]


def test_a_socket_that_is_not_there_is_told(tmp_path: Path) -> None:
    """Before gunicorn listens there is a reason and no traceback."""
    reason = probe(str(tmp_path / "sock"))
    assert not answers(str(tmp_path / "sock"))
    assert reason is not None
    assert "No such file or directory" in reason


def test_a_socket_that_nobody_answers_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that hangs is a failure in a bounded time, not a wait."""
    monkeypatch.setattr("gateway.runtime.probe._SECONDS", 0.2)
    with (
        tempfile.TemporaryDirectory(prefix="gw-") as home,
        socket.socket(socket.AF_UNIX) as silent,
    ):
        silent.bind(f"{home}/sock")
        silent.listen()
        reason = probe(f"{home}/sock")
    assert reason is not None
    assert "timed out" in reason


def test_the_command_is_status_0_when_ready(answering: Answering) -> None:
    """It says nothing when all is well."""
    done = command(answering.path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_command_is_status_1_with_the_reason_when_not(tmp_path: Path) -> None:
    """The reason is one line on stderr, which the engine keeps."""
    failed = command(str(tmp_path / "sock"))
    assert (failed.returncode, failed.stdout) == (1, "")
    assert failed.stderr.count("\n") == 1
    assert "No such file or directory" in failed.stderr


def test_the_command_asks_for_another_url(answering: Answering) -> None:
    """Liveness is asked at another socket, and does not depend on a database."""
    assert command(answering.path, "/healthz").returncode == 0
    assert answering.requests == [b"GET /healthz HTTP/1.0\r\nHost: localhost\r\n\r\n"]


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "gateway.runtime.probe", *arguments],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
