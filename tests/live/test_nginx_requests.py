"""What nginx does for every kind of request by itself, whatever Flask says to it."""

from __future__ import annotations

import json
import re
import socket
import threading
from itertools import count
from typing import TYPE_CHECKING, Any, Final

import pytest
import requests

from tests.live.stack import wait_until
from tests.live.test_nginx import NOT_FOUND, Nginx, cacheable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

#: What Flask hears of a client in headers that nginx alone may set.
MADE_UP = (
    "Forwarded",
    "Proxy",
    "X-Accel-Buffering",
    "X-Accel-Charset",
    "X-Accel-Expires",
    "X-Accel-Limit-Rate",
    "X-Accel-Mapping",
    "X-Accel-Redirect",
    "X-Bucket-Checksum",
    "X-Bucket-Status",
    "X-Forwarded-For",
    "X-Forwarded-Host",
    "X-Forwarded-Port",
    "X-Forwarded-Prefix",
    "X-Forwarded-Proto",
    "X-Forwarded-Protocol",
    "X-Forwarded-Ssl",
    "X-Gateway-Blob",
    "X-Gateway-Family",
    "X-Gateway-Reason",
    "X-Gateway-Run",
    "X-Original-Length",
    "X-Original-Method",
    "X-Original-URI",
    "X-Original-URL",
    "X-Real-IP",
    "X-Request-ID",
    "X-Rewrite-URL",
    "X-Sendfile",
    "X-Sendfile-Type",
    "X-Spool-File",
    "X-Verdict",
)
#: Two names are one to WSGI.
SPELLED = (*MADE_UP, *(name.replace("-", "_") for name in MADE_UP))
ADMITTED = b"HTTP/1.0 204 No Content\r\n\r\n"
#: What lets a request go as far as it can.
ANSWERS = {
    b"/_admit": ADMITTED,
    b"/s/k1": b"HTTP/1.0 403 Forbidden\r\n\r\n",
}
CACHEABLE = cacheable("x.txt")


@pytest.fixture
def nginx(tmp_path: Path) -> Iterator[Nginx]:
    with Nginx(tmp_path) as running:
        yield running


@pytest.mark.parametrize(
    ("method", "target", "asked"),
    [
        pytest.param("GET", "/", ["GET /"], id="page"),
        pytest.param("GET", "/healthz", ["GET /healthz"], id="health"),
        pytest.param("GET", "/metrics", ["GET /metrics"], id="metrics"),
        pytest.param("GET", "/s/t/x.txt", ["GET /s/t/x.txt"], id="signed URL"),
        pytest.param("GET", CACHEABLE, [f"GET {CACHEABLE}"], id="kept verdict"),
        pytest.param("GET", "/static/x", [], id="missing style"),
        pytest.param("GET", "/_files/x", [], id="internal file"),
        pytest.param("GET", "/_admit", [], id="internal question"),
        pytest.param("GET", "/_verdict", [], id="internal verdict"),
        pytest.param("POST", "/login", ["POST /login"], id="form"),
        pytest.param("POST", "/drops", ["POST /drops"], id="form of drop links"),
        pytest.param("POST", "/api/v1/x", ["POST /api/v1/x"], id="API"),
        pytest.param("GET", "/tus/x", ["GET /tus/x"], id="no upload"),
        pytest.param("GET", "/u/x", ["GET /u/x"], id="drop link"),
        *(
            pytest.param(
                method,
                target,
                ["GET /_admit", f"{method} {target}", f"{method} /_cut"],
                id=name,
            )
            for name, method, target in (
                ("raw upload", "PUT", "/api/v1/files/a"),
                ("tus", "POST", "/tus/"),
                ("chunk", "PATCH", "/tus/x"),
                ("upload form", "POST", "/upload"),
                ("drop link's form", "POST", "/u/x"),
            )
        ),
    ],
)
def test_python_is_told_nothing_that_a_client_made_up(
    nginx: Nginx, method: str, target: str, asked: list[str]
) -> None:
    fake = nginx.fake_gunicorn()
    fake.script = lambda line: next(
        (answer for part, answer in ANSWERS.items() if part in line), NOT_FOUND
    )
    headers = dict.fromkeys(SPELLED, "EVIL")
    requests.request(method, nginx.url + target, headers=headers, timeout=20)
    wait_until(lambda: len(fake.asked) == len(asked), what="all is asked")
    lines = [head.decode().partition(" HTTP/1.")[0] for head in fake.asked]
    assert lines == asked
    assert b"EVIL" not in b"".join(fake.asked)


