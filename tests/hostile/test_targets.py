"""nginx and Flask judge the same text: whatever a target looks like, or it is refused.

Each target begins where a route takes a path or an id, and leads by a detour to a
place of nginx's.  What nginx then asks gunicorn is read as gunicorn and Flask read it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

import pytest
from gunicorn.config import Config
from gunicorn.http.parser import RequestParser
from gunicorn.http.wsgi import create
from werkzeug.exceptions import HTTPException
from werkzeug.routing import RequestRedirect
from werkzeug.test import run_wsgi_app

from gateway.app import create_app
from gateway.config import settings
from gateway.http import families
from gateway.links import Key, KeyRing
from gateway.links.server_secret import ServerSecret
from gateway.web.nginx.family import ADMIT, CUT
from gateway.web.nginx.headers import original_path
from gateway.web.nginx.verdicts import VERDICT_HEADER
from tests.live.test_nginx import NOT_FOUND, Nginx

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from flask import Flask

ADMITTED: Final = b"HTTP/1.0 204 No Content\r\n\r\n"
BODY: Final = b"never to be kept"
METHODS: Final = ("GET", "POST", "PUT", "PATCH")
#: What nginx alone asks for or sends.
INTERNAL: Final = (
    *("/_admit", "/_cut", "/_verdict", "/_unfit", "/_pages/error.html"),
    *("/_files/a", "/_blobs/a", "/_large_files/a", "/_large_blobs/a"),
    *("/_shown_files/a", "/_shown_blobs/a", "/_small_files/a", "/_small_blobs/a"),
)
#: What is also asked of Flask at paths without the path prefix.
OUTSIDE: Final = ("/healthz", "/readyz", "/metrics")
PLACES: Final = (
    # nginx has no location for this family without GATEWAY_AUTHORIZE.
    *(p for p in families.places() if p not in families.AUTHORIZED.places),
    *(*INTERNAL, "/static/style.css", "/tus/x", "/u/x"),
)
ABOVE: Final = 6  # folders: more than any route has
#: ``{a}`` is a route's beginning, with its last slash, and ``{b}`` a place, without
#: its first one.
SEGMENTS: Final = {
    "two dots": "{a}" + "../" * ABOVE + "{b}",
    "two dots after a name": "{a}x/" + "../" * ABOVE + "{b}",
    "as many as there are folders": "{a}x/{up}../{b}",
    "encoded dots": "{a}" + "%2e%2e/" * ABOVE + "{b}",
    "encoded dots, upper case": "{a}{up_upper}{b}",
    "one encoded dot": "{a}{up_first}{b}",
    "the other encoded dot": "{a}{up_last}{b}",
    "encoded slashes": "{a}x%2f{up_slash}{b}",
    "encoded slashes, upper case": "{a}x%2F{up_slash_upper}{b}",
    "all encoded": "{a}%2e%2e%2F{up_all}{b}",
    "a dot": "{a}./{b}",
    "an encoded dot": "{a}%2E/{b}",
    "a dot, encoded slash": "{a}.%2f{b}",
    "a dot at the end": "{a}{b}/.",
    "two dots at the end": "{a}{b}/..",
    "encoded dots at the end": "/{b}/%2e%2E",
    "dots before a query": "/{b}/..?x=1",
    "dots before a fragment": "/{b}/.#x",
    "to the root and back": "/../{b}",
    "two slashes and dots": "{a}/{up}{b}",
}
OTHERS: Final = {
    "plain": "/{b}",
    "below": "{a}{b}",
    "backslashes": "{a}..\\..\\..\\{b}",
    "encoded backslashes": "{a}..%5c..%5C..%5c{b}",
    "encoded slash": "{a}x%2f{b}",
    "encoded first letter": "/%{first}{rest}",
    "two slashes before": "//{b}",
    "three slashes before": "///{b}",
    "encoded slash before": "/%2f{b}",
    "two slashes between": "{a}/{b}",
    "semicolon": "{a}x;/{b}",
    "dots and semicolon": "{a}..;/..;/..;/{b}",
    "semicolon at the end": "/{b};x",
    "fragment": "{a}x#/{b}",
    "fragment with dots": "/{b}#/../../x",
    "encoded fragment": "{a}x%23/{b}",
    "query with dots": "/{b}?x=/../../",
    "fragment before a query": "/{b}#?/../",
    "encoded question mark": "{a}x%3f/{b}",
    "NUL": "{a}x%00/{b}",
    "NUL at the end": "/{b}%00",
    "encoded line end": "{a}x%0d%0a{b}",
    "encoded line end after": "/{b}%0a",
    "encoded twice": "{a}%252e%252e%252f%252e%252e/{b}",
    "encoded blank": "/{b}%20",
    "not UTF-8": "{a}%ff/{b}",
    "raw UTF-8": "{a}\u00e4/{b}",
    "raw UTF-8 in a query": "/{b}?x=\u00e4",
    "dots in names": "{a}a..b/.../.bashrc/..a/{b}",
    "absolute form": "http://localhost/{b}",
    "absolute form with slashes": "http://localhost//{b}",
    "absolute form below": "http://localhost{a}{b}",
    "absolute form without a path": "http://localhost?/{b}",
    "absolute form in a path": "/http://localhost/{b}",
    "star": "*",
    "no slash": "{b}",
}
ABSOLUTE: Final = {
    f"absolute form, {name}": f"http://localhost{form}"
    for name, form in SEGMENTS.items()
}


@pytest.fixture(
    scope="module",
    params=[
        pytest.param({}, id="kept"),
        pytest.param({"GATEWAY_VERDICT_TTL": "0"}, id="asked", marks=pytest.mark.extra),
        pytest.param(
            {"GATEWAY_PUBLIC_URL": "http://localhost/media"},
            id="below a path",
            marks=pytest.mark.extra,
        ),
    ],
)
def chosen(request: pytest.FixtureRequest) -> dict[str, str]:
    """Return the settings of nginx and Flask."""
    found: dict[str, str] = request.param
    return found


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory, chosen: dict[str, str]) -> Flask:
    """Return the application, for its routes and its refusals."""
    home: Path = tmp_path_factory.mktemp("app")
    (home / "files").mkdir()
    reading = settings.read(
        {
            "GATEWAY_FILES": str(home / "files"),
            "GATEWAY_DATA": str(home / "data"),
            "GATEWAY_KEYS": str(KeyRing((Key.generate(),))),
            "GATEWAY_SECRET": str(ServerSecret.generate()),
            **chosen,
        }
    )
    return create_app(reading.settings)


@pytest.fixture(scope="module")
def nginx(
    tmp_path_factory: pytest.TempPathFactory, chosen: dict[str, str]
) -> Iterator[Nginx]:
    home: Path = tmp_path_factory.mktemp("nginx")
    (home / "data/store/spool").mkdir(parents=True)
    with Nginx(home, GATEWAY_CLIENT_REQUESTS="100000", **chosen) as running:
        fake = running.fake_gunicorn()
        fake.script = lambda line: ADMITTED if b" /_admit " in line else NOT_FOUND
        yield running


def beginnings(app: Flask) -> set[str]:
    """Return where each route's variable parts begin."""
    return {
        re.sub("<[^>]*>", "t", "<".join(parts[:count]))
        for parts in (rule.rule.split("<") for rule in app.url_map.iter_rules())
        for count in range(1, len(parts))
    }


