"""The pages, through nginx: a form has its effect once, a bad body has none."""

from __future__ import annotations

import os
import re
import socket
from typing import TYPE_CHECKING, Any

import pytest
import requests

from tests.live.stack import fresh_client, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.live.stack import Stack

PASSWORD = "a long password"
CONTENT = os.urandom(300_000)


class Person:
    """Somebody with a browser that runs no script."""

    def __init__(self, stack: Stack, name: str) -> None:
        self.url = stack.url
        self.name = name
        self.session = requests.Session()
        self.session.headers["X-Forwarded-For"] = fresh_client()
        self.session.headers["Accept"] = "text/html,*/*;q=0.8"

    def get(self, path: str) -> requests.Response:
        return self.ask("GET", path)

    def post(self, path: str, **options: Any) -> requests.Response:
        return self.ask("POST", path, **options)

    def token(self, path: str = "/") -> str:
        found = re.search(r'name="csrf_token" value="([^"]+)"', self.get(path).text)
        assert found is not None
        return found[1]

    def log_in(self, password: str = PASSWORD) -> requests.Response:
        token = self.token("/login")
        fields = {"csrf_token": token, "name": self.name, "password": password}
        return self.post("/login", data=fields)

    def upload(self, *files: tuple[str, bytes]) -> requests.Response:
        """Send the page's form, as a browser orders its fields."""
        parts: list[tuple[str, Any]] = [("csrf_token", (None, self.token()))]
        return self.post("/upload", files=parts + [("file", file) for file in files])

    def links(self) -> list[str]:
        """Return the URLs of the uploads that the page shows."""
        return re.findall(r'class="name" href="([^"]+)"', self.get("/").text)

    def cookie(self) -> str:
        return "; ".join(f"{c.name}={c.value}" for c in self.session.cookies)

    def ask(self, method: str, path: str, **options: Any) -> requests.Response:
        return self.session.request(
            method, self.url + path, timeout=30, allow_redirects=False, **options
        )


@pytest.fixture
def ann(stack: Stack) -> Iterator[Person]:
    """Give somebody new, logged in."""
    name = f"ann{os.urandom(4).hex()}"
    stack.gateway("users", "add", name, "--password", PASSWORD)
    person = Person(stack, name)
    with person.session:
        assert person.log_in().status_code == 303
        yield person


@pytest.mark.docker
@pytest.mark.database
def test_uploads_by_the_form_come_back_byte_for_byte(ann: Person) -> None:
    answer = ann.upload(("a b.bin", CONTENT), ("фото.jpg", b""))
    links = ann.links()
    contents = [ann.get(link).content for link in links]
    assert (answer.status_code, answer.headers["Location"]) == (303, "/")
    assert sorted(map(len, contents)) == [0, len(CONTENT)]
    assert CONTENT in contents
    assert any(link.endswith("/%D1%84%D0%BE%D1%82%D0%BE.jpg") for link in links)


@pytest.mark.database
def test_an_upload_is_deleted_once_by_its_form(stack: Stack, ann: Person) -> None:
    before = stack.stored()
    ann.upload(("a.txt", b"x"))
    page = ann.get("/").text
    found = re.search(r'name="id" value="([^"]+)"', page)
    assert found is not None
    gone = ann.post("/delete", data={"csrf_token": ann.token(), "id": found[1]})
    assert gone.status_code == 303
    assert "a.txt was deleted." in ann.get("/").text
    assert stack.stored() == before


@pytest.mark.database
def test_a_new_password_is_set_once(ann: Person) -> None:
    fields = {
        "csrf_token": ann.token("/password"),
        "current": PASSWORD,
        "new": "another long one",
        "again": "another long one",
    }
    changed = ann.post("/password", data=fields)
    ann.post("/logout", data={"csrf_token": ann.token()})
    assert changed.status_code == 303
    assert ann.log_in(PASSWORD).status_code == 403
    assert ann.log_in("another long one").status_code == 303


