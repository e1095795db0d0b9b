"""The answers of a bucket's server, and what nginx passes on to clients."""

from __future__ import annotations

import json
import re
import time
from typing import TYPE_CHECKING, Any

import pytest
import requests

from gateway.delivery.accel import store_headers
from gateway.runtime.logs import redact_line
from gateway.storage.content import BucketPut
from tests.live.fake_bucket import CONTENT, ETAG, FakeBucket, answer
from tests.live.stack import wait_until
from tests.live.test_nginx import NOT_FOUND, Nginx, cacheable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

URL = "/media/x.txt?X-Amz-Expires=60&X-Amz-Signature=secretsignature"
#: The bucket's answer to a PUT.
STORED = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
#: A link to certain networks, whose verdict is never kept.
ASKED = f"/s/k1.a2.{'m' * 22}/x.txt"


def verdict(urls: str) -> bytes:
    """Return Flask's verdict with the URLs of an object."""
    lines = (
        "HTTP/1.0 200 OK",
        "X-Accel-Redirect: @gateway_object",
        f"X-Accel-Object: {urls}",
        'X-Accel-Disposition: attachment; filename="x.txt"',
        "X-Accel-Cache-Control: private, max-age=60",
        "Content-Length: 0",
    )
    return "\r\n".join((*lines, "", "")).encode()


def kept_verdict(urls: str) -> bytes:
    """Return the same, for nginx to keep."""
    lines = (
        "HTTP/1.0 200 OK",
        f"X-Accel-Target: object:{urls}",
        "X-Accel-Expires: 60",
        'Content-Disposition: attachment; filename="x.txt"',
        "X-Accel-Cache-Control: private, max-age=60",
        "Content-Length: 0",
    )
    return "\r\n".join((*lines, "", "")).encode()


class Delivery:
    """nginx between a gunicorn and a bucket, both fakes."""

    def __init__(self, nginx: Nginx, bucket: FakeBucket) -> None:
        self.nginx, self.bucket = nginx, bucket
        self.gunicorn = nginx.fake_gunicorn()
        self.names(f"{URL} {URL}")

    def names(self, urls: str) -> None:
        """Let each verdict name these URLs."""
        self.gunicorn.script = lambda line: (
            NOT_FOUND
            if b" /s/" not in line
            else verdict(urls)
            if ASKED.encode() in line
            else kept_verdict(urls)
        )

    def get(self, path: str = ASKED, **options: object) -> requests.Response:
        return self.nginx.get(path, allow_redirects=False, **options)

    def put(self, body: bytes, to: str = URL) -> str:
        """Upload; return the bucket's status, as nginx tells it Flask."""
        headers = store_headers(BucketPut("aa/blob", to, ""))
        lines = ("HTTP/1.0 200 OK", *(f"{k}: {v}" for k, v in headers.items()), "", "")
        answers = {
            b" /_admit ": b"HTTP/1.0 204 No Content\r\n\r\n",
            b" /api/": "\r\n".join(lines).encode(),
            b" /_commit ": b"HTTP/1.0 201 Created\r\nContent-Length: 0\r\n\r\n",
        }
        self.gunicorn.script = lambda line: next(
            (answer for part, answer in answers.items() if part in line), NOT_FOUND
        )
        url = f"{self.nginx.url}/api/v1/files/a.bin"
        assert requests.put(url, data=body, timeout=20).status_code == 201
        commit = self.gunicorn.asked[-1].decode()
        assert commit.startswith("PUT /_commit ")
        return "".join(re.findall(r"(?m)^X-Bucket-Status: (.*)\r$", commit))

    def ledger(self) -> list[dict[str, Any]]:
        """Return the lines of the ledger, after nginx has written one."""
        file = self.nginx.home / "data" / "current.log"
        wait_until(lambda: file.is_file() and file.read_text(), what="it has a line")
        return [*map(json.loads, file.read_text().splitlines())]


@pytest.fixture
def delivery(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Delivery]:
    """Give a delivery; its parameter is the setting of kept verdicts."""
    with (
        FakeBucket().running() as bucket,
        Nginx(
            tmp_path,
            GATEWAY_FILES="s3://media",
            GATEWAY_BLOBS="s3://media/uploads",
            GATEWAY_BUCKET_ENDPOINT=f"http://127.0.0.1:{bucket.port}",
            GATEWAY_VERDICT_TTL=getattr(request, "param", "1"),
        ) as nginx,
    ):
        yield Delivery(nginx, bucket)


def redacted(nginx: Nginx) -> str:
    """Return nginx's log as ``gateway serve`` passes it on."""
    return "\n".join(map(redact_line, nginx.log().splitlines()))


