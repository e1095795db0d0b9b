"""nginx alone, with a gunicorn that says whatever the test wants."""

from __future__ import annotations

import getpass
import socket
import subprocess
import threading
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Self

import pytest
import requests

from gateway.config import settings
from gateway.delivery import accel
from gateway.errors import SuperviseError
from gateway.http.pools import Pool
from gateway.runtime.live_conf import check_conf, find_nginx
from gateway.runtime.rendering import NginxConf
from tests.live.ports import free_port
from tests.live.stack import ROOT, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

METRICS = b"HTTP/1.0 200 OK\r\nContent-Length: 7\r\n\r\nmetrics"
NOTHING_HERE = "Page not found"
NOT_FOUND = b"HTTP/1.0 404 Not Found\r\nContent-Length: 7\r\n\r\nno such"


class FakeGunicorn:
    """Answers on all sockets with what ``script`` says to each request line."""

    def __init__(self, run: Path) -> None:
        self.asked: list[bytes] = []
        #: The same, by the pools that were asked.
        self.of: dict[Pool, list[bytes]] = {pool: [] for pool in Pool}
        self.script: Callable[[bytes], bytes] = lambda _line: NOT_FOUND
        places = {pool.socket: pool for pool in Pool}
        # That of the verdicts pool's threads which tell that it lives.
        places["health.sock"] = Pool.VERDICTS
        self._listeners = [self._listen(run / n, p) for n, p in places.items()]

    def forget(self) -> None:
        """Forget what was asked so far."""
        for heads in (self.asked, *self.of.values()):
            heads.clear()

    def _listen(self, path: Path, pool: Pool) -> tuple[socket.socket, threading.Thread]:
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(path))
        listener.listen(64)
        serve = partial(self._serve, listener, self.of[pool])
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        return listener, thread

    def _serve(self, listener: socket.socket, heads: list[bytes]) -> None:
        while True:
            try:
                peer, _ = listener.accept()
            except OSError:
                return
            with peer:
                head = b""
                while b"\r\n\r\n" not in head and (chunk := peer.recv(65_536)):
                    head += chunk
                heads.append(head)
                self.asked.append(head)
                with suppress(BrokenPipeError):  # its client may have left
                    peer.sendall(self.script(head.split(b"\r\n")[0]))

    def close(self) -> None:
        for listener, thread in self._listeners:
            listener.shutdown(socket.SHUT_RDWR)
            listener.close()
            thread.join(5)


