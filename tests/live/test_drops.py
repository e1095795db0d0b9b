"""Drop links through nginx: three ways in, and every limit on each."""

from __future__ import annotations

import base64
import os
import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from gateway.uploads.drop_budgets import MAXIMUM_RUNNING
from tests.live.stack import wait_until
from tests.live.tus import CHUNK_TYPE, Tus

if TYPE_CHECKING:
    from collections.abc import Callable

    import requests

    from tests.live.stack import Stack

CONTENT = os.urandom(300_000)
PASSWORD = "a long password"


class Box:
    """A drop link of somebody new, and what its maker sees."""

    def __init__(self, stack: Stack, *options: str) -> None:
        self.stack = stack
        self.maker = f"u{os.urandom(4).hex()}"
        stack.gateway("users", "add", self.maker, "--password", PASSWORD)
        end = () if "--expires" in options else ("--no-expiry",)
        made = stack.gateway("drops", "new", self.maker, *end, *options)
        self.url = made.strip()
        self.code = self.url.rpartition("/")[2]
        stack.tokens.add(self.code)
        self.token = stack.new_token("read", "share", user=self.maker)

    @property
    def id(self) -> str:
        listed = self.ask("/api/v1/drops").json()["drops"]
        (found,) = [drop["id"] for drop in listed if drop["url"] == self.url]
        return str(found)

    def put(self, name: str = "a.bin", content: object = CONTENT) -> requests.Response:
        return self.stack.ask(
            f"{self.stack.url}/api/v1/files/{name}",
            "PUT",
            data=content,
            headers={"Authorization": f"Bearer {self.code}"},
        )

    def send(self, *files: tuple[str, bytes]) -> requests.Response:
        """Send the page's form."""
        fields = [("code", (None, self.code)), *(("file", file) for file in files)]
        return self.stack.ask(self.url, "POST", files=fields)

    def by_tus(self, name: str = "a.bin", content: bytes = CONTENT) -> int:
        """Send by tus in one request."""
        encoded = base64.b64encode(name.encode()).decode()
        return (
            Tus(self.stack, self.code)
            .ask(
                "POST",
                data=content,
                Content_Type=CHUNK_TYPE,
                Upload_Length=str(len(content)),
                Upload_Metadata=f"filename {encoded}",
            )
            .status_code
        )

    def ask(self, path: str, method: str = "GET") -> requests.Response:
        """Ask as the maker."""
        return self.stack.ask(
            self.stack.url + path,
            method,
            headers={"Authorization": f"Bearer {self.token}"},
        )

    def came(self) -> dict[str, bytes]:
        """Return what came by the link, by its name."""
        listing: Any = self.ask(f"/api/v1/files?drop={self.id}").json()
        return {
            upload["name"]: self.ask(upload["url"]).content
            for upload in listing["files"]
        }

    def revoke(self) -> None:
        assert self.ask(f"/api/v1/drops/{self.id}", "DELETE").status_code == 204


@pytest.fixture
def make_box(stack: Stack) -> Callable[..., Box]:
    def make(*options: str) -> Box:
        return Box(stack, *options)

    return make


@pytest.mark.database
@pytest.mark.docker
def test_what_is_sent_in_three_ways_reaches_the_maker_whole(
    make_box: Callable[..., Box],
) -> None:
    box = make_box("--title", "Photos")
    put = box.put("put.bin")
    sent = box.send(("form.bin", CONTENT), ("second.bin", b"x"))
    patched = box.by_tus("tus.bin")
    assert (put.status_code, sent.status_code, patched) == (201, 303, 201)
    assert sent.headers["Location"] == f"/u/{box.code}?stored=2"
    assert box.came() == {
        "put.bin": CONTENT,
        "form.bin": CONTENT,
        "second.bin": b"x",
        "tus.bin": CONTENT,
    }


def test_the_page_is_stored_nowhere_indexed_nowhere_and_told_to_nobody(
    make_box: Callable[..., Box],
) -> None:
    box = make_box("--title", "Photos")
    page = box.stack.ask(box.url)
    assert (page.status_code, "Photos" in page.text) == (200, True)
    assert page.headers["Cache-Control"] == "no-store"
    assert page.headers["X-Robots-Tag"] == "noindex"
    assert page.headers["Referrer-Policy"] == "no-referrer"
    assert "Set-Cookie" not in page.headers