#: Each is by itself harmless to the bucket, and would steer nginx or the client.
HOSTILE = (
    "X-Accel-Redirect: /_files/private.txt",
    "X-Accel-Limit-Rate: 1",
    "X-Accel-Expires: 0",
    "X-Accel-Buffering: no",
    "X-Gateway-Ledger: forged",
    "X-Gateway-Reason: forged",
    "X-Amz-Meta-Owner: forged",
    "Set-Cookie: session=forged",
    "Location: https://evil.example/",
    "Refresh: 0; url=https://evil.example/",
    "Clear-Site-Data: *",
    "Link: <https://evil.example/>; rel=preload",
    "Access-Control-Allow-Origin: *",
    "Cross-Origin-Resource-Policy: cross-origin",
    "Content-Security-Policy-Report-Only: default-src evil.example",
    "Content-Disposition: inline",
    "Content-Language: tlh",
    "Content-Type: text/html",
    "Cache-Control: public, max-age=9999",
    "Expires: Fri, 01 Jan 2100 00:00:00 GMT",
    "Strict-Transport-Security: max-age=9999",
    "Report-To: {}",
    "NEL: {}",
    "Server: bucket",
    "Vary: *",
    "Via: 1.1 bucket",
    "WWW-Authenticate: Basic",
)
#: All that a client gets, but for a header of the connection.
ANSWERED = {
    "Accept-Ranges": "bytes",
    "Cache-Control": "private, max-age=60",
    "Content-Disposition": 'attachment; filename="x.txt"',
    "Content-Length": "26",
    "Content-Security-Policy": "sandbox; default-src 'none'",
    "Content-Type": "text/plain; charset=utf-8",
    "Cross-Origin-Resource-Policy": "same-site",
    "ETag": ETAG,
    "Last-Modified": "Thu, 01 Jan 2026 00:00:00 GMT",
    "Referrer-Policy": "no-referrer",
    "Server": "nginx",
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex",
}
PATHS = [
    pytest.param(ASKED, id="asked"),
    pytest.param(cacheable("x.txt"), id="kept"),
]


@pytest.mark.parametrize("path", PATHS)
def test_no_header_of_the_bucket_reaches_a_client_or_steers_nginx(
    delivery: Delivery, path: str
) -> None:
    delivery.bucket.script = lambda method: answer(method, *HOSTILE)
    for _ in range(3):  # the last one has the bytes from the cache
        got = delivery.get(path)
        own = {"Connection", "Date", "X-Request-ID"}
        assert {k: v for k, v in got.headers.items() if k not in own} == ANSWERED
        assert (got.status_code, got.content) == (200, CONTENT)
    wait_until(lambda: '"uri":"/s/' in delivery.nginx.log(), what="it is logged")
    assert "forged" not in delivery.nginx.log()
    assert "forged" not in json.dumps(delivery.ledger())


@pytest.mark.parametrize("path", PATHS)
def test_the_bucket_gets_no_header_and_no_token_of_a_client(
    delivery: Delivery, path: str
) -> None:
    sent = {
        "Authorization": "Bearer secret",
        "Cookie": "session=secret",
        "X-Amz-Security-Token": "secret",
        "Range": "bytes=1-2",
        "If-None-Match": '"secret"',
        "Accept-Encoding": "gzip",
    }
    assert delivery.get(path, headers=sent).content == CONTENT[1:3]
    host = f"Host: 127.0.0.1:{delivery.bucket.port}"
    assert [head.strip().split("\r\n") for head in delivery.bucket.asked] == [
        [f"HEAD {URL} HTTP/1.1", host],
        [f"GET {URL} HTTP/1.1", host, f"If-Match: {ETAG}", "Range: bytes=0-4194303"],
    ]


@pytest.mark.parametrize("path", PATHS)
def test_an_encoded_object_is_called_so(delivery: Delivery, path: str) -> None:
    delivery.bucket.script = lambda method: answer(method, "Content-Encoding: compress")
    assert delivery.get(path).headers["Content-Encoding"] == "compress"


#: What a verdict may say instead of two URLs.
FORMS = (
    "{other}/x?a {other}/x?a",
    "@{other}/x?a @{other}/x?a",
    ".{other}/x?a .{other}/x?a",
    "http://{other}/x?a http://{other}/x?a",
    f"{URL} @{{other}}/x?a",
    f"@{{other}}/x?a {URL}",
    URL,
    f"{URL} {URL} {URL}",
    "/media/x.txt /media/x.txt",
    "",
)


