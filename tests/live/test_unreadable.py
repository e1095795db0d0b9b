"""What gunicorn could not read: the client gets the gateway's 400, everywhere."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import pytest

from gateway.http import families
from tests.live.stack import fresh_client, wait_until

if TYPE_CHECKING:
    from tests.live.stack import Stack

TOKEN: Final = f"k1.e2.{'m' * 22}"
#: Where gunicorn is asked, as it is, beside the request, or both; and how each family's
#: clients are told.
PLACES: Final = {
    "home": ("GET", "/"),
    "a form": ("POST", "/login"),
    "nothing": ("GET", "/x"),
    "a signed URL": ("GET", "/s/t/x.txt"),
    "a file": ("GET", "/files/x/y"),
    "a drop link": ("GET", "/u/code"),
    "a drop link's form": ("POST", "/u/code"),
    "an upload form": ("POST", "/upload"),
    "its page": ("GET", "/upload"),
    "the API": ("GET", "/api/v1/files"),
    "the API's bodies": ("POST", "/api/v1/drops"),
    "a raw upload": ("PUT", "/api/v1/files/a.txt"),
    "a creation": ("POST", "/tus/"),
    "a chunk": ("PATCH", "/tus/x"),
    "an offset": ("HEAD", "/tus/x"),
    "health": ("GET", "/healthz"),
    "readiness": ("GET", "/readyz"),
}
BODIES: Final = dict.fromkeys(("POST", "PUT", "PATCH"), b"Content-Length: 2\r\n\r\n{}")
HEADERS: Final = {
    "a control character": b"X: a\x01b\r\n",
    "a delete character": b"X: a\x7fb\r\n",
    "two types": b"Content-Type: text/plain\r\nContent-Type: text/html\r\n",
    # As many as nginx takes; it adds its own.
    "too many headers": b"X: y\r\n" * 995,
}


def ask(stack: Stack, method: str, target: bytes, headers: bytes = b"") -> bytes:
    return stack.raw(
        method.encode() + b" " + target + b" HTTP/1.1\r\nHost: localhost\r\n"
        b"X-Forwarded-For: " + fresh_client().encode() + b"\r\n"
        b"Accept: text/html\r\nConnection: close\r\n"
        + headers
        + BODIES.get(method, b"\r\n")
    )


def assert_is_our_400(answer: bytes, method: str, path: str) -> None:
    """See that it is a page or, for a program, a problem; with security headers."""
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 "), answer[:300]
    request_id = re.search(rb"X-Request-ID: (\S+)", head)
    assert request_id is not None
    kind = {True: b"application/problem+json", False: b"text/html; charset=utf-8"}
    is_for_program = families.asked(method, path).is_for_programs
    assert b"\r\nContent-Type: " + kind[is_for_program] + b"\r\n" in head
    for name in (b"X-Content-Type-Options: nosniff", b"Content-Security-Policy: "):
        assert head.count(b"\r\n" + name) == 1
    assert b"X-Accel" not in head
    assert b"X-Refusal" not in head
    said = {"HEAD": b""}.get(method, request_id[1])
    assert said in body


@pytest.mark.parametrize(("method", "path"), PLACES.values(), ids=PLACES)
@pytest.mark.parametrize("headers", HEADERS.values(), ids=HEADERS)
def test_a_header_that_can_not_be_read_is_a_400(
    stack: Stack, method: str, path: str, headers: bytes
) -> None:
    answer = ask(stack, method, path.encode(), headers)
    assert_is_our_400(answer, method, path)


@pytest.mark.parametrize(("method", "path"), PLACES.values(), ids=PLACES)
@pytest.mark.parametrize(
    "raw",
    [b"\xc3\xa9", b"\xe4", b"\xff", b"a\x80/b"],
    ids=["UTF-8", "Latin-1", "255", "128"],
)
def test_a_path_with_raw_bytes_is_a_400(
    stack: Stack, method: str, path: str, raw: bytes
) -> None:
    answer = ask(stack, method, path.encode() + raw)
    assert_is_our_400(answer, method, f"{path}x")


@pytest.mark.parametrize("method", ["A", "AB", "A" * 21, "_", "A-" * 40], ids=str)
@pytest.mark.parametrize("path", [path for _, path in PLACES.values()], ids=str)
def test_a_method_that_nobody_has_is_a_400(
    stack: Stack, method: str, path: str
) -> None:
    answer = ask(stack, method, path.encode())
    assert_is_our_400(answer, method, path)


@pytest.mark.parametrize(("method", "path"), PLACES.values(), ids=PLACES)
def test_a_raw_query_changes_no_answer(stack: Stack, method: str, path: str) -> None:
    """A mail tool has appended it; gunicorn could not read it."""
    without = ask(stack, method, path.encode())
    with_it = ask(stack, method, path.encode() + b"?utm_source=K\xc3\xa4se#\xff")
    assert with_it.split(b"\r\n")[0] == without.split(b"\r\n")[0]
    assert not with_it.startswith(b"HTTP/1.1 400 ") or b"K\xc3" not in with_it


@pytest.mark.database
@pytest.mark.parametrize(
    "query", [b"?utm_source=K\xc3\xa4se", b"?\xff", b"?a=b&c=\xe4#\xff"], ids=str
)
def test_a_good_link_opens_with_a_raw_query(stack: Stack, query: bytes) -> None:
    stack.put("q/a.txt", b"with a query")
    target = stack.sign("q/a.txt").removeprefix(stack.url).encode()
    answers = [ask(stack, "GET", target + query) for _ in range(3)]
    assert {a.partition(b"\r\n")[0] for a in answers} == {b"HTTP/1.1 200 OK"}
    assert {a.endswith(b"with a query") for a in answers} == {True}


def test_the_longest_target_is_read_by_all(stack: Stack) -> None:
    """Nginx tells it once more in a header, whose name is longer than a method."""
    name = "a" * (16_384 - len("PUT /api/v1/files/ HTTP/1.1\r\n"))
    answer = ask(stack, "PUT", f"/api/v1/files/{name}".encode())
    assert answer.startswith(b"HTTP/1.1 401 ")


def test_a_problem_of_nginx_s_own_says_what_flask_s_says(stack: Stack) -> None:
    """Programs read one kind of object, whoever has refused the request."""
    headers = {"Accept": "application/json"}
    urls = (f"{stack.url}/_files/x", f"{stack.url}/nothing")
    problems = [stack.ask(url, headers=headers).json() for url in urls]
    of_nginx, of_flask = ({**each, "request_id": ""} for each in problems)
    assert of_nginx == of_flask


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        pytest.param(b"/s/x/../y", "dot-segment", id="dots"),
        pytest.param(b"/\xff", "unreadable", id="raw bytes"),
        pytest.param(b"/_files/x", "undeliverable", id="internal file"),
        pytest.param(b"/_admit", "http-404", id="internal question"),
    ],
)
def test_the_log_has_the_reason_for_what_nginx_refuses(
    stack: Stack, target: bytes, reason: str
) -> None:
    answer = ask(stack, "GET", target)
    request_id = re.search(rb"X-Request-ID: (\S+)", answer)
    assert request_id is not None
    told = request_id[1].decode()

    def reasons() -> list[str]:
        return [row["reason"] for row in stack.logged() if row["request_id"] == told]

    wait_until(reasons, what="the request is logged")
    assert reasons() == [reason]


@pytest.mark.parametrize(
    ("method", "path", "reason"),
    [
        pytest.param("GET", "/login", "unreadable", id="asked"),
        pytest.param("PUT", "/api/v1/files/a", "unreadable", id="asked beside"),
    ],
)
def test_the_log_has_the_reason_for_what_gunicorn_can_not_read(
    stack: Stack, method: str, path: str, reason: str
) -> None:
    answer = ask(stack, method, path.encode(), HEADERS["two types"])
    request_id = re.search(rb"X-Request-ID: (\S+)", answer)
    assert request_id is not None
    told = request_id[1].decode()

    def reasons() -> list[str]:
        return [row["reason"] for row in stack.logged() if row["request_id"] == told]

    wait_until(reasons, what="the request is logged")
    assert reasons() == [reason]


def test_nobody_is_woken_by_a_request_that_can_not_be_read(stack: Stack) -> None:
    """Gunicorn has a warning for each, which quotes the request."""
    for method, path in PLACES.values():
        for headers in HEADERS.values():
            ask(stack, method, path.encode(), headers)
        ask(stack, method, path.encode() + b"?x=\xff", HEADERS["two types"])
    log = stack.whole_log()
    assert "[WARNING]" not in log
    assert "Invalid request" not in log
    assert "[warn]" not in log
