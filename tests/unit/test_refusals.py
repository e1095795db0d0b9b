"""What a client is told when it gets no file: a page or a problem."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from jinja2 import Environment, FileSystemLoader
from werkzeug import exceptions

from gateway.app import create_app
from gateway.config import settings
from gateway.config.brand import Brand
from gateway.errors import (
    EarlyLinkError,
    ExpiredLinkError,
    ForeignClientError,
    ForgedLinkError,
    MalformedLinkError,
    NotServableError,
    RefusedError,
    UnknownKeyError,
)
from gateway.http import explanations
from gateway.http.refusal_page import in_one_line
from gateway.links import Key
from gateway.links.server_secret import ServerSecret
from tests.unit.rendered import rendered
from tests.web.nginx import behind_nginx

if TYPE_CHECKING:
    from flask.testing import FlaskClient

ROOT = Path(__file__).resolve().parents[2]
HTML = {"Accept": "text/html"}
JSON = {"Accept": "application/json"}
REQUEST_ID = "0123456789abcdef0123456789abcdef"

NOTHING_HERE = "Page not found"

ERRORS = [
    pytest.param(ForgedLinkError(), 404, NOTHING_HERE, id="forged"),
    pytest.param(MalformedLinkError("x"), 404, NOTHING_HERE, id="malformed"),
    pytest.param(UnknownKeyError("k"), 404, NOTHING_HERE, id="unknown-key"),
    pytest.param(NotServableError("missing"), 404, NOTHING_HERE, id="missing"),
    pytest.param(RefusedError(), 404, NOTHING_HERE, id="any-other-refusal"),
    pytest.param(ExpiredLinkError(1), 410, "This link has expired", id="expired"),
    pytest.param(EarlyLinkError(1), 403, "This link is not valid yet", id="early"),
    pytest.param(
        ForeignClientError("192.0.2.1"),
        403,
        "This link is not available from your network",
        id="foreign-client",
    ),
    pytest.param(exceptions.BadRequest(), 400, "Invalid request", id="bad-request"),
    pytest.param(exceptions.NotFound(), 404, NOTHING_HERE, id="no-route"),
    pytest.param(
        exceptions.MethodNotAllowed(["GET"]),
        405,
        "Method not allowed",
        id="method",
    ),
    pytest.param(
        exceptions.TooManyRequests(),
        429,
        "Too many requests",
        id="too-many-requests",
    ),
    pytest.param(exceptions.Gone(), 410, "Gone", id="without-words-of-ours"),
    pytest.param(
        exceptions.InternalServerError(), 500, "Something went wrong", id="failed"
    ),
    pytest.param(
        ZeroDivisionError("inner detail"), 500, "Something went wrong", id="bug"
    ),
    pytest.param(
        exceptions.ServiceUnavailable(),
        503,
        "Service temporarily unavailable",
        id="unavailable",
    ),
]


class Page(HTMLParser):
    """A page's tags, attributes and texts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: set[str] = set()
        self.metas: dict[str, str] = {}
        self.texts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        facts = {name: value or "" for name, value in attrs}
        self.attributes |= facts.keys()
        self.metas[facts.get("name", "")] = facts.get("content", "")

    def handle_data(self, data: str) -> None:
        self.texts.append(data.strip())


class Failing:
    """The application with a route that raises what it is told to."""

    def __init__(self, home: Path) -> None:
        self.error: Exception = ForgedLinkError()
        (home / "files").mkdir()
        reading = settings.read(
            {
                "GATEWAY_FILES": str(home / "files"),
                "GATEWAY_DATA": str(home / "data"),
                "GATEWAY_KEYS": str(Key.generate()),
                "GATEWAY_SECRET": str(ServerSecret.generate()),
            }
        )
        app = create_app(reading.settings)
        app.add_url_rule("/fail", view_func=self._fail)
        app.add_url_rule("/_files/<path:_>", view_func=self._fail)
        self.client: FlaskClient = behind_nginx(app).test_client()

    def _fail(self, **_: str) -> str:
        raise self.error


