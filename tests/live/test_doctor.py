"""The doctor names what is wrong with a proxy, and finds nothing wrong with a good one.

Each proxy is that of docs/nginx.md, with one line changed.
"""

from __future__ import annotations

import json
import subprocess
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import pytest
from click.testing import CliRunner

from gateway.cli import gateway
from gateway.config.address import accepts
from gateway.doctor import answers, tls
from gateway.doctor.client import Client
from gateway.doctor.results import Code, State
from gateway.doctor.site import Site
from gateway.doctor.target import Target
from gateway.links import Key
from gateway.runtime.live_conf import directives, find_nginx
from tests.live.ports import free_port
from tests.live.shown import PLACE, blocks
from tests.live.stack import ROOT, NativeStack, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from click.testing import Result

HOST: Final = PLACE.removeprefix("https://")
#: The line after which a line is added to the proxy's location.
LOCATION: Final = "location / {"
HTTP: Final = """
worker_processes 1;
pid {home}/pid;
events {{ worker_connections 64; }}
http {{
    access_log off;
    client_body_temp_path {home}/body;
    proxy_temp_path {home}/proxy;
    fastcgi_temp_path {home}/fastcgi;
    uwsgi_temp_path {home}/uwsgi;
    scgi_temp_path {home}/scgi;
    proxy_cache_path {home}/cache keys_zone=all:1m;
    {server}
}}
"""


@dataclass(frozen=True)
class Deployment:
    """A gateway behind the proxy of the documentation, which is not started yet."""

    stack: NativeStack
    home: Path
    certificate: Path

    @contextmanager
    def proxy(
        self, line: str = "", instead: str = "", *, page: str = "docs/nginx.md"
    ) -> Iterator[int]:
        """Run the proxy of a page, with *instead* of a line; yield its port."""
        port, plain = free_port(), free_port()
        (server,) = (b for b in blocks(page, "nginx") if "listen 443 ssl;" in b)
        assert line in server
        server = (
            server.replace(line, instead, 1)
            .replace(f"proxy_pass {PLACE}", f"proxy_pass {self.stack.url}")
            .replace("/var/cache/gateway", str(self.home / "shared"))
            .replace("listen 443 ssl", f"listen 127.0.0.1:{port} ssl")
            .replace(f"/etc/ssl/{HOST}.pem", str(self.certificate))
            .replace(f"/etc/ssl/{HOST}.key", str(self.certificate.with_suffix(".key")))
            .replace("FILES", str(self.stack.files))
            .replace("PLAIN", str(plain))
        )
        conf = self.home / "proxy.conf"
        conf.write_text(HTTP.format(home=self.home, server=server))
        command = [find_nginx(), "-e", "stderr", "-g", directives(), "-c", str(conf)]
        with (
            (self.home / "proxy.log").open("wb") as log,
            subprocess.Popen(command, stderr=log) as nginx,
        ):
            try:
                wait_until(
                    lambda: accepts(("127.0.0.1", port)) or nginx.poll() is not None,
                    what="the proxy answers",
                )
                assert nginx.poll() is None, (self.home / "proxy.log").read_text()
                yield plain if "PLAIN" in instead else port
            finally:
                nginx.terminate()

    def examine(
        self, port: int, *options: str, url: str = PLACE, **changes: str
    ) -> Examined:
        """Run the command with --json; return what it found."""
        ran = self.run(port, "--json", *options, url=url, **changes)
        return Examined(ran.exit_code, json.loads(ran.stdout))

    def run(self, port: int, *options: str, url: str = PLACE, **changes: str) -> Result:
        """Run the command on the gateway's machine, connected to *port*."""
        environment = {
            name: text
            for name, text in self.stack.environment.items()
            if name.startswith("GATEWAY_")
        } | {"SSL_CERT_FILE": str(self.certificate), **changes}
        where = ("--connect", f"127.0.0.1:{port}")
        return CliRunner(env=environment).invoke(
            # Not `doctor` itself: without its group it would never know `-h` again.
            gateway,
            ["doctor", url, *where, *options],
            catch_exceptions=False,
        )

    def site(self, port: int, *, ahead: int) -> Site:
        """Return the gateway as seen with a clock that is *ahead*, in seconds."""
        now = time.time()
        return Site(
            client=Client(Target.parse(PLACE), ("127.0.0.1", port)),
            clock=lambda: now + ahead,
        )