@pytest.mark.parametrize("path", PATHS)
def test_a_verdict_can_name_no_other_server(delivery: Delivery, path: str) -> None:
    with FakeBucket().running() as other:
        for number, form in enumerate(FORMS):
            delivery.names(form.format(other=f"127.0.0.1:{other.port}"))
            # Each has a name of its own: a verdict of the same URL could be kept.
            answers = [delivery.get(f"{path}{number}") for _ in range(2)]
            assert {a.status_code for a in answers} == {404}, form
        assert (other.asked, delivery.bucket.asked) == ([], [])


def test_an_upload_can_name_no_other_server(delivery: Delivery) -> None:
    """Flask stores what nginx does not send."""
    with FakeBucket().running() as other:
        for form in ("{}", "@{}", ".{}", "http://{}", f"{URL} {{}}", ""):
            to = form.format(f"127.0.0.1:{other.port}/x?a")
            assert delivery.put(b"x", to) == "", form
        assert (other.asked, delivery.bucket.asked) == ([], [])


@pytest.mark.parametrize("target", ["/_object", "/_object?x", "/_%6Fbject"])
def test_no_client_reaches_the_look_up(delivery: Delivery, target: str) -> None:
    got, nothing = delivery.get(target), delivery.get("/_nothing")
    shown = [
        (a.status_code, a.text.replace(a.headers["X-Request-ID"], ""))
        for a in (got, nothing)
    ]
    assert shown[0] == shown[1]
    assert (got.status_code, delivery.bucket.asked) == (404, [])


ERRORS = (
    *("301 Moved Permanently", "307 Temporary Redirect", "400 Bad Request"),
    *("401 Unauthorized", "406 No", "409 No", "418 No", "422 No", "451 No"),
    *("500 Internal Server Error", "503 Slow Down", "507 No", "520 No", "599 No"),
)


@pytest.mark.parametrize("failing", ["HEAD", "GET"])
def test_an_error_of_the_bucket_is_a_503_page(delivery: Delivery, failing: str) -> None:
    for status in ERRORS:
        error = (
            f"HTTP/1.1 {status}\r\nLocation: {URL}\r\nContent-Length: 5\r\n\r\nerror"
        )
        delivery.bucket.script = lambda method, error=error: (  # type: ignore[misc]
            error.encode() if method == failing else answer(method)
        )
        got = delivery.get()
        assert (got.status_code, got.headers["Retry-After"]) == (503, "5"), status
        assert "Service temporarily unavailable" in got.text
        assert got.headers["Cache-Control"] == "no-store"
        assert not {"Location", "Content-Disposition"} & {*got.headers}
    assert len(delivery.bucket.asked) <= 2 * len(ERRORS)
    wait_until(
        lambda: '"reason":"bucket-failed"' in delivery.nginx.log(), what="it is logged"
    )


@pytest.mark.parametrize("status", ["403 Forbidden", "429 Slow Down", "503 Slow Down"])
def test_what_is_cached_is_sent_when_the_bucket_refuses(
    delivery: Delivery, status: str
) -> None:
    assert delivery.get().content == CONTENT
    refusal = f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode()
    delivery.bucket.script = lambda _: refusal
    asked = len(delivery.bucket.asked)
    wait_until(
        lambda: (
            delivery.get().content == CONTENT and len(delivery.bucket.asked) > asked
        ),
        what="the version is looked up again",
    )
    assert delivery.get().content == CONTENT


@pytest.mark.parametrize("failing", ["HEAD", "GET"])
def test_an_object_that_the_bucket_denies_is_not_there(
    delivery: Delivery, failing: str
) -> None:
    for status in ("403 Forbidden", "404 Not Found"):
        error = f"HTTP/1.1 {status}\r\nContent-Length: 5\r\n\r\nerror".encode()
        delivery.bucket.script = lambda method, error=error: (  # type: ignore[misc]
            error if method == failing else answer(method)
        )
        got = delivery.get()
        assert (got.status_code, "Page not found" in got.text) == (404, True)
        assert got.headers["Cache-Control"] == "no-store"
        # A browser would save the page.
        assert "Content-Disposition" not in got.headers
    wait_until(
        lambda: '"reason":"missing"' in delivery.nginx.log(), what="it is logged"
    )


@pytest.mark.parametrize(
    "said",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"rubbish\r\n\r\n", id="rubbish"),
        pytest.param(answer("HEAD", f"X-Long: {'x' * 20_000}"), id="a long header"),
        pytest.param(answer("HEAD", etag=""), id="no ETag"),
    ],
)
def test_an_object_without_a_version_is_a_503_page(
    delivery: Delivery, said: bytes
) -> None:
    """Slices of two versions could be mixed."""
    delivery.bucket.script = lambda method: said if method == "HEAD" else answer(method)
    assert delivery.get().status_code == 503
    assert [head.partition(" ")[0] for head in delivery.bucket.asked] == ["HEAD"]