class Nginx:
    """nginx with the rendered set, and nothing behind it but the fake.

    ``addresses`` are further addresses of the bucket's server, which nginx tries first.
    """

    def __init__(
        self, home: Path, server: str = "", addresses: Iterable[str] = (), **chosen: str
    ) -> None:
        self.home = home
        self.files = home / "files"
        self.files.mkdir()
        (home / "data" / "store" / "blobs").mkdir(parents=True, exist_ok=True)
        (home / "nginx").mkdir()
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._log = home / "log"
        read = settings.read(
            {
                "GATEWAY_FILES": str(self.files),
                "GATEWAY_DATA": str(home / "data"),
                "GATEWAY_VERDICT_CACHE": str(home / "verdicts"),
                **chosen,
            }
        ).settings
        self.prefix = read.path_prefix
        rendering = NginxConf(
            settings=read,
            listen=f"127.0.0.1:{self.port}",
            run=home / "nginx",
            conf=home / "conf",
            spool=home / "data/store/spool",
            byte_cache=home / "data/store/byte-cache",
            ledger=home / "data",
        )
        conf = rendering.write()
        with (home / "conf" / "server.conf").open("a") as file:
            file.write(server)
        if addresses:
            bucket = home / "conf" / "conf.d" / "bucket.conf"
            own = " ".join(f"server {address} max_fails=0;" for address in addresses)
            group = "upstream gateway_bucket {"
            bucket.write_text(bucket.read_text().replace(group, f"{group} {own}"))
        user = getpass.getuser()
        directives = "daemon off;" + (" user root;" if user == "root" else "")
        self.gunicorn: FakeGunicorn | None = None
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [find_nginx(), "-e", "stderr", "-g", directives, "-c", conf],
                stdout=log,
                stderr=log,
            )

    def fake_gunicorn(self) -> FakeGunicorn:
        run = self.home / "data" / "run"
        run.mkdir(parents=True)
        self.gunicorn = FakeGunicorn(run)
        return self.gunicorn

    def get(self, path: str, **options: object) -> requests.Response:
        return requests.get(self.url + path, timeout=20, **options)  # type: ignore[arg-type]

    def below(self, path: str) -> str:
        """Return the URL of a path below the path prefix."""
        return f"{self.url}{self.prefix}{path}"

    def send(self, line: str) -> str:
        """Send a request as it is, and return what comes back."""
        head = f"{line}\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        return self.send_raw(head.encode()).decode()

    def send_raw(self, data: bytes) -> bytes:
        """Send bytes as they are, and return what comes back until nginx closes."""
        with socket.create_connection(("127.0.0.1", self.port), 20) as peer:
            peer.sendall(data)
            return b"".join(iter(lambda: peer.recv(65_536), b""))

    def root_of(self, location: str) -> Path:
        """Return the folder that an internal location serves from."""
        return {
            "/_files/": self.files,
            "/_large_files/": self.files,
            "/_shown_files/": self.files,
            "/_small_files/": self.files,
            "/_small_blobs/": self.home / "data" / "store" / "blobs",
            "/_shown_blobs/": self.home / "data" / "store" / "blobs",
            "/_blobs/": self.home / "data" / "store" / "blobs",
            "/_large_blobs/": self.home / "data" / "store" / "blobs",
        }[location]

    def log(self) -> str:
        return self._log.read_text()

    def workers(self) -> list[int]:
        """Return the ids of its processes that answer requests."""
        pid = self._process.pid
        return [*map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())]

    def __enter__(self) -> Self:
        wait_until(self._answers, what="nginx answers")
        return self

    def _answers(self) -> bool:
        assert self._process.poll() is None, self.log()
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(10)
        if self.gunicorn:
            self.gunicorn.close()


@pytest.fixture
def nginx(tmp_path: Path) -> Iterator[Nginx]:
    with Nginx(tmp_path) as running:
        yield running
        assert "[alert]" not in running.log()
        assert "[emerg]" not in running.log()


def delivery_of(location: bytes) -> bytes:
    return (
        b"HTTP/1.0 200 OK\r\nX-Accel-Redirect: " + location + b"\r\n"
        b"Content-Disposition: inline\r\nContent-Length: 0\r\n\r\n"
    )


def delivery_of_the_asked(line: bytes) -> bytes:
    """Deliver ``/s/t/PATH`` from the tree, whatever the path is."""
    if b"/s/" not in line:
        return NOT_FOUND
    return delivery_of(b"/_files/" + line.split(b"/t/")[1].split(b" ")[0])


def test_a_file_deleted_after_the_verdict_is_a_404_page(nginx: Nginx) -> None:
    (nginx.files / "there.txt").write_text("there")
    nginx.fake_gunicorn().script = delivery_of_the_asked
    assert nginx.get("/s/t/there.txt").text == "there"
    answer = nginx.get("/s/t/gone.txt")
    assert (answer.status_code, NOTHING_HERE in answer.text) == (404, True)
    assert answer.headers["Vary"] == "Accept"
    as_program = nginx.get("/s/t/gone.txt", headers={"Accept": "application/json"})
    assert as_program.json()["title"] == NOTHING_HERE


@pytest.fixture(
    params=[accel.location(w, f) for w in accel.Way for f in ("files", "blobs")]
)
def location(request: pytest.FixtureRequest) -> str:
    """Return the prefix of an internal location that sends deliveries."""
    prefix: str = request.param
    return prefix


def deliver(nginx: Nginx, target: str) -> requests.Response:
    """Return what a client gets whose verdict leads to *target*."""
    assert nginx.gunicorn is not None
    nginx.gunicorn.script = lambda line: (
        delivery_of(target.encode()) if b"/s/" in line else NOT_FOUND
    )
    return nginx.get("/s/token/x.txt", allow_redirects=False)


