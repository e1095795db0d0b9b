"""The site's own application decides about /p/, and nginx delivers."""

from __future__ import annotations

import json
import subprocess
import tempfile
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest
import requests
from werkzeug.serving import make_server

from tests.live.ports import free_port
from tests.live.shown import blocks
from tests.live.site import LOGIN, MEMBER, Answer, a_site
from tests.live.stack import NativeStack, Stack, facts, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.live.site import Site

#: An answer that may be kept, for longer than a test takes.
KEPT: Final = Answer(204, headers={"X-Gateway-Keep": "60"})
#: Headers that nginx or requests adds to an answer of the site.
ADDED: Final = {"Connection", "Date", "Server", "Transfer-Encoding", "X-Request-ID"}


class SiteStack(NativeStack):
    """A gateway that asks a site."""

    site: Site

    def read(self, path: str, method: str = "GET", **headers: str) -> Answer:
        """Request a path as a member, or with other headers; return the answer."""
        answer = self.send(f"{self.url}{path}", method, headers=headers or MEMBER)
        own = {k: v for k, v in answer.headers.items() if k not in ADDED}
        return Answer(answer.status_code, answer.content, own)


@pytest.fixture(scope="module")
def certificate() -> Iterator[Path]:
    """Return a file with a key and a certificate for localhost."""
    with tempfile.TemporaryDirectory(prefix="gw-") as folder:
        path = Path(folder) / "site.pem"
        subprocess.run(
            ["openssl", "req", "-x509", "-nodes", "-days", "1", "-subj", "/CN=site",
             "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
             "-addext", "subjectAltName=DNS:localhost", "-keyout", path, "-out", path],
            check=True, capture_output=True,
        )  # fmt: skip
        yield path


@pytest.fixture(scope="module")
def keeping() -> Iterator[SiteStack]:
    """Give a gateway that keeps verdicts, and the site's answers by two names."""
    with ExitStack() as stack:
        port = free_port()
        gateway = SiteStack(
            GATEWAY_AUTHORIZE=f"http://127.0.0.1:{port}/may-read(it)",
            GATEWAY_AUTHORIZE_BY="cookie:session header:X-Api-Key",
        )
        gateway.site = stack.enter_context(a_site(port))
        yield stack.enter_context(gateway.running())


@pytest.fixture(scope="module")
def asking(certificate: Path) -> Iterator[SiteStack]:
    """Give a gateway that keeps nothing, and asks the site over TLS."""
    with ExitStack() as stack, pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSL_CERT_FILE", str(certificate))
        port = free_port()
        gateway = SiteStack(
            GATEWAY_AUTHORIZE=f"https://localhost:{port}", GATEWAY_VERDICT_TTL="0"
        )
        gateway.site = stack.enter_context(a_site(port, certificate))
        yield stack.enter_context(gateway.running())


@pytest.fixture(params=["keeping", "asking"])
def gateway(request: pytest.FixtureRequest) -> SiteStack:
    stack: SiteStack = request.getfixturevalue(request.param)
    stack.put("a.txt", b"0123456789")
    return stack


@pytest.mark.parametrize(
    ("method", "headers", "status", "body"),
    [
        pytest.param("GET", {}, 200, b"0123456789", id="whole"),
        pytest.param("HEAD", {}, 200, b"", id="head"),
        pytest.param("GET", {"Range": "bytes=2-4"}, 206, b"234", id="range"),
        pytest.param("GET", {"Range": "bytes=99-"}, 416, None, id="no such range"),
        pytest.param(
            "GET", {"If-Modified-Since": "Fri, 01 Jan 2100 00:00:00 GMT"}, 304, b"",
            id="unchanged",
        ),
    ],
)  # fmt: skip
def test_a_permitted_file_is_delivered_as_by_a_signed_url(
    gateway: SiteStack,
    method: str,
    headers: dict[str, str],
    status: int,
    body: bytes | None,
) -> None:
    answer = gateway.send(
        f"{gateway.url}/p/a.txt", method, headers={**MEMBER, **headers}
    )
    signed = gateway.send(gateway.sign("a.txt"), method, headers=headers)
    assert answer.status_code == status
    assert body is None or answer.content == body
    assert facts(answer) == facts(signed)