@pytest.mark.parametrize(
    "path",
    [
        pytest.param("/u/x{}", id="longer"),
        pytest.param("/u/{}x", id="longer, and damaged"),
        pytest.param("/u/{}/", id="a slash behind"),
        pytest.param("/u/", id="no code"),
        pytest.param("/u/%00", id="NUL"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_what_is_no_link_takes_nothing(
    make_box: Callable[..., Box], path: str, method: str
) -> None:
    box = make_box()
    before = box.stack.stored()
    answer = box.stack.ask(
        box.stack.url + path.format(box.code),
        method,
        files={"code": (None, box.code), "file": ("a.bin", b"x")},
    )
    assert answer.status_code in {308, 400, 404, 405}
    assert (answer.status_code == 308) <= (method == "GET")
    assert box.stack.stored() == before


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS"])
def test_another_method_does_nothing(make_box: Callable[..., Box], method: str) -> None:
    box = make_box()
    before = box.stack.stored()
    answer = box.stack.ask(box.url, method, data=b"x" * 1000)
    assert answer.status_code in {200, 405}
    assert box.stack.stored() == before


@pytest.mark.parametrize(
    ("options", "name", "status"),
    [
        pytest.param(["--max-size", "1000"], "a.bin", 413, id="size"),
        pytest.param(["--type", "image/*"], "a.bin", 415, id="type"),
        pytest.param(["--expires", "2s"], "a.bin", 410, id="expired"),
    ],
)
def test_what_it_does_not_take_costs_nothing(
    make_box: Callable[..., Box], options: list[str], name: str, status: int
) -> None:
    box = make_box(*options)
    wait_until(
        lambda: box.put(name).status_code == status, what="the link takes it no more"
    )
    before = box.stack.stored()
    size = 9_000_000_000
    head = (
        "PUT /api/v1/files/{name} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        "Authorization: Bearer {code}\r\nContent-Length: {size}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", box.stack.port), 20) as peer:
        peer.sendall(head.format(name=name, code=box.code, size=size).encode())
        answer = peer.recv(65_536).decode()
    assert answer.startswith(f"HTTP/1.1 {status} ")
    assert box.send((name, CONTENT * 4)).status_code == status
    assert box.by_tus(name) == status
    assert box.stack.stored() == before


@pytest.mark.parametrize(
    ("request_line", "headers"),
    [
        pytest.param("PUT /api/v1/files/a.bin", "", id="PUT"),
        pytest.param("POST /tus/", "Upload-Length: 9\r\n", id="tus"),
        pytest.param("PATCH {session}", "Upload-Offset: 0\r\n", id="chunk"),
        pytest.param("POST /u/{code}", "", id="form"),
    ],
)
def test_a_body_without_a_length_is_refused_before_it_comes(
    make_box: Callable[..., Box], request_line: str, headers: str
) -> None:
    box = make_box("--max-size", "200k")
    session = Tus(box.stack, box.code).create(9)
    wait_until(lambda: not box.stack.spooled(), what="the spool is empty")
    before = box.stack.stored()
    answer = box.stack.raw(
        f"{request_line.format(session=session, code=box.code)} HTTP/1.1\r\n"
        f"Host: 127.0.0.1\r\nConnection: close\r\n{headers}"
        f"Authorization: Bearer {box.code}\r\nTus-Resumable: 1.0.0\r\n"
        f"Content-Type: {CHUNK_TYPE}\r\n"
        "Transfer-Encoding: chunked\r\n\r\n100000\r\nx".encode()
    )
    assert answer.split(b" ")[1] == b"411"
    assert box.stack.spooled() == []
    assert box.stack.stored() == before


def test_senders_that_stall_leave_the_maker_half_of_the_places(
    make_box: Callable[..., Box],
) -> None:
    box = make_box()
    own = box.stack.new_token("upload", user=box.maker)
    wait_until(lambda: not box.stack.spooled(), what="the spool is empty")
    head = (
        "PUT /api/v1/files/a.bin HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        f"Authorization: Bearer {box.code}\r\n"
        f"Content-Length: {len(CONTENT)}\r\n\r\n"
    )
    with ExitStack() as peers:
        for _ in range(MAXIMUM_RUNNING):
            peer = socket.create_connection(("127.0.0.1", box.stack.port), 20)
            peers.enter_context(peer).sendall(head.encode() + CONTENT[:-1])
        wait_until(
            lambda: len(box.stack.spooled()) == MAXIMUM_RUNNING,
            what="nginx spools the bodies",
        )
        refused = box.put()
        taken = box.stack.ask(
            f"{box.stack.url}/api/v1/files/own.bin",
            "PUT",
            data=CONTENT,
            headers={"Authorization": f"Bearer {own}"},
        )
    assert (refused.status_code, taken.status_code) == (429, 201)
    assert "Retry-After" in refused.headers


@pytest.mark.database
def test_parallel_senders_fill_it_and_no_more(make_box: Callable[..., Box]) -> None:
    box = make_box("--max-uploads", "5")
    ways = [
        lambda n: box.put(f"p{n}").status_code,
        lambda n: box.send((f"f{n}", CONTENT)).status_code,
        lambda n: box.by_tus(f"t{n}"),
    ]
    with ThreadPoolExecutor(9) as senders:
        sent = [senders.submit(ways[n % 3], n) for n in range(15)]
    statuses = sorted(each.result() for each in sent)
    assert len(box.came()) == 5
    assert sum(status in {201, 303} for status in statuses) == 5
    assert set(statuses) <= {201, 303, 410, 429}
    assert box.put().status_code == 410
    assert box.stack.ask(box.url).status_code == 410


@pytest.mark.database
def test_an_upload_that_runs_when_the_link_is_revoked_leaves_nothing(
    make_box: Callable[..., Box],
) -> None:
    box = make_box()
    wait_until(lambda: not box.stack.spooled(), what="the spool is empty")
    before = box.stack.stored()
    head = (
        "PUT /api/v1/files/late.bin HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        f"Authorization: Bearer {box.code}\r\nConnection: close\r\n"
        f"Content-Length: {len(CONTENT)}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", box.stack.port), 20) as peer:
        peer.sendall(head.encode() + CONTENT[:-1])
        wait_until(box.stack.spooled, what="nginx spools the body")
        box.revoke()
        peer.sendall(CONTENT[-1:])
        answer = peer.recv(65_536).decode()
    assert answer.startswith("HTTP/1.1 410 ")
    assert box.came() == {}
    assert box.stack.stored() == before


@pytest.mark.database
def test_a_resumable_upload_goes_with_its_link(make_box: Callable[..., Box]) -> None:
    box = make_box()
    tus = Tus(box.stack, box.code)
    path = tus.create(len(CONTENT))
    half = len(CONTENT) // 2
    first = tus.patch(path, 0, CONTENT[:half]).status_code
    box.revoke()
    second = tus.patch(path, half, CONTENT[half:])
    box.stack.gateway("housekeep")
    assert (first, second.status_code) == (204, 410)
    assert not [name for name in box.stack.stored() if path.rpartition("/")[2] in name]
    assert box.came() == {}


@pytest.mark.database
def test_a_disabled_maker_gets_nothing_more(make_box: Callable[..., Box]) -> None:
    box = make_box()
    box.stack.gateway("users", "disable", box.maker)
    assert box.put().status_code == 410
    assert box.send(("a.bin", b"x")).status_code == 410
    assert box.stack.ask(box.url).status_code == 410


@pytest.mark.database
def test_what_came_is_not_the_sender_s(make_box: Callable[..., Box]) -> None:
    box = make_box()
    box.put("a.bin")
    listing: Any = box.ask("/api/v1/files").json()
    (upload,) = listing["files"]
    code = {"Authorization": f"Bearer {box.code}"}
    asked = [
        box.stack.ask(box.stack.url + path, method, headers=code).status_code
        for method, path in (
            ("GET", upload["url"]),
            ("GET", "/api/v1/files"),
            ("DELETE", f"/api/v1/files/{upload['id']}"),
            ("GET", "/api/v1/drops"),
        )
    ]
    assert asked == [403] * 4
    assert box.came() == {"a.bin": CONTENT}


@pytest.mark.database
def test_the_api_makes_links_that_work(make_box: Callable[..., Box]) -> None:
    box = make_box()
    made = box.stack.ask(
        f"{box.stack.url}/api/v1/drops",
        "POST",
        json={"title": "Films", "max_uploads": 1, "expires_in": 600},
        headers={"Authorization": f"Bearer {box.token}"},
    )
    box.url = made.json()["url"]
    box.code = box.url.rpartition("/")[2]
    box.stack.tokens.add(box.code)
    assert made.status_code == 201
    assert box.url.startswith(f"{box.stack.url}/u/")
    assert box.send(("a.bin", CONTENT)).status_code == 303
    assert box.came() == {"a.bin": CONTENT}
    assert box.stack.ask(f"{box.url}?stored=1").status_code == 200