@pytest.mark.parametrize("way", accel.Way)
def test_a_second_folder_has_internal_locations_of_its_own(
    tmp_path: Path, way: accel.Way
) -> None:
    second = tmp_path / "second"
    second.mkdir()
    (second / "x.txt").write_text("in the second")
    places = f"{tmp_path}/files two/={second}"
    with Nginx(tmp_path, GATEWAY_FILES=places) as nginx:
        nginx.fake_gunicorn()
        location = accel.location(way, "files_2")
        assert deliver(nginx, f"{location}x.txt").text == "in the second"
        assert deliver(nginx, f"{location}gone.txt").status_code == 404
        wait_until(lambda: '"status":404' in nginx.log(), what="it is logged")
        assert '"reason":"undeliverable"' in nginx.log()


def test_a_symlink_made_after_the_verdict_is_refused(
    nginx: Nginx, location: str
) -> None:
    root = nginx.root_of(location)
    (nginx.home / "outside.txt").write_text("outside")
    (root / "swapped.txt").symlink_to(nginx.home / "outside.txt")
    (root / "folder").symlink_to(nginx.home)
    (root / "own").mkdir()
    (root / "own" / "inside.txt").write_text("inside")
    nginx.fake_gunicorn()
    assert deliver(nginx, f"{location}own/inside.txt").text == "inside"
    for path in ("swapped.txt", "folder/outside.txt"):
        assert deliver(nginx, location + path).status_code == 404, path


def test_without_a_verdict_no_file_is_sent(nginx: Nginx, location: str) -> None:
    (nginx.root_of(location) / "x.txt").write_text("inside")
    nginx.fake_gunicorn()
    assert deliver(nginx, f"{location}x.txt").text == "inside"
    asked_for = nginx.get(f"{location}x.txt")
    assert (asked_for.status_code, NOTHING_HERE in asked_for.text) == (404, True)


def test_a_folder_in_a_file_s_place_is_not_there(nginx: Nginx, location: str) -> None:
    """Nginx would redirect to its name with a slash, which is an internal one."""
    root = nginx.root_of(location)
    (root / "x.txt").write_text("inside")
    (root / "folder").mkdir()
    nginx.fake_gunicorn()
    assert deliver(nginx, f"{location}x.txt").text == "inside"
    for path in ("folder", "folder/", "", "x.txt/"):
        answer = deliver(nginx, location + path)
        assert (answer.status_code, answer.headers.get("Location")) == (404, None), path


def test_a_replaced_file_is_sent_as_it_is_a_second_later(
    nginx: Nginx, location: str
) -> None:
    path = nginx.root_of(location) / "x.txt"
    path.write_text("old")
    nginx.fake_gunicorn()
    # Each worker keeps its own files open: ask often enough to reach all of them.
    old = {deliver(nginx, f"{location}x.txt").text for _ in range(16)}
    fresh = path.with_name("fresh")
    fresh.write_text("new")
    fresh.rename(path)
    wait_until(
        lambda: {deliver(nginx, f"{location}x.txt").text for _ in range(16)} == {"new"},
        what="the new file is sent",
    )
    assert old == {"old"}


def test_a_location_can_not_reach_beside_its_folder(
    nginx: Nginx, location: str
) -> None:
    root = nginx.root_of(location)
    beside = root.with_name(f"{root.name}-secret")
    beside.mkdir()
    (beside / "x.txt").write_text("outside")
    (root.parent / "outside.txt").write_text("outside")
    (root / "x.txt").write_text("inside")
    nginx.fake_gunicorn()
    assert deliver(nginx, f"{location}x.txt").text == "inside"
    bare = location.removesuffix("/")
    for target in (
        f"{location}../outside.txt",
        f"{location}%2e%2e/outside.txt",
        f"{bare}-secret/x.txt",
        f"{bare}../outside.txt",
    ):
        answer = deliver(nginx, target)
        assert "outside" not in answer.text, target
        assert answer.status_code in {404, 503}, target


def test_a_body_never_reaches_python(nginx: Nginx) -> None:
    fake = nginx.fake_gunicorn()
    requests.post(nginx.url + "/s/t/x", data=b"BODY" * 100, timeout=20)
    assert b"BODY" not in fake.asked[0]
    assert b"Content-Length" not in fake.asked[0]


