"""Views of real Flask and Django sites, whose nginx sends what they name."""

from __future__ import annotations

import getpass
import os
import re
import subprocess
import sys
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import pytest
import requests

from gateway.config.address import accepts
from gateway.config.assets import asset
from gateway.delivery.accel import LARGE, Way, location
from gateway.runtime.live_conf import find_nginx
from gateway.storage.media_types import MediaTypes
from tests.live.ports import free_port
from tests.live.shown import blocks
from tests.live.stack import ROOT, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TEXT: Final = b"abcdefghijklmnopqrstuvwxyz"
#: The site's own page for what is not found.
OWN_PAGE: Final = "the site's own page"
#: nginx.conf around what the page shows, on a machine that has no gateway.
AROUND: Final = """\
{modules}
{user}
daemon off;
pid {folder}.pid;
error_log stderr warn;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}.body;
    proxy_temp_path {folder}.proxy;
    fastcgi_temp_path {folder}.fastcgi;
    uwsgi_temp_path {folder}.uwsgi;
    scgi_temp_path {folder}.scgi;
{shown}
}}
"""
#: What the page does not show: a site may have these lines in its server, too.
OF_THE_SITE: Final = """
    expires 30d;
    etag off;
    gzip on;
    gzip_types *;
    add_header X-Frame-Options DENY;
    error_page 404 /missing;
    location = /missing { return 404 "nginx's own page"; }
    location ~ \\.(php|html)$ { return 418; }
"""
ENVIRONMENT: Final = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
#: Headers that no two servers share.
OF_THE_SERVER: Final = {"Connection", "Date", "Server"}
#: The internal locations of the files.
PREFIXES: Final = [location(way, "files") for way in Way]
#: Headers of a new Django project's middleware, which nginx drops.
OF_DJANGO: Final = {"Cross-Origin-Opener-Policy", "X-Frame-Options"}


class Site:
    """A site behind its nginx; ``without`` is the same site without nginx.

    ``home`` has the folder of files and nginx's rendered files.  ``another`` is an
    nginx server whose configuration has directives of its own, OF_THE_SITE.
    """

    def __init__(self, name: str, home: Path) -> None:
        self.name = name
        self.home = home
        self.files = home / "files"
        self.settings = {"GATEWAY_FILES": str(self.files)}
        #: Before and in nginx's http {}.
        self.modules = self.includes = ""
        self._log = home / f"{name}.log"
        self._asked, self.without, self.url, self.another = (
            f"http://127.0.0.1:{free_port()}" for _ in range(4)
        )

    @contextmanager
    def running(self) -> Iterator[None]:
        with ExitStack() as stack:
            self._start(stack, self._gunicorn(self._asked), GATEWAY_NGINX="1")
            self._start(stack, self._gunicorn(self.without), GATEWAY_NGINX="0")
            self._start(stack, self._nginx())
            for url in (self._asked, self.without, self.url):
                wait_until(partial(answers, url), what=f"{url} answers")
            yield
        log = self._log.read_text("utf-8")
        assert not re.search(r"\[alert\]|\[emerg\]|Traceback", log), log

    def put(self, name: str, content: bytes = TEXT) -> Path:
        path = self.files / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path

    def link(self, name: str, target: Path) -> None:
        (self.files / name).unlink(missing_ok=True)
        (self.files / name).symlink_to(target)

    def get(self, path: str, **options: Any) -> requests.Response:
        return ask(self.url + path, **options)

    def _start(self, stack: ExitStack, command: list[str], **more: str) -> None:
        log = stack.enter_context(self._log.open("a"))
        environment = ENVIRONMENT | self.settings | more
        process = subprocess.Popen(
            command, cwd=self.home, env=environment, stdout=log, stderr=log
        )
        stack.callback(process.wait, 10)
        stack.callback(process.terminate)

    def _gunicorn(self, url: str) -> list[str]:
        return [
            *(sys.executable, "-m", "gunicorn", "--no-control-socket"),
            *("--bind", address(url), f"tests.live.sites.{self.name}_site:app"),
        ]

    def _nginx(self) -> list[str]:
        (shown,) = blocks("docs/views.md", "nginx")
        shown = shown.replace("/etc/nginx/gateway", str(self.home / "conf"))
        shown = shown.replace("127.0.0.1:8000", address(self._asked))
        include, server, rest = shown.partition("server {")
        here = f"listen {address(self.url)};"
        there = f"listen {address(self.another)};{OF_THE_SITE}"
        servers = [server + rest.replace("listen 80;", each) for each in (here, there)]
        conf = self.home / f"{self.name}.conf"
        conf.write_text(
            AROUND.format(
                user="user root;" if getpass.getuser() == "root" else "",
                folder=self.home / self.name,
                modules=self.modules,
                shown="\n".join([include, self.includes, *servers]),
            )
        )
        return [find_nginx(), "-e", "stderr", "-c", str(conf)]