@pytest.mark.parametrize(
    ("header", "told"),
    [
        pytest.param("Content-Length: 5", ["5"], id="announced"),
        pytest.param("Content-Length: 0", ["0"], id="announced as nothing"),
        pytest.param("Transfer-Encoding: chunked", [], id="chunked"),
        pytest.param("X-Original-Length: 7", ["0"], id="no body"),
    ],
)
def test_an_admission_hears_how_long_a_body_is(
    nginx: Nginx, header: str, told: list[str]
) -> None:
    fake = nginx.fake_gunicorn()
    head = f"PUT /api/v1/files/a HTTP/1.1\r\nHost: localhost\r\n{header}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", nginx.port), 20) as peer:
        peer.sendall(head.encode())
        # nginx would wait for the body for 5 s.
        wait_until(lambda: fake.asked, what="the admission is asked")
    found = re.findall(r"(?m)^X-Original-Length: (.*)\r$", fake.asked[0].decode())
    assert found == told


def test_a_client_can_make_up_no_header_that_nginx_sets(nginx: Nginx) -> None:
    """The test above knows every header that has to be overwritten or blanked."""
    # The site's application has a test of its own.
    files = {*(nginx.home / "conf").rglob("*.conf")}
    site = {path for path in files if path.name in {"authorize.conf", "site.conf"}}
    conf = "".join(path.read_text() for path in files - site)
    said = {*re.findall(r"(?m)^ *proxy_set_header ([\w-]+) ", conf)}
    own = {"Accept", "Connection", "Content-Length", "Host", "Transfer-Encoding"}
    # A valid one is the client's own.
    own.add("traceparent")
    assert said - own == {*MADE_UP}


@pytest.mark.parametrize(
    ("forwarded", "trusted", "told"),
    [
        pytest.param("203.0.113.9", "", "127.0.0.1", id="no proxy"),
        pytest.param("203.0.113.9", "127.0.0.0/8", "203.0.113.9", id="one proxy"),
        pytest.param(
            "203.0.113.9, 198.51.100.7", "127.0.0.0/8", "198.51.100.7", id="made up"
        ),
        pytest.param(
            "203.0.113.9, 198.51.100.7, 10.0.0.1",
            "127.0.0.0/8,10.0.0.0/8",
            "198.51.100.7",
            id="two proxies",
        ),
    ],
)
def test_the_client_is_the_last_address_that_is_no_proxy_s(
    tmp_path: Path, forwarded: str, trusted: str, told: str
) -> None:
    with Nginx(tmp_path, GATEWAY_TRUSTED_PROXIES=trusted) as nginx:
        fake = nginx.fake_gunicorn()
        nginx.get("/s/t/x.txt", headers={"X-Forwarded-For": forwarded})
    assert f"X-Real-IP: {told}\r\n".encode() in fake.asked[0]


@pytest.fixture
def strict(tmp_path: Path) -> Iterator[Nginx]:
    """Give an nginx that lets each client ask twice, and then once a second."""
    with Nginx(
        tmp_path, GATEWAY_CLIENT_REQUESTS="1", GATEWAY_TRUSTED_PROXIES="127.0.0.0/8"
    ) as running:
        running.fake_gunicorn()
        yield running


def is_refused(nginx: Nginx, method: str, target: str, *clients: str) -> bool:
    """Ask as often as there are *clients*; tell whether one was over its share."""
    statuses = [
        requests.request(
            method, nginx.url + target, headers={"X-Forwarded-For": client}, timeout=20
        ).status_code
        for client in clients
    ]
    return 429 in statuses