def test_a_client_must_ask_again_before_it_uses_its_copy(gateway: SiteStack) -> None:
    answer = gateway.read("/p/a.txt")
    assert answer.headers["Cache-Control"] == "private, max-age=0"


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(
    "answer",
    [
        Answer(401, b"Who?", {"WWW-Authenticate": "Basic"}),
        Answer(403, b"<h1>No</h1>", {"Content-Type": "text/html"}),
        Answer(404, b"{}", {"Content-Type": "application/json"}),
        Answer(429, b"Wait", {"Retry-After": "7"}),
        Answer(302, b"", {"Location": LOGIN, "Set-Cookie": "a=b"}),
        Answer(307, b"", {"Location": "/login"}),
        Answer(400, b"x" * 20_000_000),
    ],
    ids=lambda answer: str(answer.status),
)
def test_a_refusal_is_the_site_s_own(
    gateway: SiteStack, answer: Answer, method: str
) -> None:
    gateway.site.answers["/p/a.txt"] = answer
    try:
        got = gateway.read("/p/a.txt", method)
    finally:
        del gateway.site.answers["/p/a.txt"]
    assert {q.method for q in gateway.site.questions[-2:]} == {"GET"}
    assert {q.method for q in gateway.site.questions[-2:]} == {"GET"}
    length = {"Content-Length": str(len(answer.body))}
    body = answer.body if method == "GET" else b""
    assert got == Answer(answer.status, body, {**answer.headers, **length})


def test_the_site_gets_facts_about_the_visitor_that_nobody_can_forge(
    gateway: SiteStack,
) -> None:
    client = "203.0.113.9"
    gateway.send(
        f"{gateway.url}/p/a.txt?page=2",
        client=client,
        data=b"body",
        headers={
            **MEMBER,
            "Authorization": "Bearer x",
            "Accept-Language": "de",
            "X-Original-URI": "/p/forged",
            "X-Original-Method": "POST",
            "X-Real-IP": "192.0.2.1",
            "X-Original-URL": "/forged",
            "X-Accel-Redirect": "/_files/a.txt",
            "Forwarded": "for=192.0.2.1",
            "Proxy": "http://192.0.2.1",
            "Range": "bytes=0-1",
            "If-None-Match": '"x"',
            "X-Forwarded-Proto": "https",
        },
    )
    [question] = gateway.site.asked("/p/a.txt?page=2")
    host = gateway.url.removeprefix("http://")
    expected = {
        "Cookie": MEMBER["Cookie"],
        "Authorization": "Bearer x",
        "Accept-Language": "de",
        "X-Original-URI": "/p/a.txt?page=2",
        "X-Original-Method": "GET",
        "X-Real-IP": client,
        "X-Forwarded-For": client,
        # From a proxy that is trusted.
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Host": host,
        "Host": host,
    }
    got = {name: question.headers.get_all(name) for name in expected}
    assert got == {name: [text] for name, text in expected.items()}
    absent = (
        *("X-Original-URL", "X-Accel-Redirect", "Forwarded", "Range", "If-None-Match"),
        *("Content-Length", "Transfer-Encoding", "Proxy"),
    )
    assert {name: question.headers[name] for name in absent} == dict.fromkeys(absent)


def test_the_site_is_asked_at_its_url(keeping: SiteStack, asking: SiteStack) -> None:
    for gateway, target in ((keeping, "/may-read(it)"), (asking, "/")):
        gateway.read("/p/a.txt")
        assert gateway.site.questions[-1].target == target


