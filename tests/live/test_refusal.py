"""What is refused, how, and what a refusal gives away: nothing."""

from __future__ import annotations

import os
import re
import socket
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection
from secrets import token_hex
from typing import TYPE_CHECKING

import pytest

from gateway.links import Key, KeyRing, LinkSigner

if TYPE_CHECKING:
    from pathlib import Path

    import requests

    from tests.live.stack import Stack

SECRET = b"secret\n"


def signed_at(stack: Stack, moment: datetime, path: str, **claims: object) -> str:
    """Return a link that was minted at another moment."""
    signer = LinkSigner(stack.keys, stack.url, clock=moment.timestamp)
    url = signer.sign(path, **{"expires": timedelta(hours=1), **claims})  # type: ignore[arg-type]
    stack.tokens.add(url.removeprefix(stack.url).split("/")[2])
    return url


def lines(request: str, *headers: str) -> bytes:
    """Return a request on a connection of its own, as it goes over the wire."""
    head = (request, "Host: localhost", *headers, "Connection: close", "", "")
    return "\r\n".join(head).encode()


def page(answer: requests.Response) -> str:
    """Return an answer's body without what differs from request to request."""
    return answer.text.replace(answer.headers["X-Request-ID"], "ID")


def without_ids(answer: bytes) -> tuple[list[bytes], bytes]:
    """Return what a raw answer says: not the request's own, and not who has said it.

    nginx sends its pages in chunks, and their headers in another order than Flask's;
    the words of a status line are each one's own.
    """
    request_id = re.search(rb"X-Request-ID: (\S+)", answer)
    said = answer.replace(request_id[1], b"") if request_id else answer
    head, _, body = said.partition(b"\r\n\r\n")
    framing = (b"Date:", b"Content-Length:", b"Transfer-Encoding:")
    lines = [line for line in head.split(b"\r\n") if not line.startswith(framing)]
    words = re.sub(rb"(?m)^[0-9a-f]+\r\n", b"", body).split()
    return [lines[0].lower(), *sorted(lines[1:])], b" ".join(words)


@pytest.mark.bucket
@pytest.mark.docker
@pytest.mark.database
def test_forged_malformed_unknown_and_missing_look_alike(stack: Stack) -> None:
    stack.put("r/there.txt", SECRET)
    good = stack.sign("r/there.txt")
    token = good.removeprefix(stack.url).split("/")[2]
    stranger = LinkSigner(
        KeyRing((Key("stranger", "x" * 9 + Key.generate().secret),)), stack.url
    )
    answers = [
        stack.ask(stack.sign("r/missing.txt")),
        stack.ask(stack.url + "/s/rubbish/r/there.txt"),
        stack.ask(good.replace(token, token[:-1] + ("A" if token[-1] != "A" else "Q"))),
        stack.ask(good.replace(token, token[1:])),
        stack.ask(good.replace("there", "other")),
        stack.ask(stranger.sign("r/there.txt", expires=timedelta(hours=1))),
        stack.ask(stack.url + "/x"),
        stack.ask(stack.url + "/nothing/here"),
        stack.ask(stack.url + "/s/"),
    ]
    assert {a.status_code for a in answers} == {404}
    assert len({page(a) for a in answers}) == 1
    assert not any(b"secret" in a.content for a in answers)


@pytest.mark.bucket(extra=True)
@pytest.mark.database
def test_an_expired_link_is_gone_and_says_so(stack: Stack) -> None:
    stack.put("r/old.txt")
    answer = stack.ask(
        signed_at(stack, datetime.now(UTC) - timedelta(hours=2), "r/old.txt")
    )
    assert answer.status_code == 410
    assert "expired" in answer.text


def test_an_expired_link_tells_nothing_of_the_file(stack: Stack) -> None:
    past = datetime.now(UTC) - timedelta(hours=2)
    stack.put("r/old.txt")
    there = stack.ask(signed_at(stack, past, "r/old.txt"))
    missing = stack.ask(signed_at(stack, past, "r/never-was.txt"))
    assert page(there) == page(missing)


@pytest.mark.database
def test_an_early_link_is_forbidden_and_says_so(stack: Stack) -> None:
    stack.put("r/early.txt")
    now = datetime.now(UTC)
    url = stack.sign("r/early.txt", not_before=now + timedelta(minutes=10))
    forgiven = stack.sign("r/early.txt", not_before=now + timedelta(seconds=50))
    answer = stack.ask(url)
    assert (answer.status_code, "not valid yet" in answer.text) == (403, True)
    assert stack.ask(forgiven).status_code == 200