@pytest.fixture
def failing(tmp_path: Path) -> Failing:
    """Build the application as it is wired, with one route more."""
    return Failing(tmp_path)


@pytest.mark.parametrize(("error", "status", "title"), ERRORS)
def test_a_person_gets_a_page(
    failing: Failing, error: Exception, status: int, title: str
) -> None:
    """Each error's page has its status, its title twice and the request id."""
    failing.error = error
    answer = failing.client.get("/fail", headers=HTML | {"X-Request-ID": REQUEST_ID})
    page = Page(answer.text)
    assert answer.status_code == status
    assert answer.content_type == "text/html; charset=utf-8"
    assert page.texts.count(title) == 2
    assert f"{status} \u00b7 request {REQUEST_ID}" in page.texts


@pytest.mark.parametrize(
    ("error", "status", "name"),
    [
        pytest.param(ForgedLinkError(), 404, "not-found", id="refused"),
        pytest.param(ExpiredLinkError(1), 410, "expired", id="expired"),
        pytest.param(
            exceptions.TooManyRequests(), 429, "too-many-requests", id="of-HTTP"
        ),
        pytest.param(ZeroDivisionError(), 500, "internal-error", id="bug"),
    ],
)
def test_a_program_gets_a_problem(
    failing: Failing, error: Exception, status: int, name: str
) -> None:
    """An error's problem has the members of RFC 9457 and the request id."""
    failing.error = error
    answer = failing.client.get("/fail", headers=JSON | {"X-Request-ID": REQUEST_ID})
    problem = answer.get_json()
    detail = problem.pop("detail")
    assert answer.status_code == status
    assert answer.content_type == "application/problem+json"
    assert isinstance(detail, str)
    assert detail
    assert problem == {
        "type": f"/problems/{name}",
        "title": explanations.BY_NAME[name].title,
        "status": status,
        "request_id": REQUEST_ID,
    }


@pytest.mark.parametrize("accept", [HTML, JSON], ids=lambda accept: accept["Accept"])
@pytest.mark.parametrize(
    "error",
    [
        pytest.param(ForgedLinkError(), id="refused"),
        pytest.param(exceptions.TooManyRequests(), id="of-HTTP"),
        pytest.param(ZeroDivisionError(), id="bug"),
    ],
)
def test_every_refusal_is_kept_by_nobody_and_runs_nothing(
    failing: Failing, error: Exception, accept: dict[str, str]
) -> None:
    """A cached refusal would outlive its cause, and the policy allows no script."""
    failing.error = error
    answer = failing.client.get("/fail", headers=accept)
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Vary"] == "Accept"
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert "script-src" not in answer.headers["Content-Security-Policy"]


@pytest.mark.parametrize("accept", [HTML, JSON], ids=lambda accept: accept["Accept"])
def test_what_must_look_alike_is_alike_to_the_letter(
    failing: Failing, accept: dict[str, str]
) -> None:
    """Who guesses links must not learn whether key, signature or file is missing."""
    errors = (
        ForgedLinkError(),
        MalformedLinkError("x"),
        UnknownKeyError("k"),
        NotServableError("missing"),
        exceptions.NotFound(),
    )
    answers = set()
    for failing.error in errors:
        answer = failing.client.get("/fail", headers=accept)
        shown = {k: v for k, v in answer.headers if k != "X-Gateway-Reason"}
        answers.add((answer.status, answer.data, tuple(shown.items())))
    assert len(answers) == 1


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        pytest.param(ForgedLinkError(), "forged", id="forged"),
        pytest.param(ForeignClientError("::1"), "foreign-client", id="foreign-client"),
        pytest.param(NotServableError("hidden"), "not-servable:hidden", id="hidden"),
        pytest.param(exceptions.NotFound(), "http-404", id="no-route"),
        pytest.param(ZeroDivisionError(), "http-500", id="bug"),
    ],
)
def test_the_log_is_told_the_reason(
    failing: Failing, error: Exception, reason: str
) -> None:
    """Operators read why in a header, which nginx logs and takes off."""
    failing.error = error
    page = failing.client.get("/fail", headers=HTML)
    problem = failing.client.get("/fail", headers=JSON)
    assert page.headers["X-Gateway-Reason"] == reason
    assert problem.headers["X-Gateway-Reason"] == reason