def address(url: str) -> str:
    return url.removeprefix("http://")


def answers(url: str) -> bool:
    host, _, port = address(url).partition(":")
    return accepts((host, int(port)))


def ask(url: str, **options: Any) -> requests.Response:
    method = options.pop("method", "GET")
    headers = {"Accept-Encoding": "identity", **options.pop("headers", {})}
    return requests.request(method, url, headers=headers, timeout=20, **options)


def told(answer: requests.Response, *but: str) -> dict[str, str]:
    """Return the headers of an answer that a site or its nginx chooses."""
    left_out = {*OF_THE_SERVER, *but}
    return {k: v for k, v in answer.headers.items() if k not in left_out}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with files, and with what the page's command renders."""
    home = tmp_path_factory.mktemp("site")
    (home / "files").mkdir()
    (typed,) = blocks("docs/views.md", "sh")
    for place, here in {
        "/srv/files": str(home / "files"),
        "/etc/nginx/gateway": str(home / "conf"),
        ".venv/bin/gateway": f"{sys.executable} -m gateway",
    }.items():
        typed = typed.replace(place, here)
    subprocess.run(["sh", "-euxc", typed], cwd=home, env=ENVIRONMENT, check=True)
    return home


@pytest.fixture(scope="module", params=["flask", "django"])
def site(request: pytest.FixtureRequest, home: Path) -> Iterator[Site]:
    site = Site(request.param, home)
    with site.running():
        yield site


def test_nginx_sends_what_a_view_names(site: Site) -> None:
    site.put("reports/q3.txt")
    answer = site.get("/send/reports/q3.txt?max_age=60")
    assert (answer.status_code, answer.content) == (200, TEXT)
    assert answer.headers["Server"].startswith("nginx")
    assert told(answer, "ETag", "Last-Modified") == {
        "Accept-Ranges": "bytes",
        "Cache-Control": "private, max-age=60",
        "Content-Disposition": 'inline; filename="q3.txt"',
        "Content-Length": "26",
        "Content-Security-Policy": "sandbox; default-src 'none'",
        "Content-Type": "text/plain; charset=utf-8",
        "Cross-Origin-Resource-Policy": "same-site",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "X-Robots-Tag": "noindex",
    }


def test_head_answers_as_get_does_but_without_the_body(site: Site) -> None:
    site.put("head.txt")
    get, head = (site.get("/send/head.txt", method=m) for m in ("GET", "HEAD"))
    assert head.content == b""
    assert told(head) == told(get)


@pytest.mark.parametrize(
    ("name", "query"),
    [
        pytest.param("a.txt", "", id="text"),
        pytest.param("a.txt", "?attachment&name=%C3%A4%20%22.txt", id="attachment"),
        pytest.param("page.html", "", id="HTML"),
        pytest.param("drawing.svg", "", id="SVG"),
        pytest.param("photo.JPG", "?max_age=3600", id="picture"),
        pytest.param("film.mp4", "", id="video"),
        pytest.param("no-suffix", "", id="unknown type"),
        pytest.param("фото 📄.png", "", id="Unicode name"),
        pytest.param("large.pdf", "", id="large"),
    ],
)
def test_the_framework_alone_sends_the_same_headers(
    site: Site, name: str, query: str
) -> None:
    site.put(name, TEXT * (LARGE if name.startswith("large") else 1))
    by_nginx = site.get(f"/send/{name}{query}")
    alone = ask(f"{site.without}/send/{name}{query}")
    assert by_nginx.content == alone.content
    assert by_nginx.headers["Server"] != alone.headers["Server"]
    # Only Flask answers ranges itself.
    ranges = [] if site.name == "flask" else ["Accept-Ranges"]
    assert told(by_nginx, *ranges) == told(alone, *OF_DJANGO)