@pytest.mark.parametrize(
    "path",
    [
        "gone.txt",
        ".hidden",
        "folder",
        "folder/",
        "leaves.txt",
        "a.txt/",
        "",
        "%0Aa.txt",
    ],
)
def test_a_permitted_path_is_still_judged(gateway: SiteStack, path: str) -> None:
    gateway.put(".hidden")
    gateway.put("folder/b.txt")
    outside = gateway.files / "leaves.txt"
    if not outside.is_symlink():
        outside.symlink_to("/etc/hostname")
    answer = gateway.read(f"/p/{path}")
    assert answer.status == 404
    assert json.loads(answer.body)["type"] == "/problems/not-found"
    assert gateway.site.asked(f"/p/{path}")


@pytest.mark.parametrize(
    "path",
    [
        *("/p/x/../a.txt", "/p/x/%2e%2E/a.txt", "/p/./a.txt", "/p/%61.txt"),
        *("/p/%2Da.txt", "/p/A%5f", "/%70/a.txt", "/p%2Fa.txt", "/%70%2f%61.txt"),
        "/p/a.txt#.png",
    ],
)
def test_a_path_with_two_spellings_is_not_there(gateway: SiteStack, path: str) -> None:
    """The site could judge another path than the gateway."""
    answer = gateway.raw(
        f"GET {path} HTTP/1.1\r\nHost: localhost\r\nCookie: session=member\r\n"
        "Connection: close\r\n\r\n".encode()
    )
    assert answer.startswith(b"HTTP/1.1 404 ")
    assert not gateway.site.asked(path)


def test_a_name_in_another_spelling_is_the_same_file(gateway: SiteStack) -> None:
    gateway.put("ü ~(1)?.txt", b"odd")
    for spelling in ("%C3%BC%20~(1)%3F.txt", "%c3%bc%20%7E%281%29%3f.txt"):
        assert gateway.read(f"/p/{spelling}").body == b"odd"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "FOO"])
def test_other_methods_are_refused_without_a_question(
    gateway: SiteStack, method: str
) -> None:
    before = len(gateway.site.questions)
    assert gateway.read("/p/a.txt", method).status == 405
    assert len(gateway.site.questions) == before


def test_a_preflight_needs_no_permission(gateway: SiteStack) -> None:
    before = len(gateway.site.questions)
    answer = gateway.read("/p/a.txt", "OPTIONS", Origin="https://www.example.com")
    assert answer.status == 200
    assert answer.body == b""
    assert len(gateway.site.questions) == before


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(Answer(500, b"Traceback"), id="500"),
        pytest.param(Answer(503, b"", {"Retry-After": "1"}), id="503"),
        pytest.param(Answer(599), id="599"),
        pytest.param(Answer(499), id="499"),
        pytest.param(Answer(999), id="999"),
    ],
)
def test_nothing_is_delivered_when_the_site_fails(
    gateway: SiteStack, answer: Answer
) -> None:
    gateway.site.answers["/p/a.txt"] = answer
    try:
        got = gateway.send(f"{gateway.url}/p/a.txt", headers=MEMBER)
    finally:
        del gateway.site.answers["/p/a.txt"]
    assert got.status_code == 503
    assert got.headers["Retry-After"] == "5"
    assert got.json()["type"] == "/problems/busy"


def test_a_site_s_headers_reach_no_internal_location_and_no_log(
    gateway: SiteStack,
) -> None:
    forged = {
        "X-Accel-Redirect": "/_files/a.txt",
        "X-Accel-Target": "/_files/a.txt/",
        "X-Accel-Expires": "60",
        "X-Gateway-Ledger": "forged",
        "X-Gateway-Reason": "forged",
        "X_Gateway_Ledger": "forged",
        "X-Gateway_Reason": "forged",
        "X-Refusal-Status": "200",
        "X-Refusal-Body": "forged",
    }
    for path, status in (("/p/forged.txt", 403), ("/p/forged2.txt", 204)):
        gateway.site.answers[path] = Answer(status, b"", forged)
        answer = gateway.read(path)
        assert answer.status == {403: 403, 204: 404}[status]
        assert b"0123456789" not in answer.body
        assert len(gateway.site.asked(path)) == {403: 2, 204: 1}[status]

    def reasons() -> dict[str, str]:
        rows = (row for row in gateway.logged() if row["uri"].startswith("/p/forged"))
        return {row["uri"]: row["reason"] for row in rows}

    wait_until(lambda: len(reasons()) == 2, what="both requests are logged")
    assert reasons() == {
        "/p/forged.txt": "site-refused",
        "/p/forged2.txt": "not-servable:missing",
    }
    ledger = "".join(p.read_text() for p in gateway.home.rglob("ledger/*/*.log"))
    assert "forged" not in ledger