@dataclass(frozen=True)
class Examined:
    """What the command has printed, and its status."""

    status: int
    facts: dict[str, Any]

    def codes(self, state: str) -> set[str]:
        return {result["code"] for result in self.facts[state]}

    @property
    def findings(self) -> set[str]:
        found = self.codes("findings")
        assert self.status == bool(found)
        assert all(each["mend"] for each in self.facts["findings"])
        return found


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a certificate of one day, which is its own authority."""
    file = tmp_path_factory.mktemp("tls") / "proxy.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-nodes", "-days", "1", "-subj", f"/CN={HOST}",
         "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
         "-addext", f"subjectAltName=DNS:{HOST}",
         "-keyout", file.with_suffix(".key"), "-out", file],
        check=True, capture_output=True,
    )  # fmt: skip
    return file


@pytest.fixture(scope="module")
def running() -> Iterator[NativeStack]:
    """Return the gateway behind all proxies."""
    stack = NativeStack(
        GATEWAY_PUBLIC_URL=PLACE,
        GATEWAY_TRUSTED_PROXIES="127.0.0.1/32",
        GATEWAY_HSTS="365d",
    )
    stack.put("notes.txt", b"notes\n" * 500)
    with stack.running():
        last = stack.home / "data" / "last-housekeeping"
        wait_until(last.exists, what="the first round of housekeeping has begun")
        yield stack


@pytest.fixture
def deployment(running: NativeStack, tmp_path: Path, certificate: Path) -> Deployment:
    return Deployment(running, tmp_path, certificate)


#: A line of the page's proxy, what is there instead, and what the doctor finds.
BROKEN: Final = {
    "buffers uploads": (
        "proxy_request_buffering off;",
        "",
        {Code.UPLOADS_BUFFERED},
    ),
    "limits bodies": ("client_max_body_size 0;", "", {Code.UPLOADS_LIMITED}),
    "strips Range": (
        LOCATION,
        'location / { proxy_set_header Range "";',
        {Code.RANGE_STRIPPED},
    ),
    "strips If-Range": (
        LOCATION,
        'location / { proxy_set_header If-Range "";',
        {Code.RANGE_STRIPPED},
    ),
    "replaces missing pages": (
        LOCATION,
        """location = /away { return 200; } location / {
        proxy_intercept_errors on; error_page 403 404 = /away;""",
        {Code.ERRORS_REPLACED},
    ),
    "strips ETag": (
        LOCATION,
        "location / { proxy_hide_header ETag;",
        {Code.ETAG_STRIPPED},
    ),
    "strips If-None-Match": (
        LOCATION,
        'location / { proxy_set_header If-None-Match "";',
        {Code.ETAG_STRIPPED},
    ),
    "strips Accept-Ranges": (
        LOCATION,
        "location / { proxy_hide_header Accept-Ranges;",
        {Code.ACCEPT_RANGES_STRIPPED},
    ),
    "compresses pages": (LOCATION, "gzip on; location / {", {Code.COMPRESSED}),
    "compresses files": (
        LOCATION,
        "gzip on; gzip_types text/plain; location / {",
        {Code.COMPRESSED},
    ),
    "caches": (
        "proxy_buffering off;",
        """proxy_cache all; proxy_cache_valid any 1m;
        proxy_ignore_headers Cache-Control Set-Cookie Vary;""",
        {Code.CACHED},
    ),
    "passes a forged X-Forwarded-For": (
        "proxy_set_header X-Forwarded-For $remote_addr;",
        "",
        {Code.FORGED_ADDRESS, Code.PROXY_AS_CLIENT, Code.METRICS_REACHABLE},
    ),
    "believes a forged X-Real-IP": (
        LOCATION,
        "set_real_ip_from 0.0.0.0/0; location / {",
        {Code.FORGED_ADDRESS},
    ),
    "is not trusted": (
        LOCATION,
        "location / { proxy_bind 127.0.0.9;",
        {Code.PROXY_AS_CLIENT, Code.FORWARDED_PROTO},
    ),
    "forgets X-Forwarded-Proto": (
        "proxy_set_header X-Forwarded-Proto $scheme;",
        "",
        {Code.FORWARDED_PROTO},
    ),
    "forgets Host": (
        "proxy_set_header Host $host;",
        "proxy_set_header Host gateway.internal;",
        {Code.HOST_REFUSED},
    ),
    "replaces errors": (
        LOCATION,
        """location @refused { return 401; } location / {
        proxy_intercept_errors on; error_page 401 = @refused;""",
        {Code.ERRORS_REPLACED},
    ),
    "hides headers": (
        LOCATION,
        "location / { proxy_hide_header X-Content-Type-Options;",
        {Code.HEADERS_STRIPPED},
    ),
    "blocks methods": (
        LOCATION,
        "location / { limit_except GET POST { deny all; }",
        {Code.METHODS_BLOCKED},
    ),
    "serves the files itself": (
        LOCATION,
        "location /_files/ { alias FILES/; } location / {",
        {Code.INTERNAL_REACHABLE},
    ),
    "makes cookies insecure": (
        LOCATION,
        "location / { proxy_cookie_flags ~ nosecure;",
        {Code.PUBLIC_URL},
    ),
}


@pytest.mark.parametrize(
    ("line", "instead", "codes"), BROKEN.values(), ids=BROKEN.keys()
)
def test_a_proxy_with_one_wrong_line_is_found_out(
    deployment: Deployment, line: str, instead: str, codes: set[Code]
) -> None:
    with deployment.proxy(line, instead) as port:
        assert deployment.examine(port).findings == codes


@pytest.mark.parametrize(
    ("page", "line", "instead"),
    [
        pytest.param("docs/nginx.md", "", "", id="as documented"),
        pytest.param("docs/cdn.md", "", "", id="as documented, with a cache"),
        pytest.param(
            "docs/nginx.md",
            "proxy_set_header X-Forwarded-For $remote_addr;",
            "proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;",
            id="appending to X-Forwarded-For",
        ),
        pytest.param(
            "docs/nginx.md",
            LOCATION,
            "location / { proxy_hide_header Tus-Max-Size;",
            id="hiding the largest size",
        ),
    ],
)
def test_nothing_is_wrong_with_a_good_deployment(
    deployment: Deployment, page: str, line: str, instead: str
) -> None:
    with deployment.proxy(line, instead, page=page) as port:
        examined = deployment.examine(port)
    assert examined.findings == set()
    # The keys are not in a file, there is no relay, and nothing tells where plain HTTP
    # would be.
    unknown = {Code.BUCKET, Code.KEYS_OLD, Code.MAIL_RELAY, Code.PLAIN_HTTP}
    assert examined.codes("not_checked") == unknown


def test_without_the_machine_all_is_checked_that_needs_no_key(
    deployment: Deployment,
) -> None:
    with deployment.proxy() as port:
        examined = deployment.examine(port, "--outside")
    assert examined.findings == set()
    assert examined.codes("not_checked") == {
        Code.PLAIN_HTTP,
        Code.LINK_REFUSED,
        Code.FILE_REFUSED,
        Code.FORGED_ADDRESS,
        Code.PROXY_AS_CLIENT,
    }


def test_a_good_deployment_is_silent_unless_asked(deployment: Deployment) -> None:
    with deployment.proxy() as port:
        silent = deployment.run(port)
        verbose = deployment.run(port, "--verbose")
    assert (silent.exit_code, silent.output) == (0, "")
    assert verbose.exit_code == 0
    assert "ok           uploads-buffered: An upload was answered" in verbose.stdout
    assert "not checked  mail-relay: GATEWAY_MAIL_URL is not set" in verbose.stdout
    assert f"{PLACE}: 0 findings, 4 checks not made" in verbose.stderr


def test_a_limit_of_bodies_is_measured_and_printed_as_documented(
    deployment: Deployment,
) -> None:
    with deployment.proxy("client_max_body_size 0;", "") as port:
        printed = deployment.run(port)
    page = (ROOT / "docs" / "operations.md").read_text("utf-8")
    assert "an upload of 2 MiB (413) and accepts 1 MiB" in printed.stdout
    assert f"$ gateway doctor {PLACE}\n{printed.stdout}```" in page


BELOW: Final = (
    f"location / {{\n        proxy_pass {PLACE};",
    f"location /below/ {{\n        proxy_pass {PLACE}/;",
)


def test_a_path_that_the_gateway_does_not_know_of_is_found_out(
    deployment: Deployment,
) -> None:
    with deployment.proxy(*BELOW) as port:
        examined = deployment.examine(port, "--outside", url=f"{PLACE}/below")
    assert examined.findings == {Code.PUBLIC_URL}


#: What is wrong on the gateway's machine, or at another address; and what is found.
SETTINGS: Final = {
    "links of another address": (
        {"GATEWAY_PUBLIC_URL": f"http://{HOST}"},
        {Code.PUBLIC_URL},
    ),
    "other keys": ({"GATEWAY_KEYS": str(Key.generate())}, {Code.LINK_REFUSED}),
    "a certificate that nobody knows": (
        {"SSL_CERT_FILE": "/dev/null"},
        {Code.TLS_INVALID},
    ),
}


@pytest.mark.parametrize(("changes", "codes"), SETTINGS.values(), ids=SETTINGS.keys())
def test_what_does_not_fit_the_machine_is_found_out(
    deployment: Deployment, changes: dict[str, str], codes: set[Code]
) -> None:
    with deployment.proxy() as port:
        assert deployment.examine(port, **changes).findings == codes


def test_a_file_that_the_gateway_does_not_deliver_is_found_out(
    deployment: Deployment,
) -> None:
    files = deployment.home / "files"
    files.mkdir()
    (files / "other.txt").write_text("not in the gateway's folder")
    with deployment.proxy() as port:
        examined = deployment.examine(port, GATEWAY_FILES=str(files))
    assert examined.findings == {Code.FILE_REFUSED}


def test_a_gateway_that_is_not_ready_is_found_out(deployment: Deployment) -> None:
    files = deployment.stack.files
    away = files.rename(files.with_name("away"))
    try:
        with deployment.proxy() as port:
            examined = deployment.examine(port, "--outside")
    finally:
        away.rename(files)
    (finding,) = examined.facts["findings"]
    assert (finding["code"], "files" in finding["text"]) == (Code.NOT_READY, True)


PLAIN: Final = (
    LOCATION,
    "listen 127.0.0.1:PLAIN; location / {",
)


def test_plain_http_is_found_out(deployment: Deployment) -> None:
    with deployment.proxy(*PLAIN) as port:
        examined = deployment.examine(port, "--outside", url=f"http://{HOST}")
    assert examined.findings == {Code.PLAIN_HTTP}


def test_plain_http_beside_tls_is_found_out(deployment: Deployment) -> None:
    with deployment.proxy(*PLAIN) as port:
        site = deployment.site(port, ahead=0)
        plain = Client(Target.parse(f"http://{HOST}"), ("127.0.0.1", port))
        (result,) = tls.check_plain_http(site, plain)
    assert (result.code, result.state) == (Code.PLAIN_HTTP, State.FOUND)


def test_tls_that_is_about_to_end_is_found_out(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(deployment.certificate))
    with deployment.proxy() as port:
        valid, end = tls.check_certificate(deployment.site(port, ahead=20 * 3600))
    assert (valid.state, end.code, end.state) == (
        State.PASSED,
        Code.TLS_ENDS,
        State.FOUND,
    )


@pytest.mark.parametrize(
    ("ahead", "way"),
    [
        pytest.param(60, "s behind this machine's", id="behind"),
        pytest.param(-60, "s ahead of this machine's", id="ahead"),
    ],
)
def test_clocks_that_are_apart_are_found_out(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch, ahead: int, way: str
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(deployment.certificate))
    with deployment.proxy() as port:
        (result,) = answers.check_clock(deployment.site(port, ahead=ahead))
    assert (result.code, result.state) == (Code.CLOCK, State.FOUND)
    assert way in result.text