@pytest.mark.database
def test_a_link_for_a_network_opens_there_alone(stack: Stack) -> None:
    stack.put("r/lan.txt")
    url = stack.sign("r/lan.txt", networks=["203.0.113.0/24", "2001:db8:ffff::/48"])
    inside = [stack.ask(url, client=c) for c in ("203.0.113.9", "2001:db8:ffff::9")]
    outside = stack.ask(url, client="198.51.100.7")
    assert [a.status_code for a in inside] == [200, 200]
    assert (outside.status_code, "from your network" in outside.text) == (403, True)


@pytest.mark.docker
@pytest.mark.database
def test_only_the_last_untrusted_address_is_the_client(stack: Stack) -> None:
    stack.put("r/lan.txt")
    url = stack.sign("r/lan.txt", networks=["203.0.113.0/24"])
    answer = stack.ask(url, client="203.0.113.9, 198.51.100.7")
    assert answer.status_code == 403


@pytest.mark.database
@pytest.mark.parametrize(
    "method", ["POST", "PUT", "PATCH", "DELETE", "PROPFIND", "MKCOL"], ids=str
)
def test_other_methods_are_not_allowed(stack: Stack, method: str) -> None:
    stack.put("r/there.txt")
    answer = stack.ask(stack.sign("r/there.txt"), method, data=b"x" * 1000)
    assert answer.status_code == 405
    assert "GET" in answer.headers["Allow"]


@pytest.mark.parametrize("method", ["TRACE", "CONNECT"], ids=str)
def test_trace_and_connect_are_refused_by_nginx(stack: Stack, method: str) -> None:
    answer = stack.raw(lines(f"{method} /s/x/y HTTP/1.1"))
    assert answer.split(b" ")[1] in {b"400", b"405"}


def test_a_program_gets_problem_json(stack: Stack) -> None:
    answer = stack.ask(stack.url + "/nope", headers={"Accept": "application/json"})
    problem = answer.json()
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert problem["status"] == answer.status_code == 404
    assert problem["request_id"] == answer.headers["X-Request-ID"]


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        pytest.param("*/*", b"application/problem+json", id="curl"),
        pytest.param("text/html,*/*;q=0.8", b"text/html", id="browser"),
    ],
)
def test_nginx_tells_people_and_programs_apart(
    stack: Stack, accept: str, kind: bytes
) -> None:
    """What it refuses before Flask is asked looks as what Flask refuses."""
    asked = lines("GET /a/%2e%2e/x HTTP/1.1", f"Accept: {accept}")
    head = stack.raw(asked).partition(b"\r\n\r\n")[0]
    assert b"\r\nContent-Type: " + kind in head


def test_a_person_gets_a_page_that_needs_nothing_from_outside(stack: Stack) -> None:
    answer = stack.ask(stack.url + "/nope", headers={"Accept": "text/html,*/*;q=0.8"})
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "color-scheme" in answer.text
    assert not any(text in answer.text for text in ("src=", "href=", "url(", "http:"))


@pytest.mark.bucket(extra=True)
def test_a_head_of_what_is_refused_has_no_body(stack: Stack) -> None:
    answer = stack.ask(stack.url + "/nope", "HEAD")
    assert (answer.status_code, answer.content) == (404, b"")


@pytest.mark.bucket(extra=True)
@pytest.mark.parametrize(
    "target",
    [
        "/_files/r/there.txt",
        "/_files//r/there.txt",
        "/_%66iles/r/there.txt",
        "/%5ffiles/r/there.txt",
        "/%5Ffiles%2fr%2fthere.txt",
        "/s/../_files/r/there.txt",
        "/s/x/..%2f..%2f_files/r/there.txt",
        "/./_files/r/there.txt",
        "/_files/./r/there.txt",
        "/_files/../etc/passwd",
        "/_pages/../nginx.conf",
        "/x/%2E%2e/_pages/error.html",
        "/x/../_unfit",
        "/x/../_cut",
        "/_unfit",
        "/_files/r/there.txt?x=1",
        "/_files/r/there.txt#x",
        "/_files",
        "/_files/",
        "/_files../log",
        "/_pages/error.html",
        "/@gateway_refused",
        "/_large_files/r/there.txt",
        "/_large%5ffiles/r/there.txt",
        "/_shown_files/r/there.txt",
        "/_small_files/r/there.txt",
        "/_shown_blobs/ab/cd.txt",
        "/_blobs/ab/cd.txt",
        "/_large_blobs/ab/cd.txt",
        "/_verdict",
        "/_verdict/",
        "/_%76erdict",
        "/_admit",
        "/%5fadmit",
        "/_admit?x=1",
        "/_object",
        "/_%6fbject",
        "/@gateway_object",
        "/_cut",
        "/_cu%74",
        "/_cut/",
    ],
    ids=str,
)
def test_internal_locations_are_unreachable_in_every_encoding(
    stack: Stack, target: str
) -> None:
    stack.put("r/there.txt", SECRET)
    answer = stack.raw(lines(f"GET {target} HTTP/1.1"))
    nothing = stack.raw(lines("GET /nothing HTTP/1.1"))
    assert without_ids(answer) == without_ids(nothing)
    assert nothing.startswith(b"HTTP/1.1 404 ")