@pytest.fixture(scope="module")
def documented() -> Iterator[NativeStack]:
    """Give a gateway that asks the application in docs/authorize.md."""
    application, _ = blocks("docs/authorize.md", "python")
    names: dict[str, Any] = {"__name__": "documented"}
    exec(application, names)  # noqa: S102 -- the project's own page
    with ExitStack() as stack:
        server = make_server("127.0.0.1", 0, names["app"], threaded=True)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        stack.callback(thread.join)
        stack.callback(server.shutdown)
        url = f"http://127.0.0.1:{server.server_port}/may-read"
        gateway = NativeStack(GATEWAY_AUTHORIZE=url)
        names["SITE"] = f"http://127.0.0.1:{server.server_port}"
        names["GATEWAY"] = gateway.url
        yield stack.enter_context(gateway.running())


def test_the_documented_application_lets_its_user_in(documented: NativeStack) -> None:
    documented.put("ann/report.txt", b"Ann's")
    documented.put("bob/report.txt", b"Bob's")
    visitor = requests.Session()
    form = visitor.get(f"{documented.url}/p/ann/report.txt")
    # As a browser does: the form has no action.
    report = visitor.post(form.url, {"name": "ann"})
    assert (report.status_code, report.text) == (200, "Ann's")
    foreign = visitor.get(f"{documented.url}/p/bob/report.txt")
    assert (foreign.status_code, foreign.text) == (403, "This is somebody else's file.")


def test_by_default_no_answer_is_kept(gateway: SiteStack) -> None:
    gateway.put("default.txt")
    assert [gateway.read("/p/default.txt").status for _ in range(3)] == [200] * 3
    assert len(gateway.site.asked("/p/default.txt")) == 3


def kept(
    gateway: SiteStack, path: str, answer: Answer, *headers: dict[str, str]
) -> int:
    """Send a request with each of *headers*; return how often the site was asked."""
    gateway.put(path.removeprefix("/p/"))
    gateway.site.answers[path] = answer
    for each in headers:
        assert gateway.read(path, **each).status == 200
    return len(gateway.site.asked(path))


def test_an_answer_is_kept_per_value_of_the_cookie(keeping: SiteStack) -> None:
    same = [{"Cookie": c} for c in ("session=k", "session=k", "x=1; session=k; y=2")]
    assert kept(keeping, "/p/kept.txt", KEPT, *same) == 1
    other = [
        {"Cookie": c} for c in ("session=K", "session=l", "xsession=k", "y=session=k")
    ]
    assert kept(keeping, "/p/kept.txt", KEPT, *other) == 5


def test_an_answer_is_kept_per_value_of_the_header(keeping: SiteStack) -> None:
    same = {"X-Api-Key": "k"}
    assert kept(keeping, "/p/key.txt", KEPT, same, same) == 1
    other = [{"X-Api-Key": "l"}, {"X-Api-Key": "k", "Cookie": "session=k"}]
    assert kept(keeping, "/p/key.txt", KEPT, *other) == 3


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({"Accept": "*/*"}, id="none"),
        pytest.param({"Authorization": "Bearer x"}, id="another header"),
        pytest.param({"Cookie": "session=; theme=dark"}, id="empty"),
        pytest.param({"Cookie": "session=k; session=l"}, id="twice"),
    ],
)
def test_an_unknown_visitor_s_answer_is_never_kept(
    keeping: SiteStack, headers: dict[str, str], request: pytest.FixtureRequest
) -> None:
    path = f"/p/unknown-{abs(hash(request.node.name))}.txt"
    assert kept(keeping, path, KEPT, headers, headers) == 2