@pytest.mark.parametrize(
    ("method", "target"),
    [
        pytest.param("GET", "/", id="page"),
        pytest.param("GET", "/s/t/x.txt", id="signed URL"),
        pytest.param("GET", CACHEABLE, id="kept verdict"),
        pytest.param("GET", "/static/style.css", id="style"),
        pytest.param("GET", "/_files/x", id="internal file"),
        pytest.param("GET", "/_admit", id="internal question"),
        pytest.param("POST", "/login", id="form"),
        pytest.param("POST", "/drops", id="form of drop links"),
        pytest.param("POST", "/api/v1/x", id="API"),
        pytest.param("GET", "/u/x", id="drop link"),
        pytest.param("GET", "/tus/x", id="no upload"),
        pytest.param("PUT", "/api/v1/files/a", id="raw upload"),
        pytest.param("PATCH", "/tus/x", id="chunk"),
        pytest.param("POST", "/upload", id="upload form"),
        pytest.param("POST", "/u/x", id="drop link's form"),
    ],
)
def test_a_client_gets_its_share_of_every_kind_of_request(
    strict: Nginx, method: str, target: str
) -> None:
    # A slow machine may need more than three: one a second is let in.
    wait_until(
        lambda: is_refused(strict, method, target, *["198.51.100.1"] * 5),
        what="the client is refused",
    )
    assert not is_refused(strict, method, target, "198.51.100.2")


def test_an_ipv6_network_of_64_bits_is_one_client(strict: Nginx) -> None:
    # Each address asks once: by itself, none is over its share.
    clients = (f"2001:db8:0:1:{number:x}::" for number in count(1))
    wait_until(
        lambda: is_refused(strict, "GET", "/", next(clients)),
        what="the client is refused",
    )
    assert not is_refused(strict, "GET", "/", "2001:db8:0:2::")


def many(prefix: str) -> list[str]:
    """Return the addresses of six IPv4 clients, embedded below *prefix*.

    One ends in the byte that is a line end, one looks like the prefix itself.
    """
    last = (
        "c000:0201",
        "c000:020a",
        "c633:6401",
        "0064:ff9b",
        "ffff:ffff",
        "0a0a:0a0a",
    )
    return [prefix + address for address in last]


@pytest.mark.parametrize(
    "prefix",
    [
        pytest.param("::ffff:", id="mapped"),
        pytest.param("64:ff9b::", id="translated by NAT64"),
    ],
)
def test_an_ipv4_client_in_an_ipv6_address_is_a_client_of_its_own(
    strict: Nginx, prefix: str
) -> None:
    assert not is_refused(strict, "GET", "/", *many(prefix))
    wait_until(
        lambda: is_refused(strict, "GET", "/", *[f"{prefix}203.0.113.7"] * 5),
        what="the client is refused",
    )
    assert not is_refused(strict, "GET", "/", f"{prefix}203.0.113.8")


@pytest.mark.parametrize(
    "prefix",
    [
        pytest.param("::fffe:", id="beside mapped"),
        pytest.param("64:ff9b::1:", id="beside NAT64"),
        pytest.param("64:ff9c::", id="another network"),
    ],
)
def test_other_addresses_that_end_in_four_bytes_are_their_network_s(
    strict: Nginx, prefix: str
) -> None:
    wait_until(
        lambda: is_refused(strict, "GET", "/", *many(prefix)),
        what="the network is refused",
    )