def targets(form: str, app: Flask, prefix: str) -> Iterable[str]:
    """Yield the targets of *form* from each route to each place, once.

    They are below the path *prefix*, as far as they are paths.
    """
    form = re.sub(r"^(http://localhost)?(?=/|\{a)", rf"\g<0>{prefix}", form)
    found = {
        form.format(
            a=start,
            b=place[1:],
            first=f"{ord(place[1:2] or 'x'):02x}",
            rest=place[2:],
            up="../" * start.count("/"),
            up_upper="%2E%2E/" * start.count("/"),
            up_first="%2e./" * start.count("/"),
            up_last=".%2E/" * start.count("/"),
            up_slash="..%2f" * start.count("/"),
            up_slash_upper="..%2F" * start.count("/"),
            up_all="%2e%2e%2f" * start.count("/"),
        )
        for start in beginnings(app)
        for place in PLACES
    }
    return sorted(found)


def ask(
    nginx: Nginx, method: str, target: str, version: str = "1.1", body: bytes = b""
) -> tuple[int, list[bytes]]:
    """Send one request; return the status, and what gunicorn was asked."""
    assert nginx.gunicorn is not None
    nginx.gunicorn.forget()
    head = (
        f"{method} {target} HTTP/{version}\r\nHost: localhost\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    answer = nginx.send_raw(head.encode() + body)
    return int(answer.split(b" ", 2)[1]), list(nginx.gunicorn.asked)


def environ_of(head: bytes) -> dict[str, Any]:
    """Return what gunicorn makes of a request."""
    config = Config()
    config.set("limit_request_line", 0)
    config.set("forwarder_headers", "")
    request = next(iter(RequestParser(config, [head], ("", 0))))
    _, environ = create(request, None, ("", 0), ("localhost", 80), config)
    found: dict[str, Any] = environ
    return found


def rule_of(app: Flask, environ: dict[str, Any], method: str, path: str) -> str | None:
    """Return the rule that Flask finds, if it finds one that it would answer by."""
    adapter = app.url_map.bind_to_environ(environ)
    try:
        rule, _ = adapter.match(path, method, return_rule=True)
    except (HTTPException, RequestRedirect):
        return None
    return rule.rule


def is_refused(app: Flask, environ: dict[str, Any]) -> bool:
    """Tell whether the application itself says that there is nothing."""
    _, status, _ = run_wsgi_app(app.wsgi_app, environ)
    return status.startswith("404 ")


def is_one_judgement(app: Flask, head: bytes, prefix: str) -> bool:
    """Tell whether Flask reads what it is asked as nginx did that names the family."""
    environ = environ_of(head)
    named = environ.get("HTTP_X_GATEWAY_FAMILY")
    if VERDICT_HEADER in environ:
        named = families.SIGNED.name
    method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
    if path in {ADMIT, CUT}:  # about another request
        method = environ["HTTP_X_ORIGINAL_METHOD"]
        with app.request_context({**environ, "SCRIPT_NAME": prefix}):
            path = unquote(original_path(), "latin-1")
    elif path.startswith(f"{prefix}/"):
        path = path.removeprefix(prefix)
    else:
        return path in OUTSIDE
    if families.asked(method, path).name != named:
        return False
    rule = rule_of(app, environ, method, path)
    if rule is None:
        return True
    family = families.of(method, rule)
    agree = family is not None and family.name == named
    return agree or is_refused(app, environ)


def disagreements(
    nginx: Nginx, app: Flask, form: str, methods: int
) -> Iterator[tuple[str, str, int]]:
    """Yield each request that is asked about, and not with one judgement.

    Each target is asked for by so many *methods*, which take turns.
    """
    for number, target in enumerate(targets(form, app, nginx.prefix)):
        for turn in range(number, number + methods):
            method = METHODS[turn % len(METHODS)]
            status, heads = ask(nginx, method, target)
            agreed = [is_one_judgement(app, head, nginx.prefix) for head in heads]
            if status >= 500 or not all(agreed):
                yield method, target, status


def asked_about(
    nginx: Nginx, app: Flask, form: str, version: str = "1.1"
) -> Iterator[tuple[str, str, int]]:
    """Yield each request that nginx does not refuse by itself, as 400 or 404."""
    for method in METHODS:
        for target in targets(form, app, nginx.prefix):
            status, heads = ask(nginx, method, target, version, BODY)
            if heads or status not in {400, 404}:
                yield method, target, status


@pytest.mark.parametrize("form", SEGMENTS.values(), ids=SEGMENTS)
@pytest.mark.parametrize(
    "version", ["1.1", pytest.param("1.0", marks=pytest.mark.extra)], ids=str
)
def test_a_dot_segment_is_refused_before_anything_is_asked(
    nginx: Nginx, app: Flask, form: str, version: str
) -> None:
    """No location is chosen, no body is read, and Flask hears nothing of it."""
    assert list(asked_about(nginx, app, form, version)) == []


@pytest.mark.extra
@pytest.mark.parametrize("form", ABSOLUTE.values(), ids=ABSOLUTE)
def test_a_dot_segment_in_absolute_form_is_refused(
    nginx: Nginx, app: Flask, form: str
) -> None:
    assert list(asked_about(nginx, app, form)) == []


@pytest.mark.parametrize(
    "methods", [1, pytest.param(len(METHODS), marks=pytest.mark.extra)]
)
@pytest.mark.parametrize("form", OTHERS.values(), ids=OTHERS)
def test_what_flask_is_asked_it_reads_as_nginx_has_read_it(
    nginx: Nginx, app: Flask, form: str, methods: int
) -> None:
    """The family that nginx names is that of Flask's route, or nobody answers."""
    assert list(disagreements(nginx, app, form, methods)) == []