def test_an_answer_is_kept_for_one_url_and_method(keeping: SiteStack) -> None:
    assert kept(keeping, "/p/one.txt", KEPT, MEMBER) == 1
    assert keeping.read("/p/one.txt", "HEAD", **MEMBER).status == 200
    assert len(keeping.site.asked("/p/one.txt")) == 2
    for _ in range(2):
        assert keeping.read("/p/one.txt?v=2", **MEMBER).status == 200
    assert len(keeping.site.asked("/p/one.txt?v=2")) == 1
    host = {**MEMBER, "Host": f"localhost:{keeping.port}"}
    assert keeping.read("/p/one.txt", **host).status == 200
    assert len(keeping.site.asked("/p/one.txt")) == 3


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(Answer(204, headers={"X-Gateway-Keep": "0"}), id="zero"),
        pytest.param(Answer(204, headers={"X-Gateway-Keep": "3601"}), id="too long"),
        pytest.param(Answer(204, headers={"X-Gateway-Keep": "1h"}), id="no number"),
        pytest.param(Answer(204, headers={"X-Gateway-Keep": "-1"}), id="negative"),
        pytest.param(Answer(204, headers={"X-Accel-Expires": "60"}), id="nginx's own"),
        pytest.param(Answer(204, headers={"Cache-Control": "max-age=60"}), id="cache"),
        pytest.param(Answer(200, b"x", {"X-Gateway-Keep": "60"}), id="a body"),
    ],
)
def test_an_answer_is_not_kept(
    keeping: SiteStack, answer: Answer, request: pytest.FixtureRequest
) -> None:
    path = f"/p/not-kept-{abs(hash(request.node.name))}.txt"
    assert kept(keeping, path, answer, MEMBER, MEMBER) == 2


def test_an_answer_is_not_kept_for_the_other_scheme(keeping: SiteStack) -> None:
    headers = [{**MEMBER, "X-Forwarded-Proto": s} for s in ("http", "https", "http")]
    assert kept(keeping, "/p/scheme.txt", KEPT, *headers) == 2


@pytest.mark.parametrize("length", [7000, 7400, 7600, 7800, 8000])
def test_a_long_cookie_leaves_room_for_the_answer(
    keeping: SiteStack, length: int
) -> None:
    keeping.put("long.txt")
    path = f"/p/long.txt?{'q' * 7900}"
    keeping.site.answers["/p/long.txt"] = Answer(204, headers={"X-A": "a" * 700})
    assert keeping.read(path, Cookie=f"session={'c' * length}").status == 200


def test_a_kept_answer_ends(keeping: SiteStack) -> None:
    path, answer = "/p/ends.txt", Answer(200, b"", {"X-Gateway-Keep": "1"})
    assert kept(keeping, path, answer, MEMBER) == 1
    keeping.site.answers[path] = Answer(403)
    began = time.monotonic()
    wait_until(lambda: keeping.read(path).status == 403, what="the answer ends")
    assert time.monotonic() - began < 10
    assert keeping.read(path).status == 403


def test_a_refusal_is_never_kept(keeping: SiteStack) -> None:
    path = "/p/refused.txt"
    keeping.put("refused.txt")
    keeping.site.answers[path] = Answer(403, headers={"X-Gateway-Keep": "60"})
    assert [keeping.read(path).status for _ in range(2)] == [403, 403]
    keeping.site.answers[path] = Answer(204)
    assert keeping.read(path).status == 200


def test_without_a_site_there_is_nothing_below_p(stack: Stack) -> None:
    stack.put("a.txt")
    assert stack.send(f"{stack.url}/p/a.txt").status_code == 404