@pytest.mark.parametrize("method", ["GET", "POST"], ids=str)
@pytest.mark.parametrize(
    ("target", "like"),
    [
        pytest.param("/s", "/nothing", id="signed URLs"),
        pytest.param("/u", "/nothing", id="drop links"),
        pytest.param("/static", "/nothing", id="statics"),
        pytest.param("/files", "/nothing", id="files"),
        pytest.param("/api/v1", "/api/nothing", id="API"),
    ],
)
def test_a_url_without_its_last_slash_is_not_there(
    stack: Stack, method: str, target: str, like: str
) -> None:
    answer = stack.raw(lines(f"{method} {target} HTTP/1.1", "Content-Length: 0"))
    nothing = stack.raw(lines(f"{method} {like} HTTP/1.1", "Content-Length: 0"))
    assert without_ids(answer) == without_ids(nothing)
    assert nothing.startswith(b"HTTP/1.1 404 ")


@pytest.mark.parametrize("target", ["/_admit", "/_cut"], ids=str)
@pytest.mark.parametrize("method", ["HEAD", "POST", "PUT", "PATCH"], ids=str)
def test_nobody_but_nginx_admits_or_cuts_an_upload(
    stack: Stack, method: str, target: str
) -> None:
    request = f"{method} %s HTTP/1.1"
    body = ("Content-Length: 4", "X-Original-URI: /api/v1/files/a.txt")
    answer = stack.raw(lines(request % target, *body) + b"body")
    nothing = stack.raw(lines(request % "/nothing", *body) + b"body")
    assert without_ids(answer) == without_ids(nothing)
    assert nothing.startswith(b"HTTP/1.1 404 ")


@pytest.mark.parametrize(
    "target", ["/_pages/error.html", "/_cut", "/_admit", "/_files/x"], ids=str
)
def test_what_is_internal_is_closed_under_an_unknown_host(
    stack: Stack, target: str
) -> None:
    request = f"GET {target} HTTP/1.1\r\nHost: evil.example\r\n\r\n"
    assert stack.raw(request.encode()) == b""


@pytest.mark.bucket(extra=True)
@pytest.mark.database
@pytest.mark.parametrize(
    "header",
    [
        "X-Accel-Redirect: /_files/r/there.txt",
        "X-Accel-Mapping: /=/_files/",
        "X-Accel-Limit-Rate: 1",
        "X_Accel_Redirect: /_files/r/there.txt",
        "X-Sendfile: /etc/passwd",
        "X-Sendfile-Type: X-Accel-Redirect",
        "X-Original-URL: /healthz",
        "X-Rewrite-URL: /healthz",
        "X-HTTP-Method-Override: PUT",
        "PATH_INFO: /healthz",
        "PATH-INFO: /healthz",
        "Script-Name: /healthz",
        "X-Forwarded-Prefix: /healthz",
        "X-Gateway-Reason: hello",
        "X-Request-ID: mine",
    ],
    ids=lambda header: header.split(":")[0],
)
def test_headers_that_steer_are_ignored_from_clients(stack: Stack, header: str) -> None:
    stack.put("r/there.txt", SECRET)
    refused = stack.raw(lines("GET /nothing HTTP/1.1", header))
    target = stack.sign("r/there.txt").removeprefix(stack.url)
    delivered = stack.raw(lines(f"GET {target} HTTP/1.1", header))
    assert refused.startswith(b"HTTP/1.1 404 ")
    assert SECRET.strip() not in refused
    assert delivered.startswith(b"HTTP/1.1 200 ")
    assert delivered.endswith(SECRET)
    assert b"mine" not in refused + delivered