def test_a_bucket_without_ranges_delivers_the_whole_object(delivery: Delivery) -> None:
    delivery.bucket.script = lambda method: answer(method, status="200 OK")
    ranges = (None, "bytes=1-2", "bytes=-1")
    answers = [delivery.get(headers={"Range": each}) for each in ranges]
    assert {(a.status_code, a.content) for a in answers} == {(200, CONTENT)}


def test_several_ranges_give_the_whole_object(delivery: Delivery) -> None:
    for _ in range(2):  # the second time from the cache
        got = delivery.get(headers={"Range": "bytes=0-1,4-5"})
        assert (got.status_code, got.content) == (200, CONTENT)
        assert got.headers["Content-Type"] == "text/plain; charset=utf-8"


def test_an_object_that_is_replaced_again_and_again_is_a_503_page(
    delivery: Delivery,
) -> None:
    changed = b"HTTP/1.1 412 Precondition Failed\r\nContent-Length: 0\r\n\r\n"
    delivery.bucket.script = lambda method: (
        changed if method == "GET" else answer(method)
    )
    assert delivery.get().status_code == 503
    assert [head.partition(" ")[0] for head in delivery.bucket.asked] == [
        *("HEAD", "GET", "HEAD", "GET")
    ]


def test_a_replaced_object_is_sent_after_the_next_look_up(delivery: Delivery) -> None:
    assert delivery.get().content == CONTENT
    replaced = CONTENT.upper()
    delivery.bucket.script = lambda method: answer(
        method, content=replaced, etag='"next"'
    )
    wait_until(
        lambda: delivery.get().headers["ETag"] == '"next"', what="it is looked up"
    )
    assert delivery.get().content == replaced


@pytest.mark.parametrize("named", ['"another"', "0"])
def test_a_failed_precondition_stalls_no_cache(delivery: Delivery, named: str) -> None:
    refused = delivery.get(headers={"If-Match": named})
    met = delivery.get(headers={"If-Match": ETAG})
    assert (refused.status_code, met.status_code) == (412, 200)
    assert "The file has changed" in refused.text
    wait_until(lambda: '"status":412' in delivery.nginx.log(), what="it is logged")
    assert "[alert]" not in delivery.nginx.log()


def test_a_conditional_request_is_not_buffered_on_disk(delivery: Delivery) -> None:
    """It has no slices in the cache, and its client may be slow."""
    content = bytes(4 << 20)
    delivery.bucket.script = lambda method: answer(method, content=content)
    told = verdict(f"{URL} {URL}").replace(
        b"\r\n\r\n", b"\r\nX-Accel-Limit-Rate: 8388608\r\n\r\n"
    )
    delivery.gunicorn.script = lambda _line: told
    assert delivery.get(headers={"If-Match": ETAG}).content == content
    assert "buffered to a temporary file" not in delivery.nginx.log()


def test_without_the_bucket_what_is_cached_is_sent(delivery: Delivery) -> None:
    names = {"hot": "/media/hot.txt?a /media/hot.txt?a", "cold": f"{URL} {URL}"}
    delivery.names(names["hot"])
    assert delivery.get().content == CONTENT
    delivery.bucket.close()
    end = time.time() + 1
    wait_until(lambda: time.time() > end, what="the look-up is over")
    assert delivery.get().content == CONTENT
    delivery.names(names["cold"])
    assert delivery.get().status_code == 503
    log = redacted(delivery.nginx)
    assert "X-Amz-Signature=[redacted]" in log
    assert "secretsignature" not in log


@pytest.mark.parametrize("delivery", ["0", "1"], indirect=True, ids=["asked", "kept"])
def test_the_ledger_has_what_was_sent_of_an_object(delivery: Delivery) -> None:
    what = "share recipient - path 1 0"
    told = verdict(f"{URL} {URL}").replace(
        b"\r\n\r\n", f"\r\nX-Gateway-Ledger: {what}\r\n\r\n".encode()
    )
    delivery.gunicorn.script = lambda _line: told
    delivery.get("/d/code", headers={"Range": "bytes=1-2"})
    [line] = delivery.ledger()
    assert (line["what"], line["status"], line["bytes"]) == (what, "206", 2)
    assert line["range"] == "bytes 1-2/26"


@pytest.mark.parametrize("delivery", ["0"], indirect=True, ids=["asked"])
def test_without_kept_verdicts_a_key_is_booked_for_an_object(
    delivery: Delivery,
) -> None:
    delivery.bucket.script = lambda method: answer(method, *HOSTILE)
    delivery.get()
    assert [line["what"] for line in delivery.ledger()] == ["key 1"]
