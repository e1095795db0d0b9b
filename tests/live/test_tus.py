"""tus 1.0.0 through nginx: every extension, and invalid requests."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.live.stack import ORIGIN, NativeStack, wait_until
from tests.live.tus import CHUNK_TYPE, Tus

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.live.stack import Stack

CONTENT = os.urandom(700_000)


@pytest.fixture
def tus(stack: Stack) -> Tus:
    return Tus(stack, stack.new_token("upload", "read"))


def checksum(content: bytes, algorithm: str = "sha256") -> str:
    digest = hashlib.new(algorithm, content).digest()
    return f"{algorithm} {base64.b64encode(digest).decode()}"


def test_anyone_may_request_options(stack: Stack) -> None:
    answer = stack.ask(f"{stack.url}/tus/", "OPTIONS")
    assert answer.status_code == 204
    assert answer.headers["Tus-Version"] == "1.0.0"
    assert answer.headers["Tus-Max-Size"] == "10737418240"
    assert set(answer.headers["Tus-Extension"].split(",")) == {
        "checksum",
        "concatenation",
        "creation",
        "creation-defer-length",
        "creation-with-upload",
        "expiration",
        "termination",
    }


def test_a_script_of_a_named_origin_may_upload(stack: Stack) -> None:
    asked = {"Origin": ORIGIN, "Access-Control-Request-Method": "PATCH"}
    answer = stack.ask(f"{stack.url}/tus/", "OPTIONS", headers=asked)
    assert answer.ok
    assert "PATCH" in answer.headers["Access-Control-Allow-Methods"]
    assert "Upload-Offset" in answer.headers["Access-Control-Allow-Headers"]
    assert "Location" in answer.headers["Access-Control-Expose-Headers"]


def test_a_script_of_another_origin_may_not(stack: Stack) -> None:
    other = {"Origin": "https://evil.example", "Access-Control-Request-Method": "PATCH"}
    answer = stack.ask(f"{stack.url}/tus/", "OPTIONS", headers=other)
    assert "Access-Control" not in "".join(answer.headers)


def test_a_post_may_override_its_method_with_patch_or_delete(tus: Tus) -> None:
    """Some networks block other methods (tus 1.0.0, X-HTTP-Method-Override)."""
    patch = {"X_HTTP_Method_Override": "PATCH", "Content_Type": CHUNK_TYPE}
    path = tus.create(len(CONTENT))
    first = tus.ask("POST", path, CONTENT[:9], Upload_Offset="0", **patch)
    last = tus.ask("POST", path, CONTENT[9:], Upload_Offset="9", **patch)
    ended = tus.create(5)
    gone = tus.ask("POST", ended, X_HTTP_Method_Override="DELETE")
    assert (first.status_code, last.status_code, gone.status_code) == (204, 204, 204)
    assert tus.get(last) == CONTENT
    assert tus.ask("HEAD", ended).status_code == 404


def test_the_received_bytes_of_an_interrupted_override_are_kept(
    stack: Stack, tus: Tus
) -> None:
    path = tus.create(len(CONTENT))
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nTus-Resumable: 1.0.0\r\n"
        f"Authorization: Bearer {tus.token}\r\nX-HTTP-Method-Override: PATCH\r\n"
        f"Upload-Offset: 0\r\nContent-Type: {CHUNK_TYPE}\r\n"
        f"Content-Length: {len(CONTENT)}\r\n\r\n"
    )
    wait_until(lambda: not stack.spooled(), what="nginx empties the spool")
    with socket.create_connection(("127.0.0.1", stack.port), 20) as peer:
        peer.sendall(head.encode() + CONTENT[:100_000])
        wait_until(stack.spooled, what="nginx spools the body")
    wait_until(lambda: tus.offset(path) > 0, what="the received bytes are kept")
    last = tus.patch(path, tus.offset(path), CONTENT[tus.offset(path) :])
    assert tus.get(last) == CONTENT


@pytest.mark.parametrize("sent", ["POST", "PUT"], ids=str)
@pytest.mark.parametrize(
    "named",
    ["GET", "HEAD", "CONNECT", "patch", "Delete", "TRACE", "PATCH\0", "x" * 99, ""],
    ids=ascii,
)
def test_no_other_method_override_is_accepted(
    stack: Stack, sent: str, named: str
) -> None:
    head = (
        f"{sent} /tus/abc HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
        f"X-HTTP-Method-Override: {named}\r\nContent-Length: 0\r\n\r\n"
    )
    assert stack.raw(head.encode()).startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize("named", [("PATCH", "DELETE"), ("PATCH", "PATCH")], ids=str)
def test_two_method_overrides_are_refused(stack: Stack, named: tuple[str, str]) -> None:
    lines = "".join(f"X-HTTP-Method-Override: {name}\r\n" for name in named)
    head = (
        "POST /tus/abc HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
        f"{lines}Content-Length: 0\r\n\r\n"
    )
    assert stack.raw(head.encode()).startswith(b"HTTP/1.1 400")


def test_other_endpoints_ignore_a_method_override(stack: Stack) -> None:
    headers = {"X-HTTP-Method-Override": "DELETE"}
    answers = [
        stack.ask(stack.url + path, method, headers=headers).status_code
        for method, path in (("GET", "/login"), ("POST", "/upload"), ("GET", "/readyz"))
    ]
    assert answers == [200, 401, 200]


def test_an_upload_is_created_with_and_without_a_slash(tus: Tus) -> None:
    made = tus.ask("POST", "/tus", CONTENT, Upload_Length=str(len(CONTENT)),
                   Content_Type=CHUNK_TYPE)  # fmt: skip
    assert (made.status_code, made.headers["Tus-Resumable"]) == (201, "1.0.0")
    assert tus.get(made) == CONTENT
    assert tus.ask("OPTIONS", "/tus").headers["Tus-Version"] == "1.0.0"


@pytest.mark.database
@pytest.mark.parametrize(
    "steps",
    [
        pytest.param([100_000] * 7, id="seven"),
        pytest.param([700_000, 0], id="one more that is empty"),
    ],
)
def test_chunks_become_one_file(tus: Tus, steps: list[int]) -> None:
    path = tus.create(len(CONTENT), "a b.bin")
    offset = 0
    for step in steps:
        answer = tus.patch(path, offset, CONTENT[offset : offset + step])
        offset += step
        assert answer.status_code == 204
        assert answer.headers["Upload-Offset"] == str(offset)
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["Tus-Resumable"] == "1.0.0"
    assert tus.get(answer) == CONTENT


def test_a_head_returns_the_headers_of_the_creation(tus: Tus) -> None:
    path = tus.create(len(CONTENT), "a b.bin")
    tus.patch(path, 0, CONTENT[:1000])
    answer = tus.ask("HEAD", path)
    assert answer.status_code == 200
    assert answer.headers["Upload-Offset"] == "1000"
    assert answer.headers["Upload-Length"] == "700000"
    assert answer.headers["Upload-Metadata"] == "filename YSBiLmJpbg=="
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Upload-Expires"].endswith("GMT")


@pytest.mark.database
def test_a_head_repeats_a_last_answer_that_was_lost(tus: Tus) -> None:
    path = tus.create(len(CONTENT))
    last = tus.patch(path, 0, CONTENT)
    answer = tus.ask("HEAD", path)
    assert answer.headers["Upload-Offset"] == str(len(CONTENT))
    assert answer.headers["Content-Location"] == last.headers["Content-Location"]
    again = tus.patch(path, len(CONTENT), b"")
    assert again.status_code == 204
    assert again.headers["Content-Location"] == last.headers["Content-Location"]


def test_an_empty_file_is_finished_by_its_creation(tus: Tus) -> None:
    made = tus.ask("POST", Upload_Length="0")
    assert (made.status_code, tus.get(made)) == (201, b"")


@pytest.mark.parametrize("sent", [300_000, 700_000])
def test_the_first_bytes_may_come_with_the_creation(tus: Tus, sent: int) -> None:
    made = tus.ask("POST", "/tus/", CONTENT[:sent], Upload_Length="700000",
                   Content_Type=CHUNK_TYPE)  # fmt: skip
    assert (made.status_code, made.headers["Upload-Offset"]) == (201, str(sent))
    last = tus.patch(made.headers["Location"], sent, CONTENT[sent:])
    assert tus.get(last) == CONTENT


@pytest.mark.database
def test_the_length_may_be_deferred(tus: Tus) -> None:
    made = tus.ask("POST", Upload_Defer_Length="1")
    path = made.headers["Location"]
    assert tus.patch(path, 0, CONTENT[:1000]).status_code == 204
    assert tus.ask("HEAD", path).headers["Upload-Defer-Length"] == "1"
    last = tus.patch(path, 1000, CONTENT[1000:], Upload_Length="700000")
    assert tus.get(last) == CONTENT


@pytest.mark.parametrize("algorithm", ["sha1", "sha256"])
def test_a_chunk_with_the_right_checksum_is_accepted(tus: Tus, algorithm: str) -> None:
    path = tus.create(len(CONTENT))
    last = tus.patch(path, 0, CONTENT, Upload_Checksum=checksum(CONTENT, algorithm))
    assert tus.get(last) == CONTENT


@pytest.mark.database
def test_a_chunk_with_a_wrong_checksum_leaves_the_offset(tus: Tus) -> None:
    path = tus.create(len(CONTENT))
    tus.patch(path, 0, CONTENT[:1000])
    wrong = checksum(b"other")
    answer = tus.patch(path, 1000, CONTENT[1000:], Upload_Checksum=wrong)
    assert (answer.status_code, answer.reason) == (460, "Checksum Mismatch")
    assert answer.json()["status"] == 460
    assert tus.offset(path) == 1000
    assert tus.get(tus.patch(path, 1000, CONTENT[1000:])) == CONTENT


@pytest.mark.docker
@pytest.mark.database
def test_partial_uploads_are_concatenated(tus: Tus, stack: Stack) -> None:
    before = stack.stored()
    chunks = [CONTENT[:1], CONTENT[1:400_000], CONTENT[400_000:]]
    parts = [tus.create(len(chunk), Upload_Concat="partial") for chunk in chunks]
    for path, chunk in zip(parts, chunks, strict=True):
        assert tus.patch(path, 0, chunk).status_code == 204
    concat = f"final;{parts[0]} {stack.url}{parts[1]} {parts[2]}"
    final = tus.ask("POST", Upload_Concat=concat)
    again = tus.ask("POST", Upload_Concat=concat)
    assert final.status_code == 201
    assert tus.get(final) == CONTENT
    assert again.headers["Location"] == final.headers["Location"]
    answer = tus.ask("HEAD", final.headers["Location"])
    assert (answer.headers["Upload-Concat"], answer.headers["Upload-Length"]) == (
        concat,
        "700000",
    )
    assert tus.patch(final.headers["Location"], 700_000, b"").status_code == 403
    assert len(stack.stored()) == len(before) + 1


def test_incomplete_partial_uploads_are_not_concatenated(
    tus: Tus, stack: Stack
) -> None:
    whole = tus.create(3, Upload_Concat="partial")
    tus.patch(whole, 0, b"abc")
    part = tus.create(3, Upload_Concat="partial")
    answer = tus.ask("POST", Upload_Concat=f"final;{whole} {part}")
    assert answer.status_code == 409
    tus.patch(part, 0, b"def")
    final = tus.ask("POST", Upload_Concat=f"final;{whole} {part}")
    assert tus.get(final) == b"abcdef"
    del stack


def test_a_terminated_upload_is_gone(tus: Tus, stack: Stack) -> None:
    before = stack.stored()
    path = tus.create(len(CONTENT))
    tus.patch(path, 0, CONTENT[:1000])
    assert tus.ask("DELETE", path).status_code == 204
    assert tus.ask("HEAD", path).status_code == 404
    assert tus.patch(path, 1000, CONTENT[1000:]).status_code == 404
    assert stack.stored() == before


@pytest.mark.database
def test_a_finished_upload_is_deleted_by_its_termination(
    tus: Tus, stack: Stack
) -> None:
    before = stack.stored()
    path = tus.create(len(CONTENT))
    last = tus.patch(path, 0, CONTENT)
    assert tus.ask("DELETE", path).status_code == 204
    assert tus.ask("GET", last.headers["Content-Location"]).status_code == 404
    assert stack.stored() == before


@pytest.mark.docker
@pytest.mark.database
def test_bytes_received_before_the_connection_broke_are_kept(
    tus: Tus, stack: Stack
) -> None:
    path = tus.create(len(CONTENT))
    wait_until(lambda: not stack.spooled(), what="nginx empties the spool")
    with tus.cut(path, CONTENT, 400_000, Upload_Offset="0"):
        wait_until(stack.spooled, what="nginx spools the body")
    wait_until(lambda: tus.offset(path) > 0, what="the received bytes are kept")
    offset = tus.offset(path)
    assert 300_000 < offset <= 400_000
    assert tus.get(tus.patch(path, offset, CONTENT[offset:])) == CONTENT


@pytest.mark.database
def test_nothing_is_kept_of_an_interrupted_chunk_with_a_checksum(
    tus: Tus, stack: Stack
) -> None:
    path = tus.create(len(CONTENT))
    wait_until(lambda: not stack.spooled(), what="nginx empties the spool")
    headers = {"Upload_Offset": "0", "Upload_Checksum": checksum(CONTENT)}
    with tus.cut(path, CONTENT, 400_000, **headers):
        wait_until(stack.spooled, what="nginx spools the body")
    wait_until(lambda: not stack.spooled(), what="nginx drops the cut body")
    assert tus.offset(path) == 0


@pytest.mark.database
def test_a_dead_connection_does_not_lock_its_client_out(tus: Tus, stack: Stack) -> None:
    path = tus.create(len(CONTENT))
    wait_until(lambda: not stack.spooled(), what="nginx empties the spool")
    with tus.cut(path, CONTENT, 400_000, Upload_Offset="0") as dead:
        wait_until(stack.spooled, what="nginx spools the body")
        last = tus.patch(path, 0, CONTENT)
        assert last.status_code == 204
        dead.sendall(CONTENT[400_000:])
        assert dead.recv(4096).startswith(b"HTTP/1.1 409 ")
    assert tus.get(last) == CONTENT


@pytest.mark.database
def test_the_older_of_two_simultaneous_chunks_is_locked_out(
    tus: Tus, stack: Stack
) -> None:
    path = tus.create(len(CONTENT))
    wait_until(lambda: not stack.spooled(), what="nginx empties the spool")
    with tus.cut(path, CONTENT, 400_000, Upload_Offset="0") as older:
        wait_until(stack.spooled, what="nginx spools the body")
        with tus.cut(path, CONTENT, 400_000, Upload_Offset="0") as newer:
            wait_until(lambda: len(stack.spooled()) == 2, what="and the other")
            older.sendall(CONTENT[400_000:])
            assert older.recv(4096).startswith(b"HTTP/1.1 423 ")
            assert tus.offset(path) == 0
            newer.sendall(CONTENT[400_000:])
            assert newer.recv(4096).startswith(b"HTTP/1.1 204 ")


@pytest.mark.database
def test_many_requests_that_finish_an_upload_at_once_store_one_file(
    tus: Tus, stack: Stack
) -> None:
    path = tus.create(len(CONTENT))
    tus.patch(path, 0, CONTENT[:-1000])
    before = stack.stored()
    with ThreadPoolExecutor(10) as pool:
        answers = list(
            pool.map(lambda _: tus.patch(path, 699_000, CONTENT[-1000:]), range(30))
        )
    statuses = [answer.status_code for answer in answers]
    assert statuses.count(204) == 1
    assert set(statuses) <= {204, 409, 423}
    # The session's file became the one blob.
    assert len(stack.stored()) == len(before)
    assert tus.get(tus.ask("HEAD", path)) == CONTENT


class Unmeasured:
    """A body one byte too long, which requests sends without a length."""

    def __iter__(self) -> Iterator[bytes]:
        yield CONTENT
        yield b"x"


@pytest.mark.parametrize(
    ("offset", "data", "headers", "status"),
    [
        pytest.param("5", b"x", {}, 409, id="offset past what is there"),
        pytest.param("99999999", b"x", {}, 409, id="offset past the end"),
        pytest.param("-1", b"x", {}, 400, id="offset that is none"),
        pytest.param("0", CONTENT + b"x", {}, 413, id="more than the size"),
        pytest.param("0", Unmeasured(), {}, 411, id="more, without a length"),
        pytest.param(
            "0", b"x", {"Content_Type": "text/plain"}, 415, id="not the type of a chunk"
        ),
        pytest.param("0", b"x", {"Upload_Length": "5"}, 400, id="another size"),
        pytest.param("0", b"x", {"Tus_Resumable": "0.2.2"}, 412, id="another version"),
        pytest.param("0", b"x", {"Authorization": ""}, 401, id="nobody"),
    ],
)
def test_an_invalid_chunk_changes_nothing(
    tus: Tus, offset: str, data: object, headers: dict[str, str], status: int
) -> None:
    path = tus.create(len(CONTENT))
    sent = {"Upload_Offset": offset, **headers}
    answer = tus.patch(path, 0, data, **sent)
    assert answer.status_code == status
    assert answer.json()["status"] == status
    assert answer.headers["Tus-Resumable"] == "1.0.0"
    assert tus.offset(path) == 0


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        pytest.param({}, 400, id="no length"),
        pytest.param({"Upload_Length": "99999999999999"}, 413, id="too large"),
        pytest.param(
            {"Upload_Length": "1", "Upload_Metadata": "a " + "QUFB" * 2500},
            400,
            id="metadata without end",
        ),
        pytest.param(
            {"Upload_Concat": "final;/tus/" + "a" * 26}, 404, id="final of unknown"
        ),
        pytest.param(
            {"Upload_Length": "1", "Tus_Resumable": "2.0.0"}, 412, id="another version"
        ),
        pytest.param({"Upload_Length": "1", "Authorization": ""}, 401, id="nobody"),
    ],
)
def test_an_invalid_creation_leaves_nothing(
    tus: Tus, stack: Stack, headers: dict[str, str], status: int
) -> None:
    before = stack.stored()
    answer = tus.ask("POST", **headers)
    assert answer.status_code == status
    assert answer.json()["status"] == status
    assert stack.stored() == before


@pytest.mark.database
def test_somebody_else_s_upload_is_not_there(tus: Tus, stack: Stack) -> None:
    path = tus.create(3)
    name = f"u{os.urandom(4).hex()}"
    stack.gateway("users", "add", name, "--password", "a long password")
    other = Tus(stack, stack.new_token("upload", "read", user=name))
    assert other.ask("HEAD", path).status_code == 404
    assert other.patch(path, 0, b"abc").status_code == 404
    assert other.ask("DELETE", path).status_code == 404
    final = other.ask("POST", Upload_Concat=f"final;{path}")
    assert final.status_code == 404
    assert tus.offset(path) == 0


@pytest.mark.parametrize("method", ["GET", "DELETE", "OPTIONS"])
@pytest.mark.parametrize("path", ["/tus/", "/api/v1/files/a.bin"])
def test_only_an_upload_may_bring_a_large_body(
    stack: Stack, method: str, path: str
) -> None:
    head = (
        f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        "Content-Length: 9000000000\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", stack.port), 20) as peer:
        peer.sendall(head.encode())
        assert peer.recv(4096).startswith(b"HTTP/1.1 413 ")


def test_a_chunk_longer_than_the_rest_is_refused_before_it_is_read(
    tus: Tus, stack: Stack
) -> None:
    path = tus.create(10)
    wait_until(lambda: not stack.spooled(), what="the spool is empty")
    before = stack.stored()
    answer = stack.raw(
        f"PATCH {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
        f"Authorization: Bearer {tus.token}\r\nTus-Resumable: 1.0.0\r\n"
        f"Content-Type: {CHUNK_TYPE}\r\nUpload-Offset: 0\r\n"
        "Content-Length: 11\r\n\r\nx".encode()
    )
    assert answer.split(b" ")[1] == b"413"
    assert stack.spooled() == []
    assert stack.stored() == before


def test_a_creation_with_neither_a_body_nor_a_length_is_accepted(
    tus: Tus, stack: Stack
) -> None:
    answer = stack.raw(
        "POST /tus/ HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
        f"Authorization: Bearer {tus.token}\r\nTus-Resumable: 1.0.0\r\n"
        "Upload-Length: 10\r\n\r\n".encode()
    )
    assert answer.split(b" ")[1] == b"201"


@pytest.mark.parametrize("path", ["/tus/", "/api/v1/files/a.bin"])
def test_no_other_request_may_have_a_large_chunked_body(
    stack: Stack, path: str
) -> None:
    head = (
        f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        "Transfer-Encoding: chunked\r\n\r\n20000\r\nx"
    )
    with socket.create_connection(("127.0.0.1", stack.port), 20) as peer:
        peer.sendall(head.encode())
        assert peer.recv(4096).startswith(b"HTTP/1.1 413 ")


@pytest.mark.docker
def test_no_body_passes_through_a_worker_s_memory(tus: Tus, stack: Stack) -> None:
    content = os.urandom(48 << 20)
    path = tus.create(len(content))
    tus.patch(path, 0, content[:100])
    # Peaks are counted from here on: hashing a password has taken more.
    for pid in stack.processes("gunicorn"):
        Path(f"/proc/{pid}/clear_refs").write_text("5")
    before = peak(stack)
    tus.patch(path, 100, content[100 : 24 << 20])
    last = tus.patch(path, 24 << 20, content[24 << 20 :])
    assert last.headers["Upload-Offset"] == str(len(content))
    assert peak(stack) - before < 8 << 20


def peak(stack: Stack) -> int:
    """Return the most memory that a process of gunicorn's has had, in bytes."""
    found = [
        re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
        for pid in stack.processes("gunicorn")
    ]
    return max(int(match[1]) << 10 for match in found if match)