@pytest.mark.database
@pytest.mark.parametrize(
    "path",
    [
        pytest.param("r/.hidden", id="hidden file"),
        pytest.param("r/.git/config", id="hidden folder"),
        pytest.param("r", id="folder"),
        pytest.param("r/socket", id="socket"),
        pytest.param("r/pipe", id="pipe"),
        pytest.param("r/outside.txt", id="symlink to outside"),
        pytest.param("r/etc/hostname", id="symlinked folder outside"),
        pytest.param("r/dangling", id="dangling symlink"),
        pytest.param("r/loop", id="symlink loop"),
        pytest.param("r/to-hidden", id="symlink to a hidden file"),
    ],
)
def test_what_is_no_visible_file_of_the_tree_is_not_there(
    stack: Stack, path: str
) -> None:
    lay_traps(stack)
    answer = stack.ask(stack.sign(path))
    assert answer.status_code == 404


@pytest.mark.docker
@pytest.mark.database
def test_a_symlink_within_the_tree_is_followed(stack: Stack) -> None:
    stack.put("releases/2/app.bin", b"two")
    replace_link(stack.files / "releases" / "current", "2")
    answer = stack.ask(stack.sign("releases/current/app.bin"))
    assert (answer.status_code, answer.content) == (200, b"two")


@pytest.mark.bucket(extra=True)
@pytest.mark.database
@pytest.mark.parametrize(
    "path",
    [
        pytest.param("./i.txt", id="dot"),
        pytest.param("%2e/i.txt", id="encoded dot"),
        pytest.param("%2E/i.txt", id="upper-case encoded dot"),
        pytest.param(".%2fi.txt", id="dot, encoded slash"),
        pytest.param("x/../i.txt", id="two dots"),
        pytest.param("x/%2e%2E/i.txt", id="two encoded dots"),
        pytest.param("x/.%2e/i.txt", id="one of two dots encoded"),
        pytest.param("x/..%2fi.txt", id="two dots, encoded slash"),
        pytest.param("x%2f..%2Fi.txt", id="between encoded slashes"),
        pytest.param("x%2F%2e%2e%2Fi.txt", id="all encoded"),
        pytest.param("i.txt/.", id="dot at the end"),
        pytest.param("i.txt/x/..", id="two dots at the end"),
        pytest.param("x//../../i.txt", id="empty segment"),
        pytest.param("x/../i.txt?a=b", id="query"),
    ],
)
def test_no_dot_segment_is_resolved_for_a_genuine_link(stack: Stack, path: str) -> None:
    # A file that was just replaced may still be sent as it was.
    show = f"show-{token_hex(4)}"
    stack.put(f"{show}/i.txt", SECRET)
    stack.put(f"{show}/x/j.txt", SECRET)
    folder = stack.sign(show, folder=True)
    assert stack.ask(folder + "i.txt").content == SECRET
    target = (folder + path).removeprefix(stack.url)
    answer = stack.raw(lines(f"GET {target} HTTP/1.1"))
    assert answer.startswith(b"HTTP/1.1 404 ")
    assert SECRET.strip() not in answer


def lay_traps(stack: Stack) -> None:
    """Fill the tree with what must never be served."""
    stack.put("r/.hidden", SECRET)
    stack.put("r/.git/config", SECRET)
    folder = stack.files / "r"
    outside = stack.home / "outside.txt"
    outside.write_bytes(SECRET)
    replace_link(folder / "outside.txt", str(outside))
    replace_link(folder / "etc", "/etc")
    replace_link(folder / "dangling", "nowhere")
    replace_link(folder / "loop", "loop")
    replace_link(folder / "to-hidden", ".hidden")
    (folder / "pipe").unlink(missing_ok=True)
    os.mkfifo(folder / "pipe")
    (folder / "socket").unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(folder / "socket"))


def replace_link(link: Path, target: str) -> None:
    link.unlink(missing_ok=True)
    link.symlink_to(target)


@pytest.mark.docker
def test_an_unreadable_file_is_not_there(stack: Stack) -> None:
    # Root reads everything: what nginx may not read is a matter of its user.
    path = stack.put("r/private.txt", SECRET)
    path.chmod(0)
    status = stack.ask(stack.sign("r/private.txt")).status_code
    assert status == {"native": 200 if os.geteuid() == 0 else 404}.get(stack.name, 404)


@pytest.mark.docker
def test_an_unknown_host_is_closed_without_an_answer(stack: Stack) -> None:
    assert stack.raw(b"GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n") == b""
    assert stack.raw(b"GET /s/x/y HTTP/1.0\r\n\r\n") == b""