@pytest.mark.parametrize(
    "target",
    [
        pytest.param("//s/t/x.txt", id="signed URL"),
        pytest.param("//", id="nothing"),
        pytest.param("///tus/x", id="three"),
        pytest.param("/%2Fu/x", id="encoded"),
        pytest.param("//_files/x", id="internal"),
        pytest.param("http://localhost//files/x", id="absolute form"),
        pytest.param("//api/v1/files/a", id="API"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "PUT", "POST"], ids=str)
def test_what_begins_with_two_slashes_is_refused_unasked(
    nginx: Nginx, method: str, target: str
) -> None:
    fake = nginx.fake_gunicorn()
    answer = nginx.send(f"{method} {target} HTTP/1.1")
    assert answer.startswith("HTTP/1.1 400 ")
    assert "Invalid request" in answer
    assert fake.asked == []


FORMS = (
    *("/login", "/logout", "/password", "/delete", "/drops", "/drops/revoke", "/open"),
    "/api/v1/x",
)
LONG = 65_537


@pytest.mark.parametrize("target", FORMS)
def test_a_form_that_is_too_long_is_not_passed_on(nginx: Nginx, target: str) -> None:
    fake = nginx.fake_gunicorn()
    told = requests.post(nginx.url + target, data=bytes(LONG), timeout=20)
    chunks = iter([bytes(LONG)])
    untold = requests.post(nginx.url + target, data=chunks, timeout=20)
    assert (told.status_code, untold.status_code) == (413, 413)
    assert fake.asked == []


#: As a share's or a drop link's; ``secret`` behind it has letters that codes have.
CODE = "0123456789abcdefghjkmnpqrstvwxyz01234567"


#: Targets, and what the log shows of them, by what is hidden where.
HIDDEN: Final = {
    **{
        f"link, {letter}": (f"/{letter}/secret/a.txt", f"/{letter}/[redacted]/a.txt")
        for letter in "sdluSDLU"
    },
    **{
        f"two slashes, {letter}": (
            f"/{letter}//secret/a.txt",
            f"/{letter}/[redacted]/a.txt",
        )
        for letter in "sdlu"
    },
    "slashes before": ("//s/secret/a.txt", "[redacted]"),
    "bearer token": ("/x/gwt_secret/a.txt", "[redacted]"),
    "bearer token in a link": ("/s/t/gwt_secret", "[redacted]"),
    "disguised": ("/%73/secret/a.txt", "[redacted]"),
    "dot segments": ("/x/%2e%2e/s/secret/a.txt", "[redacted]"),
    "MAC elsewhere": (f"/x/secret.{'m' * 22}/a.txt", "[redacted]"),
    "MAC in a path": (f"/s/x/secret.{'m' * 22}", "[redacted]"),
    "code elsewhere": (f"/x/u/{CODE}secret", "[redacted]"),
    "capitals": (f"/x/U/{CODE.upper()}secret", "[redacted]"),
    "broken code": ("/u/secret%20=secret.", "/u/[redacted]"),
    "two links": (f"/u/{CODE}https://localhost/u/sec=ret", "[redacted]"),
    "code in a link": (f"/u/x/d/{CODE}secret", "[redacted]"),
    "query": ("/a/b.txt?secret", "/a/b.txt"),
}


def test_the_access_log_shows_no_token(nginx: Nginx) -> None:
    nginx.fake_gunicorn()
    sent = {name: f"GET {target} HTTP/1.1" for name, (target, _) in HIDDEN.items()}
    shown = {name: row["uri"] for name, row in all_logged(nginx, sent).items()}
    assert shown == {name: shown for name, (_, shown) in HIDDEN.items()}
    assert "secret" not in nginx.log()


def test_each_request_has_an_id_of_its_own_that_fits_into_the_catalog(
    nginx: Nginx,
) -> None:
    nginx.fake_gunicorn()
    with requests.Session() as kept:
        answers = [kept.get(nginx.url + "/s/t/x.txt") for _ in range(3)]
    answers += [nginx.get("/static/x") for _ in range(3)]
    ids = [answer.headers["X-Request-ID"] for answer in answers]
    # Within a millisecond, too.
    assert len({each.rpartition("-")[0] for each in ids}) == len(answers)
    assert max(map(len, ids)) <= 64


def all_logged(nginx: Nginx, sent: dict[str, str]) -> dict[str, dict[str, Any]]:
    """Send requests of these lines and return their rows of the access log."""
    answers = {name: nginx.send(lines) for name, lines in sent.items()}
    ids = {
        name: found[1]
        for name, answer in answers.items()
        if (found := re.search(r"X-Request-ID: (\S+)", answer))
    }
    assert ids.keys() == sent.keys()
    wait_until(
        lambda: all(request_id in nginx.log() for request_id in ids.values()),
        what="every request is logged",
    )
    lines = [line for line in nginx.log().splitlines() if line.startswith("{")]
    rows = [{**json.loads(line), "line": line} for line in lines]
    by_id = {row["request_id"]: row for row in rows}
    return {name: by_id[request_id] for name, request_id in ids.items()}


def logged(nginx: Nginx, *lines: str) -> dict[str, Any]:
    """Send a request of *lines* and return its row of the access log."""
    return all_logged(nginx, {"": "\r\n".join(lines)})[""]


MAC = "Aa0_-" * 4 + "Zg"


#: Texts that hold a token, or are like one.
LIKE_TOKENS: Final = {
    "bearer token": f"x gwt_abcdefghijkl_{MAC * 2}",
    "signed URL": f"x https://a.example/s/k1.e2.i3.{MAC}/a.txt",
    "token alone": f"k1.e2.i3.{MAC}",
    "encoded": f"x https%3A%2F%2Fa.example%2fu%2f{MAC}",
    "encoded token": f"k1%2Ei3%2E{MAC}",
    "code alone": f"{CODE} {MAC}",
    "code in capitals": f"{CODE.upper()} {MAC}",
    **{f"link, {letter}": f"x a/{letter}/{MAC}" for letter in "sdlu"},
}


@pytest.mark.parametrize(
    ("header", "shown"), [("User-Agent", "agent"), ("Range", "range")]
)
def test_no_header_brings_a_token_into_the_access_log(
    nginx: Nginx, header: str, shown: str
) -> None:
    nginx.fake_gunicorn()
    sent = {
        name: f"GET /x HTTP/1.1\r\n{header}: {text}"
        for name, text in LIKE_TOKENS.items()
    }
    found = {name: row[shown] for name, row in all_logged(nginx, sent).items()}
    assert found == dict.fromkeys(LIKE_TOKENS, "[redacted]")
    assert MAC not in nginx.log()


@pytest.mark.parametrize(
    "agent",
    [
        "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
        "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
        "My%20App/1.0 CFNetwork/1410.0.3 Darwin/22.6.0",
    ],
    ids=["browser", "crawler", "phone"],
)
def test_an_honest_program_s_name_is_logged(nginx: Nginx, agent: str) -> None:
    nginx.fake_gunicorn()
    row = logged(nginx, "GET /x HTTP/1.1", f"User-Agent: {agent}", "Range: bytes=0-9")
    assert (row["agent"], row["range"]) == (agent, "bytes=0-9")


#: What one write to a pipe takes in one chunk: Linux's PIPE_BUF.
PIECE = 4096


@pytest.mark.parametrize("letter", ["x", '"', "\\"], ids=["letters", "quotes", "\\"])
def test_a_line_of_the_log_is_written_in_one_piece(nginx: Nginx, letter: str) -> None:
    nginx.fake_gunicorn()
    row = logged(
        nginx,
        f"{'M' * 300} /{letter * 14_000} HTTP/1.1",
        f"Host: localhost.{letter * 14_000}",
        f"User-Agent: {letter * 14_000}",
        f"Range: {letter * 14_000}",
    )
    assert len(row["line"]) < PIECE
    assert row["uri"].startswith(f"/{letter * 900}")
    assert row["uri"].endswith("...")


@pytest.mark.parametrize(
    ("version", "shown"),
    [
        pytest.param("1.1", "HTTP/1.1", id="plain"),
        pytest.param("1.0", "HTTP/1.0", id="older"),
        pytest.param(f"1.{'0' * 9000}1", "HTTP/1.000", id="zeros"),
        pytest.param(f"1.1{' ' * 9000}", "HTTP/1.1", id="blanks"),
    ],
)
def test_a_version_is_logged_as_its_first_characters(
    nginx: Nginx, version: str, shown: str
) -> None:
    """A version may have any number of zeros, and of blanks behind it."""
    nginx.fake_gunicorn()
    row = logged(nginx, f"GET /x HTTP/{version}")
    assert row["protocol"] == shown
    assert len(row["line"]) < PIECE


@pytest.mark.parametrize(
    ("method", "target", "body"),
    [
        pytest.param("GET", "/", "", id="page"),
        pytest.param("GET", "/s/t/x.txt", "", id="signed URL"),
        pytest.param("GET", CACHEABLE, "", id="kept verdict"),
        pytest.param("PUT", "/api/v1/files/a", "Content-Length: 9\r\n", id="upload"),
        pytest.param("PATCH", "/tus/x", "Content-Length: 9\r\n", id="chunk"),
    ],
)
def test_a_client_that_left_has_a_status_of_its_own(
    nginx: Nginx, method: str, target: str, body: str
) -> None:
    fake = nginx.fake_gunicorn()
    is_logged = threading.Event()

    def answer(line: bytes) -> bytes:
        return ADMITTED if b"/_" in line else (is_logged.wait(20), NOT_FOUND)[1]

    fake.script = answer
    with socket.create_connection(("127.0.0.1", nginx.port), 20) as peer:
        peer.sendall(
            f"{method} {target} HTTP/1.1\r\nHost: localhost\r\n{body}\r\n".encode()
        )
        wait_until(lambda: fake.asked, what="Flask is asked")
    wait_until(lambda: f'"method":"{method}"' in nginx.log(), what="it is logged")
    is_logged.set()
    assert '"status":499' in nginx.log()