def test_each_suffix_has_the_same_type_without_nginx(site: Site) -> None:
    types = MediaTypes.read(asset("nginx/snippets/media_types.conf"))
    names = [site.put(f"types/a.{suffix}").name for suffix in types.by_suffix]

    def of(url: str) -> dict[str, str]:
        with requests.Session() as session:
            answers = {n: session.head(f"{url}/send/types/{n}") for n in names}
        return {name: each.headers["Content-Type"] for name, each in answers.items()}

    assert of(site.url) == of(site.without)


def test_a_range_is_answered_with_its_part(site: Site) -> None:
    site.put("part.txt")
    answer = site.get("/send/part.txt", headers={"Range": "bytes=1-2"})
    assert (answer.status_code, answer.content) == (206, b"bc")
    assert answer.headers["Content-Range"] == "bytes 1-2/26"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_a_range_past_the_end_is_refused_with_each_header_once(site: Site) -> None:
    site.put("part.txt")
    answer = site.get("/send/part.txt", headers={"Range": "bytes=26-"})
    assert answer.status_code == 416
    assert answer.headers["Content-Range"] == "bytes */26"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Content-Security-Policy"] == "sandbox; default-src 'none'"


def test_an_unchanged_file_is_304_by_etag_and_by_date(site: Site) -> None:
    site.put("same.txt")
    first = site.get("/send/same.txt?max_age=60").headers
    answers = [
        site.get("/send/same.txt?max_age=60", headers=condition)
        for condition in (
            {"If-None-Match": first["ETag"]},
            {"If-Modified-Since": first["Last-Modified"]},
        )
    ]
    assert [each.status_code for each in answers] == [304, 304]
    assert [each.headers["ETag"] for each in answers] == [first["ETag"]] * 2
    assert {each.headers["Cache-Control"] for each in answers} == {
        "private, max-age=60"
    }


@pytest.mark.parametrize("condition", ["If-Match", "If-Unmodified-Since"])
def test_what_a_client_knows_of_a_file_is_compared_with_the_file(
    site: Site, condition: str
) -> None:
    """Django's middleware would compare it with the empty answer."""
    site.put("known.txt")
    first = site.get("/send/known.txt").headers
    known = {
        "If-Match": first["ETag"],
        "If-Unmodified-Since": first["Last-Modified"],
    }
    answer = site.get("/send/known.txt", headers={condition: known[condition]})
    assert (answer.status_code, answer.content) == (200, TEXT)


def test_a_page_is_saved_and_runs_no_script(site: Site) -> None:
    site.put("page.html", b"<script>alert(1)</script>")
    headers = site.get("/send/page.html").headers
    assert headers["Content-Disposition"] == 'attachment; filename="page.html"'
    assert headers["Content-Security-Policy"] == "sandbox; default-src 'none'"


def test_shown_text_is_compressed_and_what_is_saved_is_not(site: Site) -> None:
    site.put("long.txt", b"x" * 5000)
    accepted = {"Accept-Encoding": "gzip"}
    shown = site.get("/send/long.txt", headers=accepted)
    saved = site.get("/send/long.txt?attachment", headers=accepted)
    assert shown.headers["Content-Encoding"] == "gzip"
    assert "Content-Encoding" not in saved.headers
    assert shown.content == saved.content


def test_a_file_below_long_names_is_sent(site: Site) -> None:
    path = "/".join(["日" * 80] * 4) + "/a.txt"
    site.put(path)
    assert site.get(f"/send/{path}").content == TEXT