@pytest.mark.database
def test_a_wrong_password_is_one_try(stack: Stack) -> None:
    person = Person(stack, f"nobody{os.urandom(4).hex()}")
    with person.session:
        seen = [person.log_in("wrong").status_code for _ in range(5)]
        early = person.log_in("wrong")
    assert seen == [403] * 5
    assert early.status_code == 429
    assert early.headers["Retry-After"] in {"1", "2"}
    assert "Too many wrong passwords" in early.text


@pytest.mark.database
def test_strangers_guesses_hold_up_nobody_who_was_here_before(
    stack: Stack, ann: Person
) -> None:
    ann.post("/logout", data={"csrf_token": ann.token()})
    stranger = Person(stack, ann.name)
    stranger.session.headers["X-Forwarded-For"] = str(
        ann.session.headers["X-Forwarded-For"]
    )
    with stranger.session:
        seen = [stranger.log_in("wrong").status_code for _ in range(6)]
    assert seen == [403] * 5 + [429]
    assert ann.log_in().status_code == 303


@pytest.mark.database
def test_a_session_is_seen_and_ended_elsewhere(stack: Stack, ann: Person) -> None:
    phone = Person(stack, ann.name)
    phone.session.headers["User-Agent"] = "Mozilla/5.0 (iPhone) Safari/605"
    with phone.session:
        phone.log_in()
        page = ann.get("/sessions").text
        found = re.search(r'name="id" value="([^"]+)"', page)
        assert "Safari on iPhone" in page
        assert found is not None
        fields = {"csrf_token": ann.token("/sessions"), "id": found[1]}
        assert ann.post("/sessions/end", data=fields).status_code == 303
        assert phone.get("/").status_code == 303
    assert ann.get("/").status_code == 200


@pytest.mark.database
def test_a_cookie_opens_nothing_after_its_logout(stack: Stack, ann: Person) -> None:
    copied = {"Cookie": ann.cookie()}
    before = stack.ask(f"{stack.url}/", headers=copied).status_code
    ann.post("/logout", data={"csrf_token": ann.token()})
    after = stack.ask(f"{stack.url}/", headers=copied).status_code
    assert (before, after) == (200, 303)


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(p, id=p)
        for p in ("/", "/password", "/sessions", "/?after=1." + "a" * 26)
    ],
)
def test_every_page_has_all_headers(ann: Person, path: str) -> None:
    assert_headers(ann.get(path))


def test_the_login_page_has_all_headers(stack: Stack) -> None:
    assert_headers(stack.ask(f"{stack.url}/login"))


def assert_headers(answer: requests.Response) -> None:
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Request-ID"]


FORM = "multipart/form-data; boundary=xx"


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        pytest.param(b"garbage" * 9999, FORM, id="garbage"),
        pytest.param(b"a=b", "text/plain", id="no form"),
    ],
)
def test_a_body_that_is_no_form_is_refused_in_plain_words(
    stack: Stack, ann: Person, body: bytes, content_type: str
) -> None:
    before = stack.stored()
    answer = ann.post("/upload", data=body, headers={"Content-Type": content_type})
    assert answer.status_code == 400
    assert "Nothing was stored" in answer.text
    assert stack.stored() == before
    wait_until(lambda: not stack.spooled(), what="nginx empties the spool")


def test_a_form_of_another_site_stores_nothing(stack: Stack, ann: Person) -> None:
    before = stack.stored()
    answer = ann.post("/upload", files=[("file", ("a.txt", b"x"))])
    assert answer.status_code == 403
    assert "This page has expired" in answer.text
    assert stack.stored() == before


@pytest.mark.parametrize(
    "name",
    [
        pytest.param('"><script>alert(1)</script>\u202e.txt', id="markup"),
        pytest.param("я" * 1500, id="long"),
    ],
)
def test_a_hostile_name_is_stored_as_a_harmless_one(ann: Person, name: str) -> None:
    answer = ann.upload((name, b"x"))
    page = ann.get("/").text
    (link,) = ann.links()
    assert answer.status_code == 303
    assert "<script>alert" not in page
    assert "\u202e" not in page
    assert ann.get(link).content == b"x"