@pytest.mark.parametrize(
    ("method", "target"),
    [
        pytest.param("GET", "/", id="page"),
        pytest.param("POST", "/login", id="form"),
        pytest.param("GET", "/api/v1/files", id="API"),
        pytest.param("GET", "/s/token/x.txt", id="signed URL"),
        pytest.param("GET", f"/s/k1.e2.{'m' * 22}/x.txt", id="kept verdict"),
        pytest.param("PUT", "/api/v1/files/a", id="upload"),
        pytest.param("POST", "/upload", id="upload form"),
        pytest.param("POST", "/tus/", id="creation"),
        pytest.param("PATCH", "/tus/x", id="chunk"),
        pytest.param("HEAD", "/tus/x", id="offset"),
        pytest.param("GET", "/readyz", id="readiness"),
    ],
)
def test_without_gunicorn_every_client_is_told_to_try_again(
    nginx: Nginx, method: str, target: str
) -> None:
    """As long as its container restarts; nginx's own goes on listening."""
    answer = requests.request(
        method, nginx.url + target, data=b"x" * (method in {"PUT", "PATCH"}), timeout=20
    )
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "5"


def test_without_gunicorn_the_page_says_try_again(nginx: Nginx) -> None:
    answer = nginx.get("/s/token/x.txt")
    assert answer.status_code == 503
    assert "Service temporarily unavailable" in answer.text
    assert answer.headers["X-Request-ID"] in answer.text
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    ("said", "statuses"),
    [
        pytest.param(b"", {503}, id="nothing"),
        pytest.param(b"HTTP/1.0 20", {503}, id="half a line"),
        pytest.param(b"HTTP/1.0 502 Bad\r\n\r\nrubbish", {503}, id="502"),
        pytest.param(b"HTTP/1.0 500 Bad\r\n\r\nrubbish", {500, 503}, id="500"),
    ],
)
@pytest.mark.parametrize(
    "target",
    [
        pytest.param("/s/token/x.txt", id="asked each time"),
        pytest.param(f"/s/k1.e2.{'m' * 22}/x.txt", id="asked beside"),
        pytest.param("/u/code", id="drop link"),
        pytest.param("/files/id/x.txt", id="upload"),
        pytest.param("/login", id="page"),
    ],
)
def test_what_a_broken_gunicorn_says_reaches_nobody(
    nginx: Nginx, target: str, said: bytes, statuses: set[int]
) -> None:
    fake = nginx.fake_gunicorn()
    fake.script = lambda _line: said
    answer = nginx.get(target)
    assert answer.status_code in statuses
    assert answer.headers["X-Request-ID"] in answer.text
    assert "rubbish" not in answer.text


def test_a_verdict_that_names_no_file_delivers_none(nginx: Nginx) -> None:
    fake = nginx.fake_gunicorn()
    fake.script = lambda line: delivery_of(b"") if b"/s/" in line else NOT_FOUND
    assert nginx.get("/s/token/x.txt").status_code == 404


OTHER = {"X-Forwarded-For": "198.51.100.1"}
PERMITTED = b"HTTP/1.0 204 No Content\r\n\r\n"
FORBIDDEN = b"HTTP/1.0 403 Forbidden\r\nContent-Length: 0\r\n\r\n"
BROKEN = b"HTTP/1.0 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n"


@pytest.fixture
def proxied(tmp_path: Path) -> Iterator[Nginx]:
    """Return an nginx that believes who the client is."""
    with Nginx(tmp_path, GATEWAY_TRUSTED_PROXIES="127.0.0.0/8") as running:
        yield running


