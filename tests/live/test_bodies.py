"""No location reads a body that it has no use for: the answer comes before its end."""

from __future__ import annotations

import re
import socket
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest
import requests

from gateway.http import families
from tests.live.stack import wait_until
from tests.live.test_nginx import NOT_FOUND, Nginx, cacheable

if TYPE_CHECKING:
    from collections.abc import Iterator

MIB: Final = 1 << 20
METHODS: Final = ("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "MKCOL")
#: What Flask says to an upload that it does not admit, or of a link that it refuses.
REFUSED: Final = (
    b"HTTP/1.0 403 Forbidden\r\nX-Refusal-Status: 413\r\nX-Refusal-Body: x\r\n"
    b"X-Refusal-Headers: text/html\r\n\r\n"
)
#: Each place and what lies below it, and each way to what nginx alone asks for, to
#: what it does not find, and to what it refuses by itself.
TARGETS: Final = (
    *families.places(),
    *(f"{place}x" for place in families.places()),
    *("/_admit", "/_cut", "/_verdict", "/_unfit", "/_pages/error.html", "/_pages/x"),
    *("/_files/x", "/_blobs/x", "/_large_files/x", "/_large_blobs/x"),
    *("/_shown_files/x", "/_shown_blobs/x", "/_small_files/x", "/_small_blobs/x"),
    *("/%5Fadmit", "/_%63ut", "/a/../_cut", "/_files/../x", "/s/%2e%2e/x", "/\u00e4"),
    *("/static/x", "/static/style.css", "/static/", "/metrics/nginx", "/x/y"),
    *("/s/t/x.txt", cacheable("x.txt"), cacheable("x.txt?\u00e4")),
)
#: How a body is announced, and how it begins.
BODIES: Final = {
    "1 MiB": (f"Content-Length: {MIB}", b"x" * 200_000),
    "100 MiB": (f"Content-Length: {100 * MIB}", b"x" * 200_000),
    "1 PB": ("Content-Length: 1000000000000000", b"x" * 200_000),
    "without a length": ("Transfer-Encoding: chunked", b"30d40\r\n" + b"x" * 200_000),
    "many chunks": (
        "Transfer-Encoding: chunked",
        b"3e8\r\n%b\r\n" % (b"x" * 1000) * 99,
    ),
}


@pytest.fixture(scope="module", params=["1", "0"], ids=["kept", "asked"])
def nginx(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Nginx]:
    home: Path = tmp_path_factory.mktemp("nginx")
    (home / "data/store/spool").mkdir(parents=True)
    with Nginx(
        home,
        GATEWAY_VERDICT_TTL=request.param,
        GATEWAY_CLIENT_REQUESTS="100000",
        GATEWAY_CLIENT_CONNECTIONS="10000",
        # What binds is the admission.
        GATEWAY_UPLOAD_SIZE="0",
    ) as running:
        fake = running.fake_gunicorn()
        asides = (b" /_admit ", b" /s/k1")
        fake.script = lambda line: (
            REFUSED if any(part in line for part in asides) else NOT_FOUND
        )
        yield running


def answers_to_halves(nginx: Nginx, method: str, body: str) -> dict[str, bytes]:
    """Send each target a body that goes on for ever; return the heads of the answers.

    All at once: nginx hands the beginning of such an answer to a kernel that keeps it
    for 0.2 s (``tcp_nopush``).
    """
    announced, start = BODIES[body]
    with ExitStack() as opened:
        peers = {}
        for target in TARGETS:
            connected = socket.create_connection(("127.0.0.1", nginx.port), 10)
            peers[target] = opened.enter_context(connected)
            head = f"{method} {target} HTTP/1.1\r\nHost: localhost\r\n{announced}\r\n"
            connected.sendall(f"{head}\r\n".encode() + start)
        return {target: head_of(peer) for target, peer in peers.items()}


def head_of(peer: socket.socket) -> bytes:
    """Return the head of the answer that comes."""
    answer = b""
    while b"\r\n\r\n" not in answer and (chunk := peer.recv(65_536)):
        answer += chunk
    return answer.partition(b"\r\n\r\n")[0]


def bodies_kept(nginx: Nginx) -> int:
    """Return how many files nginx holds open for bodies, deleted ones too."""
    folders = (nginx.home / "nginx/client_body", nginx.home / "data/store/spool")
    held = [name for worker in nginx.workers() for name in open_files(worker)]
    return sum(name.startswith(str(folder)) for name in held for folder in folders)


def open_files(pid: int) -> Iterator[str]:
    """Yield the names of what a process has open."""
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed meanwhile
            yield str(link.readlink())


@pytest.mark.parametrize("body", BODIES, ids=str)
@pytest.mark.parametrize("method", METHODS, ids=str)
def test_a_body_that_is_of_no_use_is_refused_unread(
    nginx: Nginx, method: str, body: str
) -> None:
    """Nginx discards what comes after the answer, and keeps none of it."""
    answers = answers_to_halves(nginx, method, body)
    statuses = {t: int(head[9:12] or b"0") for t, head in answers.items()}
    assert {t: s for t, s in statuses.items() if not 200 <= s < 500} == {}
    assert bodies_kept(nginx) == 0


@pytest.mark.parametrize(
    "target", ["/static/style.css", "/metrics/nginx", "/_files/x"], ids=str
)
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"], ids=str)
def test_what_nginx_answers_by_itself_has_the_gateway_s_page(
    nginx: Nginx, method: str, target: str
) -> None:
    answer = nginx.send(f"{method} {target} HTTP/1.1")
    request_id = re.search(r"X-Request-ID: (\S+)", answer)
    assert request_id is not None
    assert request_id[1] in answer.partition("\r\n\r\n")[2]
    assert answer.split(" ")[1] in {"404", "405"}


@pytest.mark.parametrize("target", ["/healthz", "/readyz", "/metrics", "/"], ids=str)
def test_a_small_body_that_is_of_no_use_makes_no_file(
    nginx: Nginx, target: str
) -> None:
    """Nginx would log a warning for each."""
    head = f"GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
    nginx.send_raw(head.encode() + b"Content-Length: 60000\r\n\r\n" + b"x" * 60_000)
    assert "buffered to a temporary file" not in nginx.log()


def test_without_gunicorn_an_upload_is_told_of_once(tmp_path: Path) -> None:
    """Nobody is there to be told, and the page for that must not begin it again."""
    with Nginx(tmp_path) as nginx:
        answer = requests.put(f"{nginx.url}/api/v1/files/a", data=b"x", timeout=20)
        wait_until(lambda: '"status":503' in nginx.log(), what="the end is logged")
    assert answer.status_code == 503
    assert "redirection cycle" not in nginx.log()
