"""docs/nginx.md can be typed from top to bottom."""

from __future__ import annotations

import os
import re
import socket
import ssl
import subprocess
import sys
import tempfile
from contextlib import closing, contextmanager
from http.client import HTTPSConnection
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from gateway.config.address import accepts
from gateway.runtime.live_conf import find_nginx
from tests.live.disks import require_root
from tests.live.ports import free_port
from tests.live.shown import PLACE, blocks
from tests.live.stack import ROOT, NativeStack, wait_until
from tests.live.tus import CHUNK_TYPE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from http.client import HTTPMessage

HOST = PLACE.removeprefix("https://")


class Machine:
    """A folder that stands for a Debian machine, whose nginx runs already.

    What a page shows is typed with that folder for the root, another port for 443,
    and this program in place of an installed one.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.port = free_port()
        for folder in (
            *("etc/nginx/conf.d", "etc/ssl", "run", "srv/files"),
            *("var/lib", "var/log/nginx"),
        ):
            (root / folder).mkdir(parents=True)
        debian = Path("/etc/nginx/nginx.conf").read_text("utf-8")
        self.write("/etc/nginx/nginx.conf", debian)
        self._certify()

    def write(self, place: str, text: str) -> None:
        Path(self._moved(place)).write_text(self._moved(text))

    def type(self, *shown: str) -> subprocess.CompletedProcess[str]:
        """Type what a page shows; what it left in the background then ends."""
        nginx = f"{find_nginx()} -c {self.root}/etc/nginx/nginx.conf"
        tls = f"{self.root}/etc/nginx/gateway/snippets/tls.conf"
        ports = f"s/ 443 / {self.port} /; s/:443 /:{self.port} /"
        script = "\n".join(
            [
                nginx,
                f"trap 'kill $(jobs -p); wait; {nginx} -s quit' EXIT",
                f'nginx() {{ sed -i "{ports}" {tls}; {nginx} "$@"; }}',
                *map(self._moved, shown),
            ]
        )
        return subprocess.run(
            ["bash", "-euxo", "pipefail", "-c", script],
            cwd=ROOT,
            env={"HOME": str(self.root), "PATH": os.environ["PATH"]},
            capture_output=True,
            text=True,
            check=False,
        )

    @contextmanager
    def running(self) -> Iterator[None]:
        """Run nginx on what has been written."""
        conf = self.root / "etc/nginx/nginx.conf"
        command = [find_nginx(), "-c", str(conf), "-g", "daemon off;"]
        with subprocess.Popen(command) as nginx:
            wait_until(lambda: accepts(("127.0.0.1", self.port)), what="nginx answers")
            yield
            nginx.terminate()

    def connect(self) -> closing[Connection]:
        """Return a connection to the page's host, which opens at its first request."""
        return closing(Connection(self.port, self.root / f"etc/ssl/{HOST}.pem"))

    def _moved(self, text: str) -> str:
        places = r"(?<![\w.])(?=/(var|srv|run)/|/etc/(ssl|nginx/(?!m)))"
        text = re.sub(places, str(self.root), text)
        text = text.replace(PLACE, f"{PLACE}:{self.port}")
        return text.replace(".venv/bin/", f"{Path(sys.executable).parent}/")

    def _certify(self) -> None:
        """Make the certificate that the page names, and have curl believe it."""
        certificate = self.root / f"etc/ssl/{HOST}.pem"
        subprocess.run(
            ["openssl", "req", "-x509", "-nodes", "-days", "1", "-subj", f"/CN={HOST}",
             "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
             "-addext", f"subjectAltName=DNS:{HOST}",
             "-keyout", certificate.with_suffix(".key"), "-out", certificate],
            check=True, capture_output=True,
        )  # fmt: skip
        (self.root / ".curlrc").write_text(
            f'cacert = "{certificate}"\n'
            f'resolve = "{HOST}:{self.port}:127.0.0.1"\n'
            # Both servers may still be about to start.
            "retry = 20\nretry-delay = 1\nretry-connrefused\n"
        )


class Connection(HTTPSConnection):
    """A connection to the page's host, which is this machine with another port."""

    def __init__(self, port: int, certificate: Path) -> None:
        self._trust = ssl.create_default_context(cafile=certificate)
        self._address = ("127.0.0.1", port)
        super().__init__(HOST, context=self._trust)

    def connect(self) -> None:
        """Open it."""
        plain = socket.create_connection(self._address, 20)
        self.sock = self._trust.wrap_socket(plain, server_hostname=HOST)

    def begin(self, method: str, path: str, **headers: str) -> None:
        """Send a request's head; ``Upload_Offset="5"`` is ``Upload-Offset: 5``."""
        self.putrequest(method, path)
        for name, text in headers.items():
            self.putheader(name.replace("_", "-"), text)
        self.endheaders()