def test_flask_is_told_who_asks_for_metrics(proxied: Nginx) -> None:
    """A client must not pass for this machine."""
    fake = proxied.fake_gunicorn()
    fake.script = lambda line: METRICS if b" /metrics " in line else NOT_FOUND
    lie = {"X-Real-IP": "127.0.0.1", "X-Gateway-Family": "pages"}
    assert proxied.get("/metrics", headers=lie).text == "metrics"
    proxied.get("/metrics", headers={**lie, **OTHER})
    for head, address in zip(
        fake.of[Pool.APP], (b"127.0.0.1", b"198.51.100.1"), strict=True
    ):
        assert b"\r\nX-Real-IP: " + address + b"\r\n" in head
        assert head.count(b"X-Real-IP") == 1
        assert b"\r\nX-Gateway-Family: metrics\r\n" in head


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        pytest.param(PERMITTED, 200, id="permitted"),
        pytest.param(FORBIDDEN, 404, id="forbidden"),
        pytest.param(BROKEN, 404, id="fault"),
        pytest.param(b"", 404, id="no answer"),
    ],
)
def test_nginx_s_own_metrics_are_for_others_if_flask_permits_it(
    proxied: Nginx, answer: bytes, status: int
) -> None:
    fake = proxied.fake_gunicorn()
    fake.script = lambda line: answer if b" /_metrics " in line else METRICS
    bearer = {"Authorization": "Bearer t"}
    assert proxied.get("/metrics/nginx", headers={**OTHER, **bearer}).status_code == (
        status
    )
    [head] = fake.of[Pool.APP]
    assert b"\r\nAuthorization: Bearer t\r\n" in head
    assert b"\r\nX-Gateway-Family: metrics\r\n" in head


def test_nginx_s_own_metrics_do_not_need_gunicorn_here(proxied: Nginx) -> None:
    here = proxied.get("/metrics/nginx")
    assert (here.status_code, here.text[:20]) == (200, "Active connections: ")
    assert proxied.get("/metrics/nginx", headers=OTHER).status_code == 404


TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.mark.parametrize(
    ("sent", "passed"),
    [
        pytest.param(TRACE, TRACE, id="valid"),
        pytest.param("", "", id="empty"),
        pytest.param(f"ff{TRACE[2:]}", "", id="version"),
        pytest.param(TRACE.upper(), "", id="capitals"),
        pytest.param(f"00-{'0' * 32}{TRACE[35:]}", "", id="no trace"),
        pytest.param(f"{TRACE[:36]}{'0' * 16}-01", "", id="no parent"),
        pytest.param(f"{TRACE}-more", "", id="longer"),
        pytest.param(TRACE[:-1], "", id="shorter"),
        pytest.param(f'{TRACE[:-2]}"}}', "", id="quote"),
        pytest.param(f"{TRACE}, {TRACE}", "", id="two"),
        pytest.param("0" * 15_000, "", id="long"),
    ],
)
@pytest.mark.parametrize(
    "path",
    [
        pytest.param("/x", id="page"),
        pytest.param("/s/kk.e1/x", id="verdict"),
        pytest.param("/s/t/x", id="one verdict"),
    ],
)
def test_a_valid_trace_is_passed_on_and_logged(
    nginx: Nginx, path: str, sent: str, passed: str
) -> None:
    """What is not one would be a client's text in the log."""
    fake = nginx.fake_gunicorn()
    nginx.get(path, headers={"traceparent": sent})
    [head] = fake.asked
    lines = head.decode().lower().split("\r\n")
    assert [line[13:] for line in lines if line.startswith("traceparent: ")] == [
        *filter(None, [passed])
    ]
    wait_until(lambda: f'"trace":"{passed}"' in nginx.log(), what="it is logged")
    assert "traceparent" not in nginx.log()


def test_the_tls_snippet_speaks_http_2(tmp_path: Path) -> None:
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-nodes", "-days", "1", "-subj", "/CN=localhost",
         "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
         "-addext", "subjectAltName=DNS:localhost",
         "-keyout", key, "-out", certificate],
        check=True, capture_output=True,
    )  # fmt: skip
    port = free_port()
    snippet = tmp_path / "conf" / "snippets" / "tls-here.conf"
    server = f"""
    server {{
        include {snippet};
        ssl_certificate {certificate};
        ssl_certificate_key {key};
        server_name localhost;
        include {tmp_path}/conf/snippets/gateway.conf;
    }}"""
    snippet.parent.mkdir(parents=True)
    # The snippet as it is, but on a port that any user may take.
    text = (ROOT / "nginx" / "snippets" / "tls.conf").read_text()
    snippet.write_text(
        text.replace("listen 443", f"listen 127.0.0.1:{port}").replace(
            "listen [::]:443", f"listen [::1]:{port}"
        )
    )
    with Nginx(tmp_path, server) as nginx:
        fake = nginx.fake_gunicorn()
        (nginx.files / "a.txt").write_text("over TLS\n")
        fake.script = lambda _line: delivery_of(b"/_files/a.txt")
        done = subprocess.run(
            ["curl", "--silent", "--show-error", "--http2", "--cacert", certificate,
             "--write-out", "%{http_version}", f"https://localhost:{port}/s/t/a.txt"],
            check=True, capture_output=True, text=True,
        )  # fmt: skip
    assert done.stdout == "over TLS\n2"