def ask_with_length(stack: Stack, cookie: str, length: int) -> str:
    """Announce a form of *length* bytes, send none, and return the answer."""
    head = (
        f"POST /upload HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: {cookie}\r\n"
        "Content-Type: multipart/form-data; boundary=xx\r\nAccept: text/html\r\n"
        f"Content-Length: {length}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", stack.port), 20) as peer:
        peer.sendall(head.encode())
        return peer.recv(65_536).decode()


def test_who_is_logged_out_is_told_before_the_body_comes(stack: Stack) -> None:
    answer = ask_with_length(stack, "", 9_000_000_000)
    assert answer.startswith("HTTP/1.1 401 ")
    assert "Content-Type: text/html" in answer
    assert "<h1>Please log in</h1>" in answer
    assert "Content-Security-Policy: " in answer
    assert "Log in</a>" in answer


def test_a_form_over_the_limit_is_refused_before_it_comes(
    stack: Stack, ann: Person
) -> None:
    answer = ask_with_length(stack, ann.cookie(), 10 * 2**30 + 2**21)
    assert answer.startswith("HTTP/1.1 413 ")
    assert "<h1>Request too large</h1>" in answer


@pytest.mark.database
def test_a_form_that_was_cut_leaves_nothing(stack: Stack, ann: Person) -> None:
    before = stack.stored()
    wait_until(lambda: not stack.spooled(), what="nginx empties the spool")
    head = (
        f"POST /upload HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: {ann.cookie()}\r\n"
        "Content-Type: multipart/form-data; boundary=xx\r\n"
        "Content-Length: 9000000\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", stack.port), 20) as peer:
        peer.sendall(head.encode() + CONTENT)
        wait_until(stack.spooled, what="nginx spools the body")
    wait_until(lambda: not stack.spooled(), what="nginx drops the cut body")
    assert stack.stored() == before


@pytest.mark.parametrize("path", [pytest.param(p, id=p) for p in ("/login", "/delete")])
def test_a_form_of_fields_that_is_too_long_is_refused(ann: Person, path: str) -> None:
    answer = ann.post(path, data={"name": "x" * 100_000})
    assert answer.status_code == 413


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        pytest.param("PUT", "/login", 405, id="PUT login"),
        pytest.param("GET", "/logout", 405, id="GET logout"),
        pytest.param("GET", "/delete", 405, id="GET delete"),
        pytest.param("POST", "/", 405, id="POST home"),
        pytest.param("POST", "/static/style.css", 405, id="POST style"),
        pytest.param("GET", "/_admit", 404, id="admission"),
        pytest.param("GET", "/static/", 404, id="folder"),
        pytest.param("GET", "/static/../nginx.conf", 404, id="above"),
        pytest.param("GET", "/static/nope.css", 404, id="missing"),
        pytest.param("GET", "/static", 404, id="no slash"),
    ],
)
def test_what_is_not_possible_is_said(
    stack: Stack, method: str, path: str, status: int
) -> None:
    request = (
        f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
    )
    answer = stack.raw(request.encode())
    assert answer.startswith(f"HTTP/1.1 {status} ".encode())


def test_style_is_kept_for_long_under_a_name_of_its_content(
    stack: Stack, ann: Person
) -> None:
    found = re.search(r'href="(/static/style\.css\?v=[0-9a-f]+)"', ann.get("/").text)
    assert found is not None
    style = stack.ask(stack.url + found[1])
    missing = stack.ask(f"{stack.url}/static/none.css?v=1")
    assert style.status_code == 200
    assert style.headers["Content-Type"] == "text/css; charset=utf-8"
    assert style.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert style.headers["X-Content-Type-Options"] == "nosniff"
    assert missing.headers["Cache-Control"] == "no-store"


@pytest.mark.database
def test_a_raw_upload_with_a_session_needs_its_token(ann: Person) -> None:
    path = "/api/v1/files/a.txt"
    without = ann.ask("PUT", path, data=b"x")
    header = {"X-CSRF-Token": ann.token()}
    with_it = ann.ask("PUT", path, data=b"x", headers=header)
    assert (without.status_code, with_it.status_code) == (403, 201)
