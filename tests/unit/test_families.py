"""The table of families: which one a request is of, for nginx and Flask alike."""

from __future__ import annotations

import itertools

import pytest

from gateway.http import families
from gateway.http.families import FAMILIES, Body
from gateway.http.pools import Pool

METHODS = ("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE")


@pytest.mark.parametrize(
    ("method", "path", "name"),
    [
        pytest.param("GET", "/", "pages", id="home"),
        pytest.param("POST", "/login", "pages", id="a form"),
        pytest.param("GET", "/anything/else", "pages", id="anything else"),
        pytest.param("GET", "/s/token/a.txt", "signed", id="signed URL"),
        pytest.param("GET", "/s", "pages", id="prefix without its slash"),
        pytest.param("GET", "/files/id/a.txt", "files", id="upload"),
        pytest.param("GET", "/api/v1/files", "api", id="list"),
        pytest.param("POST", "/api/v1/files", "file-forms", id="a program's form"),
        pytest.param("PUT", "/api/v1/files/a.txt", "uploads", id="raw upload"),
        pytest.param("DELETE", "/api/v1/files/id", "api", id="not an upload there"),
        pytest.param("POST", "/api/v1/files/id/links", "api", id="below uploads"),
        pytest.param("POST", "/tus/", "tus-bodies", id="creation"),
        pytest.param("POST", "/tus", "tus-bodies", id="creation without the slash"),
        pytest.param("OPTIONS", "/tus", "tus", id="what is possible, likewise"),
        pytest.param("PATCH", "/tus/id", "tus-bodies", id="chunk"),
        pytest.param("PUT", "/api/v1/files/\na", "uploads", id="name in two lines"),
        pytest.param("HEAD", "/tus/id", "tus", id="offset"),
        pytest.param("POST", "/upload", "form-bodies", id="form with files"),
        pytest.param("GET", "/upload", "pages", id="form without files"),
        pytest.param("POST", "/u/code", "drop-bodies", id="drop"),
        pytest.param("GET", "/u/code", "drops", id="drop page"),
        pytest.param("GET", "/healthz", "health", id="health"),
        pytest.param("GET", "/readyz", "readiness", id="readiness"),
        pytest.param("GET", "/readyz/x", "pages", id="below an exact path"),
    ],
)
def test_a_request_is_of_one_family(method: str, path: str, name: str) -> None:
    """The longest place decides, then whether the request brings a file."""
    family = families.of(method, path)
    assert family is not None
    assert family.name == name


@pytest.mark.parametrize(
    ("method", "path", "name"),
    [
        pytest.param("PUT", "/api/v1/files/", "api", id="upload without a name"),
        pytest.param("POST", "/tus/id", "tus", id="creation of a known one"),
        pytest.param("PATCH", "/tus/", "tus", id="chunk of none"),
        pytest.param("GET", "/tus", "tus", id="list of uploads"),
        pytest.param("POST", "/tus/\n", "tus", id="creation below the place"),
        pytest.param("DELETE", "/u/code", "drops", id="unknown method"),
        pytest.param("POST", "/s/token/a.txt", "signed", id="body for a signed URL"),
        pytest.param("PROPFIND", "/login", "pages", id="a method of WebDAV"),
    ],
)
def test_a_family_does_not_know_every_method(method: str, path: str, name: str) -> None:
    """Nginx names it all the same, and Flask refuses the request."""
    assert families.asked(method, path).name == name
    assert families.of(method, path) is None


def test_no_two_families_share_a_request() -> None:
    """The order of the table decides nothing."""
    shared = [
        (one.name, other.name, method, path)
        for one, other in itertools.combinations(FAMILIES, 2)
        for path in {*one.paths} & {*other.paths}
        for method in {*one.paths[path].split()} & {*other.paths[path].split()}
    ]
    assert shared == []


def test_each_place_has_one_family_of_each_kind() -> None:
    """A location has one way for what brings a file, and one for what does not."""
    crowded = [
        place
        for place in families.places()
        for is_spooled in (True, False)
        if len(
            [
                family
                for family in FAMILIES
                if place in family.places
                and (family.body is Body.SPOOLED) is is_spooled
            ]
        )
        > 1
    ]
    assert crowded == []


def test_only_what_brings_a_body_is_spooled() -> None:
    """A GET whose body was kept would be an upload that nobody admits."""
    spooled = [family for family in FAMILIES if family.body is Body.SPOOLED]
    assert {m for family in spooled for m in family.methods} <= {"POST", "PUT", "PATCH"}


@pytest.mark.parametrize(
    "family", [f for f in FAMILIES if f.pool is Pool.VERDICTS], ids=lambda f: f.name
)
def test_deliveries_are_only_read(family: families.Family) -> None:
    """Their pool has no room for what changes something."""
    assert family.methods == {"GET", "HEAD", "OPTIONS"}
    assert family.body is Body.NONE


@pytest.mark.parametrize("path", ["", "*", "x", "//", "/s//", "http://x/s/y"], ids=str)
@pytest.mark.parametrize("method", [*METHODS, ""], ids=str)
def test_any_text_is_of_some_family(method: str, path: str) -> None:
    """What a client sends as its target is no reason to fail."""
    assert families.asked(method, path) in FAMILIES


DOTTED = (
    "..",
    ".",
    "/..",
    "/.",
    "/../",
    "/./",
    "/x/..",
    "/x/.",
    "/x/../y",
    "//..//",
    "../x",
)
NAMES = (
    "",
    "/",
    "...",
    "/.../",
    "/.x",
    "/..x",
    "/x.",
    "/x..",
    "/x..y/",
    "/..;/",
    "/..\\..",
)


@pytest.mark.parametrize("path", DOTTED, ids=str)
def test_a_dot_segment_is_of_no_family(path: str) -> None:
    """Whoever resolves it reads another path than who does not."""
    assert families.has_dot_segment(path)
    assert families.of("GET", path) is None


@pytest.mark.parametrize("path", NAMES, ids=str)
def test_dots_in_names_are_no_segments(path: str) -> None:
    assert not families.has_dot_segment(path)
    assert families.of("GET", path) is not None
