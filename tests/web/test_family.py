"""Flask answers the routes of the family that nginx names, and no other one."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import pytest

from gateway.http import families
from gateway.web.nginx.family import ADMIT, COMMIT, CUT

if TYPE_CHECKING:
    from werkzeug.test import TestResponse

    from tests.web.conftest import Site


def ask(site: Site, method: str, path: str, name: str, **headers: str) -> TestResponse:
    """Ask as nginx would that has another opinion of the request."""
    sent = {key.replace("_", "-"): text for key, text in headers.items()}
    return site.client.open(
        path, method=method, headers={families.HEADER: name, **sent}
    )


def test_each_route_is_in_one_family_that_knows_its_method(site: Site) -> None:
    """A new route is not finished before nginx knows where it belongs."""
    rules = site.client.application.url_map.iter_rules()
    routes = [
        (method, rule.rule) for rule in rules for method in rule.methods or () if method
    ]
    assert len(routes) > 50
    lost = [route for route in routes if families.of(*route) is None]
    assert {path for _, path in lost} <= {ADMIT, COMMIT, CUT}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        pytest.param("GET", "/login", id="page"),
        pytest.param("GET", "/healthz", id="health"),
        pytest.param("GET", "/readyz", id="readiness"),
        pytest.param("GET", "/api/v1/files", id="API"),
        pytest.param("POST", "/tus/", id="creation"),
        pytest.param("HEAD", "/tus/x", id="offset"),
        pytest.param("PUT", "/api/v1/files/a.txt", id="raw upload"),
    ],
)
def test_a_route_of_another_family_is_not_there(
    site: Site, method: str, path: str
) -> None:
    """If nginx and Flask read a request differently, nothing comes of it."""
    answered = {
        family.name
        for family in families.FAMILIES
        if ask(site, method, path, family.name).status_code != 404
    }
    assert answered == {families.asked(method, path).name}


@pytest.mark.parametrize(
    "path", ["/", "/login", "/_admit", "/tus", "/s/x/y", "/healthz"], ids=str
)
def test_no_family_has_no_routes(site: Site, path: str) -> None:
    """A location that forgets to name its family answers nothing."""
    asked = list(product(("GET", "POST", "OPTIONS", "PROPFIND"), ("nothing", "", "x")))
    statuses = {one: ask(site, one[0], path, one[1]).status_code for one in asked}
    assert statuses == dict.fromkeys(asked, 404)


def test_without_nginx_only_health_and_readiness_are_told(site: Site) -> None:
    """The probe asks on the socket itself."""
    app = site.client.application
    # Below what the fixture has put before the application.
    app.wsgi_app = app.wsgi_app.inner  # type: ignore[method-assign, attr-defined]
    paths = ("/healthz", "/readyz", "/login", "/s/x/y", "/_admit")
    asked = [app.test_client().get(path) for path in paths]
    assert [answer.status_code for answer in asked] == [200, 200, 404, 404, 404]


def test_nothing_is_redirected(site: Site) -> None:
    """A redirect to the path with a slash would be a second text for a request."""
    rules = {rule.rule for rule in site.client.application.url_map.iter_rules()}
    ending = {rule for rule in rules if rule.endswith("/") and rule != "/"}
    assert {rule.removesuffix("/") for rule in ending} <= rules
    routes = site.client.application.url_map.iter_rules()
    methods = {rule.rule: set[str]() for rule in routes}
    for rule in site.client.application.url_map.iter_rules():
        methods[rule.rule] |= rule.methods or set()
    assert all(methods[r] == methods[r.removesuffix("/")] for r in ending)


@pytest.mark.parametrize("path", [ADMIT, CUT], ids=str)
def test_only_uploads_are_admitted(site: Site, path: str) -> None:
    """A request of another family has no body that anybody keeps."""
    about = {"X_Original_Method": "PUT", "X_Original_URI": "/api/v1/files/a.txt"}
    statuses = {
        family.name: ask(site, "GET", path, family.name, **about).status_code
        for family in families.FAMILIES
        if family.body is not families.Body.SPOOLED
    }
    assert statuses == dict.fromkeys(statuses, 404)
    assert len(statuses) > 5


@pytest.mark.parametrize(
    ("method", "uri", "family"),
    [
        pytest.param("POST", "/api/v1/files/../../../tus/", "tus-bodies", id="above"),
        pytest.param("POST", "/api/v1/files/%2e%2e/", "tus-bodies", id="encoded"),
        pytest.param("PUT", "/api/v1/files/..", "uploads", id="two dots"),
        pytest.param("PUT", "/api/v1/files/%2E", "uploads", id="a dot"),
        pytest.param("PUT", "/api/v1/files/a%2f..%2Fb", "uploads", id="slashes"),
        pytest.param("PUT", "/api/v1/files/..?x", "uploads", id="before a query"),
        pytest.param("PUT", "/api/v1/files/..#x", "uploads", id="before a fragment"),
        pytest.param("PUT", "/api/v1/files/a.txt", "tus-bodies", id="other family"),
        pytest.param("GET", "/api/v1/files/a.txt", "uploads", id="other method"),
        pytest.param("PATCH", "/x/../tus/abc", "tus-bodies", id="through another"),
    ],
)
def test_what_nginx_and_flask_read_differently_is_not_admitted(
    site: Site, method: str, uri: str, family: str
) -> None:
    """The client's own text must be of the family that nginx has named."""
    about = {"X_Original_Method": method, "X_Original_URI": uri}
    answer = ask(site, "GET", ADMIT, family, **about)
    assert answer.status_code == 403
    assert answer.headers["X-Refusal-Status"] == "404"
    assert answer.headers["X-Gateway-Reason"] == "not-servable:no-upload"


@pytest.mark.parametrize(
    ("method", "prefix", "family"),
    [
        pytest.param("GET", "/s/t/", "signed", id="signed URL"),
        pytest.param("GET", "/files/x/", "files", id="upload"),
        pytest.param("PUT", "/api/v1/files/", "uploads", id="raw upload"),
        pytest.param("PATCH", "/tus/", "tus-bodies", id="chunk"),
        pytest.param("GET", "/u/", "drops", id="drop link"),
    ],
)
def test_a_dot_segment_is_not_there_although_nginx_let_it_pass(
    site: Site, method: str, prefix: str, family: str
) -> None:
    paths = ("..", ".", "x/../y", "x/.", "x%2f..%2fy")
    answers = {path: ask(site, method, prefix + path, family) for path in paths}
    told = {
        p: (a.status_code, a.headers["X-Gateway-Reason"]) for p, a in answers.items()
    }
    assert told == dict.fromkeys(paths, (404, "http-404"))


@pytest.mark.parametrize(
    "name", ["a..b", "...", ".bashrc", "..a", "a..", "a/.b"], ids=str
)
def test_a_name_with_dots_is_admitted_as_far_as_its_text_goes(
    site: Site, name: str
) -> None:
    """Whoever asks is not known: that is what is looked at next."""
    about = {"X_Original_Method": "PUT", "X_Original_URI": f"/api/v1/files/{name}"}
    answer = ask(site, "GET", ADMIT, "uploads", **about)
    assert answer.headers["X-Refusal-Status"] == "401"