@pytest.mark.docker
def test_health_is_told_under_any_host(stack: Stack) -> None:
    for path in ("/healthz", "/readyz"):
        answer = stack.ask(stack.url + path, headers={"Host": "10.1.2.3"})
        assert (answer.status_code, answer.json()["status"]) == (200, "ok")
        assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.docker
def test_nginx_s_metrics_are_there_for_this_machine_alone(stack: Stack) -> None:
    other = "X-Forwarded-For: 198.51.100.1"
    here = stack.send(stack.url + "/metrics/nginx", client="127.0.0.1")
    there = stack.raw(lines("GET /metrics/nginx HTTP/1.1", other))
    nothing = stack.raw(lines("GET /nothing HTTP/1.1", other))
    assert here.status_code == 200
    assert here.text.startswith("Active connections: ")
    assert without_ids(there) == without_ids(nothing)
    assert nothing.startswith(b"HTTP/1.1 404 ")


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        pytest.param(b"GET\r\n\r\n", b"400", id="no target"),
        pytest.param(
            b"GET / HTTP/9.9\r\nHost: localhost\r\n\r\n", b"400", id="version"
        ),
        pytest.param(
            b"GET /%zz HTTP/1.1\r\nHost: localhost\r\n\r\n", b"400", id="escape"
        ),
        pytest.param(
            b"GET /\x00 HTTP/1.1\r\nHost: localhost\r\n\r\n", b"400", id="NUL"
        ),
        pytest.param(
            b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: b\r\n\r\n",
            b"400",
            id="two hosts",
        ),
        pytest.param(
            b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
            b"414",
            id="long target",
        ),
        pytest.param(
            b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 20_000 + b"\r\n\r\n",
            b"431",
            id="long header",
        ),
        pytest.param(
            b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999\r\n\r\n",
            b"413",
            id="large body",
        ),
        pytest.param(
            b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
            b"400",
            id="negative length",
        ),
        pytest.param(
            b"GET / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n"
            b"Content-Length: 4\r\n\r\n0\r\n\r\n",
            b"400",
            id="smuggling",
        ),
        pytest.param(
            b"GET / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: foo\r\n\r\n",
            b"400",
            id="transfer encoding",
        ),
        pytest.param(
            b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n"
            b"\r\nzz\r\n",
            b"400",
            id="chunk",
        ),
        pytest.param(
            b"GET /s/a/\xc3\xa9 HTTP/1.1\r\nHost: localhost\r\n"
            b"Connection: close\r\n\r\n",
            b"400",
            id="raw UTF-8",
        ),
        pytest.param(
            b"GET /s/a/b HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
            b"X: \x01\r\n\r\n",
            b"400",
            id="control in a header",
        ),
        pytest.param(
            b"GET /_pages/error.html HTTP/1.1\r\nHost: localhost\r\n"
            b"Connection: close\r\n\r\n",
            b"404",
            id="a page by its own name",
        ),
    ],
)
def test_damaged_requests_get_a_clear_4xx_page(
    stack: Stack, request_bytes: bytes, status: bytes
) -> None:
    answer = stack.raw(request_bytes)
    head, _, page = answer.partition(b"\r\n\r\n")
    request_id = re.search(rb"X-Request-ID: (\S+)", head)
    assert head.split(b" ")[1] == status
    assert request_id is not None
    assert request_id[1] in page


@pytest.mark.bucket(extra=True)
@pytest.mark.database
def test_a_path_as_long_as_nginx_reads_is_refused_as_missing(stack: Stack) -> None:
    url = stack.sign("/".join(["d" * 200] * 60) + "/x.txt")
    answer = stack.ask(url)
    assert answer.status_code == 404


@pytest.mark.bucket(extra=True)
@pytest.mark.database
def test_a_kept_connection_serves_on_after_refusals(stack: Stack) -> None:
    stack.put("r/there.txt", SECRET)
    target = stack.sign("r/there.txt").removeprefix(stack.url)
    connection = HTTPConnection("127.0.0.1", stack.port, timeout=20)
    statuses = []
    for path in ("/nope", target, "/s/x/y", target):
        connection.request("GET", path, headers={"X-Forwarded-For": "2001:db8:f::1"})
        answer = connection.getresponse()
        answer.read()
        statuses.append(answer.status)
    connection.close()
    assert statuses == [404, 200, 404, 200]