@pytest.mark.parametrize(
    "path",
    [
        pytest.param("missing.txt", id="missing"),
        pytest.param(".hidden", id="hidden"),
        pytest.param("folder", id="a folder"),
        pytest.param("outside.txt", id="a symlink out of the folder"),
        pytest.param("a%01.txt", id="a control character"),
        pytest.param("%2e%2e/flask.log", id="traversal"),
        pytest.param("folder/%2e%2e/a.txt", id="a dot segment inside"),
        pytest.param("a.txt%2f", id="a slash at the end"),
        pytest.param("%ff.txt", id="not UTF-8"),
    ],
)
def test_what_may_not_be_sent_has_the_sites_own_404(site: Site, path: str) -> None:
    site.put("a.txt")
    site.put(".hidden")
    site.put("folder/b.txt")
    site.link("outside.txt", site.home / "conf/nginx.conf")
    # As typed: requests would resolve the dots.
    prepared = requests.Request("GET", f"{site.url}/send/").prepare()
    prepared.url = f"{site.url}/send/{path}"
    with requests.Session() as session:
        answer = session.send(prepared, timeout=20)
    assert (answer.status_code, answer.text) == (404, OWN_PAGE)


@pytest.mark.parametrize("prefix", PREFIXES)
def test_no_client_reaches_an_internal_location(site: Site, prefix: str) -> None:
    site.put("x.txt")
    named = site.get(f"/named?location={prefix}x.txt")
    asked = site.get(f"{prefix}x.txt", headers={"X-Accel-Redirect": f"{prefix}x.txt"})
    assert (named.status_code, named.content) == (200, TEXT)
    assert (asked.status_code, TEXT in asked.content) == (404, False)


@pytest.mark.parametrize("prefix", PREFIXES)
def test_nginx_looks_again_at_what_is_named(site: Site, prefix: str) -> None:
    """The file may have changed since the view has looked."""
    site.put("folder/b.txt")
    site.link("swapped.txt", site.home / "files-beside/x.txt")
    (site.home / "files-beside").mkdir(exist_ok=True)
    (site.home / "files-beside" / "x.txt").write_bytes(TEXT)
    bare = prefix.removesuffix("/")
    for target in (
        *(f"{prefix}missing.txt", f"{prefix}swapped.txt", f"{prefix}folder"),
        *(f"{bare}-beside/x.txt", f"{bare}../files-beside/x.txt"),
    ):
        answer = site.get(f"/named?location={target}", allow_redirects=False)
        assert (answer.status_code, TEXT in answer.content) == (404, False), target


@pytest.mark.parametrize(
    "header",
    ["X-Accel-Redirect", "X-Accel-Mapping", "X-Sendfile", "X-Sendfile-Type"],
)
def test_no_header_of_a_request_says_who_sends_which_file(
    site: Site, header: str
) -> None:
    site.put("a.txt")
    site.put("b.txt", b"another")
    plain = site.get("/send/a.txt")
    asked = site.get("/send/a.txt", headers={header: "/_files/b.txt"})
    assert asked.content == TEXT
    assert told(asked) == told(plain)


def test_a_rate_holds_the_file_back_and_a_large_file_is_complete(site: Site) -> None:
    content = os.urandom(LARGE + 1)
    site.put("large.bin", content)
    answer = site.get("/send/large.bin?rate=1000000")
    assert answer.content == content
    assert answer.headers["Content-Length"] == str(LARGE + 1)


@pytest.mark.parametrize("prefix", PREFIXES)
def test_the_sites_own_directives_apply_to_no_file(site: Site, prefix: str) -> None:
    site.put("page.html", b"x" * 5000)
    answer = ask(f"{site.another}/named?location={prefix}page.html")
    assert (answer.status_code, len(answer.content)) == (200, 5000)
    assert re.fullmatch('"[0-9a-f]+-1388"', answer.headers["ETag"])
    names = {"Cache-Control", "Expires", "X-Frame-Options"}
    assert not names & set(answer.headers)


@pytest.mark.parametrize("prefix", PREFIXES)
def test_a_file_that_is_gone_has_the_sites_own_page_of_nginx(
    site: Site, prefix: str
) -> None:
    for path in (f"/named?location={prefix}missing.txt", f"{prefix}missing.txt"):
        answer = ask(site.another + path)
        assert (answer.status_code, answer.text) == (404, "nginx's own page"), path


def test_what_is_saved_is_not_compressed_whatever_the_site_compresses(
    site: Site,
) -> None:
    site.put("saved.css", b"x" * 5000)
    answer = ask(f"{site.another}/send/saved.css", headers={"Accept-Encoding": "gzip"})
    assert answer.headers["Content-Length"] == "5000"
    assert "Content-Encoding" not in answer.headers