def test_a_refused_chunk_is_not_read(tus: Tus, stack: Stack) -> None:
    path = tus.create(9_000_000)
    head = (
        f"PATCH {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nTus-Resumable: 1.0.0\r\n"
        f"Authorization: Bearer {tus.token}\r\nContent-Type: {CHUNK_TYPE}\r\n"
        "Upload-Offset: 1\r\nContent-Length: 8000000\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", stack.port), 20) as peer:
        peer.sendall(head.encode())
        assert peer.recv(4096).startswith(b"HTTP/1.1 409 ")
    assert tus.ask("DELETE", path).status_code == 204


@pytest.fixture(scope="module")
def small() -> Iterator[Stack]:
    """Return a gateway with a limit of 100 kB and four running uploads."""
    with NativeStack(
        GATEWAY_UPLOAD_SIZE="100000", GATEWAY_UPLOADS_PER_USER="4"
    ).running() as stack:
        yield stack


def test_a_body_that_nginx_refuses_leaves_no_reservation(small: Stack) -> None:
    """Only a body without a length gets that far; tus accepts none."""
    tus = Tus(small, small.new_token("upload", "read"))
    for _ in range(3):
        put = tus.ask("PUT", "/api/v1/files/a.bin", iter([CONTENT]))
        assert put.status_code == 413
        wait_until(lambda: not small.spooled(), what="nginx drops the body")
    path = tus.ask("POST", Upload_Defer_Length="1").headers["Location"]
    assert tus.patch(path, 0, b"abc", Upload_Length="3").status_code == 204


@pytest.mark.database
def test_the_reservation_of_an_interrupted_upload_is_released(stack: Stack) -> None:
    name = f"u{os.urandom(4).hex()}"
    stack.gateway("users", "add", name, "--password", "a long password")
    token = stack.new_token("upload", user=name)
    wait_until(lambda: not stack.spooled(), what="nginx empties the spool")
    head = (
        "PUT /api/v1/files/cut.bin HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        f"Authorization: Bearer {token}\r\nContent-Length: 1000000\r\n\r\n"
    )
    for _ in range(20):  # more than a user may have at a time
        with socket.create_connection(("127.0.0.1", stack.port), 20) as peer:
            peer.sendall(head.encode() + CONTENT)
            wait_until(stack.spooled, what="nginx spools the body")
        wait_until(lambda: not stack.spooled(), what="nginx drops the cut body")
    again = stack.ask(
        f"{stack.url}/api/v1/files/whole.bin",
        "PUT",
        data=CONTENT,
        headers={"Authorization": f"Bearer {token}"},
    )
    assert again.status_code == 201