def test_when_to_try_again_is_passed_on(failing: Failing) -> None:
    """Whoever limits tells the wait, and the page must not lose it."""
    failing.error = exceptions.TooManyRequests(retry_after=5)
    answer = failing.client.get("/fail")
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "5")


def test_the_methods_that_are_allowed_are_named(failing: Failing) -> None:
    """RFC 9110 section 15.5.6 demands them of a 405."""
    answer = failing.client.post("/healthz")
    allowed = set(answer.headers["Allow"].split(", "))
    assert (answer.status_code, allowed) == (405, {"GET", "HEAD", "OPTIONS"})


def test_each_answer_has_one_content_type(failing: Failing) -> None:
    """The type that Werkzeug would have sent does not stand beside ours."""
    failing.error = exceptions.BadRequest()
    assert len(failing.client.get("/fail").headers.getlist("Content-Type")) == 1


def test_a_bug_is_not_explained(failing: Failing) -> None:
    """What went wrong inside is for the log, in whatever form it is told."""
    failing.error = ZeroDivisionError("inner detail")
    page = failing.client.get("/fail", headers=HTML)
    problem = failing.client.get("/fail", headers=JSON)
    assert "inner detail" not in page.text + problem.text
    assert "ZeroDivisionError" not in page.text + problem.text


def test_without_a_request_id_none_is_shown(failing: Failing) -> None:
    """The page does not end in an empty phrase."""
    page = failing.client.get("/fail", headers=HTML)
    problem = failing.client.get("/fail", headers=JSON)
    assert "404" in Page(page.text).texts
    assert "request" not in page.text
    assert problem.get_json()["request_id"] == ""


# who is a program


@pytest.mark.parametrize(
    "accept",
    [
        pytest.param("", id="empty"),
        pytest.param("*/*", id="curl"),
        pytest.param("application/json, text/plain, */*", id="axios"),
        pytest.param("text/*", id="any-text"),
        pytest.param("text/htmlx", id="another-type"),
        pytest.param("application/xhtml+xml;x=text/html", id="a-parameter"),
        pytest.param("a/b," * 2000, id="long"),
    ],
)
def test_who_does_not_name_html_gets_a_problem(failing: Failing, accept: str) -> None:
    """Programs say many things, and none of them wants to parse a page."""
    answer = failing.client.get("/fail", headers={"Accept": accept})
    assert answer.content_type == "application/problem+json"


@pytest.mark.parametrize(
    "accept",
    [
        pytest.param(
            "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
            id="browser",
        ),
        pytest.param("application/json, text/html;q=0.1", id="rather-json"),
        pytest.param("*/* ,\tText/HTML ; charset=utf-8", id="blanks-and-case"),
    ],
)
def test_who_names_html_gets_a_page(failing: Failing, accept: str) -> None:
    answer = failing.client.get("/fail", headers={"Accept": accept})
    assert (answer.status_code, answer.mimetype) == (404, "text/html")


def test_who_says_nothing_gets_a_problem(failing: Failing) -> None:
    """A request without Accept is a program's: browsers send one."""
    assert failing.client.get("/fail").mimetype == "application/problem+json"


def test_below_api_everybody_is_a_program(failing: Failing) -> None:
    """There is no page below /api/, whatever is asked for."""
    answer = failing.client.get("/api/nope", headers=HTML)
    beside = failing.client.get("/apinope", headers=HTML)
    assert answer.mimetype == "application/problem+json"
    assert beside.mimetype == "text/html"