def test_the_rendered_set_is_checked_before_it_is_used(tmp_path: Path) -> None:
    conf = tmp_path / "nginx.conf"
    conf.write_text("nonsense;")
    with pytest.raises(SuperviseError, match="unknown directive"):
        check_conf(conf)


#: Seconds that a verdict may be kept: longer than a test takes.
TTL = 60


@pytest.fixture
def keeping(tmp_path: Path) -> Iterator[Nginx]:
    """Give an nginx that keeps verdicts for long, and files for them to lead to."""
    with Nginx(tmp_path, GATEWAY_VERDICT_TTL=str(TTL)) as nginx:
        for name in ("a.txt", "b.txt"):
            (nginx.files / name).write_text(name)
        yield nginx


def verdict_on(line: bytes, *headers: bytes) -> bytes:
    """Let a client have the file that a link names."""
    name = line.split(b" ")[1].rpartition(b"/")[2]
    facts = (b"X-Accel-Target: /_files/" + name + b"/", b"X-Accel-Expires: 60")
    head = (b"HTTP/1.0 200 OK", b"Content-Length: 0", *facts, *headers, b"", b"")
    return b"\r\n".join(head)


def cacheable(path: str) -> str:
    return f"/s/k1.e2.{'m' * 22}/{path}"


def test_each_link_has_a_verdict_of_its_own(keeping: Nginx) -> None:
    fake = keeping.fake_gunicorn()
    fake.script = verdict_on
    texts = [keeping.get(cacheable(f"{name}.txt")).text for name in "aaabbb"]
    assert texts == ["a.txt"] * 3 + ["b.txt"] * 3
    assert len(fake.asked) == 4


def test_without_gunicorn_a_kept_verdict_delivers_and_others_say_try_again(
    keeping: Nginx,
) -> None:
    fake, keeping.gunicorn = keeping.fake_gunicorn(), None
    fake.script = verdict_on
    before = {keeping.get(cacheable("a.txt")).text for _ in range(3)}
    fake.close()
    delivered, refused = (keeping.get(cacheable(f"{name}.txt")) for name in "ab")
    assert before == {"a.txt"}
    assert (delivered.status_code, delivered.text) == (200, "a.txt")
    assert (refused.status_code, refused.headers["Retry-After"]) == (503, "5")


@pytest.mark.parametrize(
    "header",
    [
        "Set-Cookie: a=b",
        "Vary: Cookie",
        "X-Accel-Redirect: /_pages/error.html",
    ],
)
def test_a_verdict_is_kept_and_followed_whatever_goes_with_it(
    keeping: Nginx, header: str
) -> None:
    fake = keeping.fake_gunicorn()
    fake.script = lambda line: verdict_on(line, header.encode())
    texts = [keeping.get(cacheable("a.txt")).text for _ in range(3)]
    assert texts == ["a.txt"] * 3
    assert len(fake.asked) == 2


@pytest.mark.parametrize(
    "target",
    [
        pytest.param("/s/t//x.txt", id="link"),
        pytest.param("/s//t/x.txt", id="before the token"),
        pytest.param(cacheable("a//x.txt"), id="kept verdict"),
        pytest.param(cacheable("/x.txt"), id="after the token"),
    ],
)
def test_two_slashes_stay_two(nginx: Nginx, target: str) -> None:
    fake = nginx.fake_gunicorn()
    nginx.get(target)
    assert fake.asked[0].startswith(f"GET {target} ".encode())
