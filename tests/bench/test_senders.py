"""Uploads beside which visitors are measured are uploads, or the benchmark ends."""

from __future__ import annotations

import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest

from bench.senders import FILE, Kind, sending

if TYPE_CHECKING:
    from collections.abc import Iterator


class Site(ThreadingHTTPServer):
    """Answers each method with its status, and counts what it was asked."""

    def __init__(self, statuses: dict[str, int]) -> None:
        self.statuses = statuses
        self.asked: list[str] = []
        self.enough = threading.Event()
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Site

    def _answer(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(self.server.statuses[self.command])
        self.send_header("Location", "/tus/a")
        self.send_header("Content-Length", "0")
        self.end_headers()
        self.server.asked.append(self.command)
        if self.server.asked.count(self.command) > 2:
            self.server.enough.set()

    do_PUT = do_POST = do_HEAD = do_PATCH = _answer  # noqa: N815 -- the library's names

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def site(request: pytest.FixtureRequest) -> Iterator[Site]:
    with Site(request.param) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield running
        running.shutdown()
        thread.join(10)


GOOD = {"PUT": 201, "POST": 201, "HEAD": 200, "PATCH": 204}


@pytest.mark.parametrize("site", [pytest.param(GOOD, id="good")], indirect=True)
@pytest.mark.parametrize("kind", Kind)
def test_what_was_done_is_told(site: Site, kind: Kind) -> None:
    with sending(kind, site.url, "token", 2) as sent:
        assert site.enough.wait(60)
    # The last answers may not have been read.
    assert sent.bytes <= site.asked.count("PUT") * FILE
    assert sent.offsets <= site.asked.count("HEAD")
    assert sent.bytes or sent.offsets


@pytest.mark.parametrize(
    "site", [pytest.param({"PUT": 401, "POST": 401}, id="refused")], indirect=True
)
@pytest.mark.parametrize("kind", Kind)
def test_a_client_that_is_refused_ends_all(site: Site, kind: Kind) -> None:
    command = [sys.executable, "-m", "bench.senders", kind, site.url, "token", "3"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as clients:
        assert clients.wait(60) == 1
        assert clients.stdout is not None
        assert "401" in clients.stdout.read()


def test_clients_that_fail_end_the_benchmark(monkeypatch: pytest.MonkeyPatch) -> None:
    def send() -> None:
        with sending(Kind.FAST, "http://127.0.0.1:1", "token", 1):
            pass

    monkeypatch.setattr(sys, "executable", "false")
    with pytest.raises(SystemExit, match="fast uploads: "):
        send()