@contextmanager
def a_machine() -> Iterator[Machine]:
    require_root()
    # pytest's own folder nobody else may search.
    with tempfile.TemporaryDirectory(prefix="gw-") as folder:
        Path(folder).chmod(0o755)
        yield Machine(Path(folder))


@pytest.fixture
def machine() -> Iterator[Machine]:
    with a_machine() as machine:
        yield machine


def test_the_page_of_nginx_can_be_typed_from_top_to_bottom(machine: Machine) -> None:
    install, *steps, check = blocks("docs/nginx.md", "sh")
    site, _proxy = blocks("docs/nginx.md", "nginx")
    machine.write("/srv/files/hello.txt", "hello\n")
    write = f"cat > /etc/nginx/conf.d/accel-gateway.conf <<'END'\n{site}END"
    done = machine.type("export GATEWAY_HSTS=365d", *steps, write, check)
    assert "pip install" in install
    assert done.returncode == 0, done.stderr
    assert "[warn]" not in done.stderr
    assert "HTTP/2 200" in done.stdout
    assert "strict-transport-security: max-age=31536000" in done.stdout
    assert done.stdout.endswith("\n\nhello\n")


CONTENT = os.urandom(5 * 2**20)


@pytest.fixture(scope="module")
def proxy() -> Iterator[Machine]:
    with a_machine() as machine:
        yield machine


@pytest.fixture(scope="module")
def proxied(proxy: Machine) -> Iterator[NativeStack]:
    """Return a gateway behind the page's nginx that does TLS."""
    _site, page = blocks("docs/nginx.md", "nginx")
    stack = NativeStack(
        GATEWAY_PUBLIC_URL=PLACE,
        GATEWAY_TRUSTED_PROXIES="127.0.0.1/32",
        GATEWAY_HSTS="365d",
    )
    place = f"listen 127.0.0.1:{proxy.port} ssl"
    shown = page.replace(f"proxy_pass {PLACE}", f"proxy_pass {stack.url}")
    proxy.write(
        "/etc/nginx/conf.d/gateway.conf", shown.replace("listen 443 ssl", place)
    )
    with stack.running(), proxy.running():
        yield stack


def bearer(stack: NativeStack) -> dict[str, str]:
    return {"Authorization": f"Bearer {stack.new_token('upload', 'read')}"}


def test_the_page_s_proxy_takes_a_large_upload(
    proxy: Machine, proxied: NativeStack
) -> None:
    known = bearer(proxied)
    with proxy.connect() as connection:
        connection.request("PUT", "/api/v1/files/a.bin", CONTENT, known)
        answer = connection.getresponse()
        assert answer.status == 201, answer.read()
        place = answer.headers["Location"]
        answer.read()
        connection.request("GET", place, headers=known)
        assert connection.getresponse().read() == CONTENT


def test_what_came_before_a_cut_reaches_the_gateway_behind_the_page_s_proxy(
    proxy: Machine, proxied: NativeStack
) -> None:
    known = {**bearer(proxied), "Tus_Resumable": "1.0.0"}
    size = len(CONTENT)

    def ask(method: str, path: str, body: bytes = b"", **headers: str) -> HTTPMessage:
        with proxy.connect() as connection:
            length = {"Content_Length": str(len(body))}
            connection.begin(method, path, **known, **length, **headers)
            connection.send(body)
            return connection.getresponse().headers

    path = ask("POST", "/tus/", Upload_Length=str(size))["Location"]
    chunk = {"Content_Type": CHUNK_TYPE, "Content_Length": str(size)}
    with proxy.connect() as connection:
        connection.begin("PATCH", path, **known, **chunk, Upload_Offset="0")
        connection.send(CONTENT[: size // 2])
        wait_until(proxied.spooled, what="the gateway reads the body")

    def offset() -> int:
        return int(ask("HEAD", path)["Upload-Offset"])

    wait_until(offset, what="what came is kept")
    begun = offset()
    ask(
        "PATCH",
        path,
        CONTENT[begun:],
        Content_Type=CHUNK_TYPE,
        Upload_Offset=str(begun),
    )
    assert 0 < begun <= size // 2
    assert offset() == size


@pytest.mark.usefixtures("proxied")
def test_a_browser_behind_the_page_s_proxy_is_told_to_stay_with_tls(
    proxy: Machine,
) -> None:
    with proxy.connect() as connection:
        connection.request("GET", "/login")
        answer = connection.getresponse()
        assert answer.status == 200
        assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"


def test_a_refusal_behind_the_page_s_proxy_comes_before_the_body(
    proxy: Machine, proxied: NativeStack
) -> None:
    before = proxied.stored()
    with proxy.connect() as connection:
        connection.begin(
            "PUT",
            "/api/v1/files/a.bin",
            Authorization="Bearer nobody's",
            Content_Length=str(len(CONTENT)),
        )
        connection.send(CONTENT[:1000])
        answer = connection.getresponse()
        assert answer.status == 401
        assert answer.headers["Content-Type"] == "application/problem+json"
    assert proxied.stored() == before