@given(accept=st.text(st.characters(codec="latin-1", exclude_characters="\r\n")))
@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_accept_header_is_a_server_error(failing: Failing, accept: str) -> None:
    """Whatever stands in the header, the refusal stays the refusal that it was."""
    answer = failing.client.get("/fail", headers={"Accept": accept})
    assert answer.status_code == 404
    assert answer.mimetype in {"text/html", "application/problem+json"}


# what stands in a page

HOSTILE = "<script>alert('x')</script>\"'&<img src=x onerror=y>"


def test_what_a_request_brings_is_no_markup(failing: Failing) -> None:
    """The request id is shown as text, letter for letter."""
    answer = failing.client.get("/fail", headers=HTML | {"X-Request-ID": HOSTILE})
    page = Page(answer.text)
    assert page.texts.count(NOTHING_HERE) == 2
    assert {"script", "img"}.isdisjoint(page.tags)
    assert any(text.endswith(HOSTILE) for text in page.texts)


@pytest.mark.parametrize("accept", [HTML, JSON], ids=lambda accept: accept["Accept"])
@pytest.mark.parametrize(
    "path",
    [
        pytest.param("/hostile<b>", id="unknown"),
        pytest.param("/s/hostile<b>/hostile<b>", id="signed-url"),
        pytest.param("/api/hostile<b>", id="api"),
    ],
)
def test_no_answer_repeats_the_url(
    failing: Failing, path: str, accept: dict[str, str]
) -> None:
    """What is not repeated can't be abused, and a token can't be read from it."""
    answer = failing.client.get(
        path,
        query_string={"q": "hostile"},
        headers=accept | {"User-Agent": "hostile", "Referer": "https://hostile/"},
    )
    assert answer.status_code == 404
    assert "hostile" not in answer.text
    assert "hostile" not in str(answer.headers)


def test_a_problem_carries_any_request_id_as_text(failing: Failing) -> None:
    """JSON's own quoting holds: the problem can be parsed whatever comes in."""
    answer = failing.client.get("/fail", headers=JSON | {"X-Request-ID": HOSTILE})
    assert answer.get_json()["request_id"] == HOSTILE


LINK_FORM = (
    (ROOT / "gateway/web/templates/_open_link_form.html")
    .read_text()
    .replace("{{ open_url }}", "/open")
)


@pytest.mark.parametrize(("error", "status", "title"), ERRORS)
def test_the_page_of_a_dead_or_damaged_link_has_a_form_for_the_whole_link(
    failing: Failing, error: Exception, status: int, title: str
) -> None:
    """With any other refusal another link would not help."""
    del title
    failing.error = error
    answer = failing.client.get("/fail", headers=HTML)
    has_form = " ".join(LINK_FORM.split()) in answer.text
    assert has_form is (status in {400, 404, 410})
    assert len(answer.data) <= 8192
    assert "form-action 'self'" in answer.headers["Content-Security-Policy"]


def test_the_form_leads_to_this_site_and_repeats_nothing() -> None:
    """The request may have named half a link."""
    assert re.findall(r'action="([^"]+)"', LINK_FORM) == ["/open"]
    assert "value" not in LINK_FORM
    assert "></textarea>" in LINK_FORM


def refusal_of_flask() -> str:
    """Return the page as its template makes it, with the operator's name and colour."""
    templates = Environment(
        loader=FileSystemLoader(ROOT / "gateway/web/templates"), autoescape=True
    )
    page = templates.get_template("refusal.html").render(
        brand=BRAND, title="Title", text="Text", status=404, request_id="1"
    )
    return in_one_line(page)


SSI = re.compile(r"<!--# (.*?) -->")


def as_nginx_shows(page: str, **variables: str) -> str:
    """Return what nginx sends for a page with server-side includes.

    Only the commands, and of their syntax only the forms, that the page has.
    https://nginx.org/en/docs/http/ngx_http_ssi_module.html
    """
    shown, is_shown, was_shown = [], True, False
    for index, part in enumerate(SSI.split(page)):
        name, _, arguments = part.partition(" ")
        values = dict(re.findall(r'(\w+)="([^"]*)"', arguments))
        if index % 2 == 0:
            shown.append(part if is_shown else "")
        elif name in {"if", "elif"}:
            was_shown = name == "elif" and was_shown
            is_shown = not was_shown and is_true(values["expr"], variables)
            was_shown = was_shown or is_shown
        elif name == "else":
            is_shown = not was_shown
        elif name == "endif":
            is_shown = True
        elif name == "set" and is_shown:
            variables[values["var"]] = values["value"]
        elif name == "echo" and is_shown:
            shown.append(variables[values["var"]])
    return "".join(shown)


def is_true(expression: str, variables: dict[str, str]) -> bool:
    """Evaluate ``$name = text`` or ``$name = /pattern/``."""
    name, _, wanted = expression.removeprefix("$").partition(" = ")
    if wanted.startswith("/"):
        return re.search(wanted.strip("/"), variables[name]) is not None
    return variables[name] == wanted


@pytest.mark.parametrize("status", explanations.BY_STATUS, ids=int)
def test_nginx_shows_the_page_that_flask_shows(failing: Failing, status: int) -> None:
    """Nobody can tell which of the two has refused a request."""
    failing.error = error = exceptions.HTTPException()
    error.code = int(status)
    answer = failing.client.get("/fail", headers=HTML | {"X-Request-ID": REQUEST_ID})
    page = as_nginx_shows(
        rendered()["pages/error.html"],
        status=str(int(status)),
        gateway_request_id=REQUEST_ID,
    )
    assert answer.status_code == status
    assert answer.text == page


BRAND = Brand("<b>Müller & Co", "#d40000", "/logo.svg")
PAGES = {
    "of-Flask": refusal_of_flask(),
    "of-nginx": rendered(GATEWAY_NAME=BRAND.name, GATEWAY_COLOR=BRAND.color)[
        "pages/error.html"
    ],
}
EACH_PAGE = pytest.mark.parametrize("text", PAGES.values(), ids=PAGES)


def style(text: str) -> str:
    return text.partition("<style>")[2].partition("</style>")[0]


@EACH_PAGE
def test_a_page_needs_nothing_from_outside(text: str) -> None:
    """No script and no asset: it shows where everything else is down."""
    page = Page(text)
    assert {"script", "link", "img", "iframe", "base", "a"}.isdisjoint(page.tags)
    assert {"src", "href", "srcset", "http-equiv"}.isdisjoint(page.attributes)
    assert "url(" not in text
    assert "@import" not in text
    assert "//" not in text


@EACH_PAGE
def test_a_page_is_light_and_dark(text: str) -> None:
    """The browser is told of both, and all colours are the ones of the design."""
    assert Page(text).metas["color-scheme"] == "light dark"
    light, dark, rules = re.split(
        r"@media \(prefers-color-scheme: dark\)|\* \{", style(text)
    )
    assert set(re.findall(r"--[a-z-]+(?=: #)", light)) == set(
        re.findall(r"--[a-z-]+(?=: #)", dark)
    )
    assert not re.search("#[0-9a-fA-F]", rules)


@EACH_PAGE
def test_a_page_has_the_operator_s_name_and_colour(text: str) -> None:
    assert "<span>&lt;b&gt;M&#252;ller &amp; Co</span></header>" in text
    assert f"--accent: {BRAND.on_light};" in style(text)
    assert f"--accent: {BRAND.on_dark};" in style(text)


@EACH_PAGE
def test_a_page_is_small(text: str) -> None:
    """It travels in a header, and is sent while all else is busy."""
    assert len(text.encode()) <= 8192


@EACH_PAGE
def test_a_page_fits_a_phone_and_no_search_engine(text: str) -> None:
    """It is as wide as the screen, in a named language, and not indexed."""
    page = Page(text)
    assert page.metas["viewport"] == "width=device-width, initial-scale=1"
    assert page.metas["robots"] == "noindex"
    assert "lang" in page.attributes
