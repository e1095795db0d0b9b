"""nginx names the family and asks the pool of the table, for every place and method."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import unquote

import pytest
import requests

from gateway.http import families
from gateway.http.pools import Pool
from tests.live.test_nginx import NOT_FOUND, Nginx, cacheable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

METHODS = ("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "PROPFIND")
ADMITTED = b"HTTP/1.0 204 No Content\r\n\r\n"
HEADER = f"{families.HEADER}: ".encode()
#: The places that nginx always has.
PLACES = {*families.places()} - {*families.AUTHORIZED.places}
#: Each place, something below each prefix, and what lies at no place.
PATHS = (
    *sorted(PLACES),
    *(f"{p}x" for p in sorted(PLACES)),
    "/x/y",
    "/%73/x",
    "/tus/%0A",
    "/u/%0Ax",
)


@pytest.fixture(
    scope="module",
    params=[
        pytest.param({}, id="kept"),
        pytest.param({"GATEWAY_VERDICT_TTL": "0"}, id="asked"),
        pytest.param({"GATEWAY_PUBLIC_URL": "http://localhost/a/b"}, id="below a path"),
    ],
)
def nginx(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Nginx]:
    home: Path = tmp_path_factory.mktemp("nginx")
    (home / "data/store/spool").mkdir(parents=True)
    with Nginx(home, GATEWAY_CLIENT_REQUESTS="100000", **request.param) as running:
        fake = running.fake_gunicorn()
        fake.script = lambda line: ADMITTED if b" /_admit " in line else NOT_FOUND
        yield running


def family(head: bytes) -> str:
    """Return the family that a request names; it names one at most."""
    lines = [line for line in head.split(b"\r\n") if line.startswith(HEADER)]
    assert len(lines) <= 1
    return b"".join(lines).removeprefix(HEADER).decode()


def asked(nginx: Nginx, answer: requests.Response) -> dict[Pool, set[str]]:
    """Return the pools that were asked about the answered request, and as what."""
    assert nginx.gunicorn is not None
    request_id = answer.headers["X-Request-ID"].encode()
    heads = {
        pool: [head for head in asked if request_id in head]
        for pool, asked in nginx.gunicorn.of.items()
    }
    return {pool: {*map(family, some)} for pool, some in heads.items() if some}


@pytest.mark.parametrize("path", PATHS, ids=str)
def test_nginx_names_the_family_and_asks_the_pool_of_the_table(
    nginx: Nginx, path: str
) -> None:
    headers = {families.HEADER: "EVIL"}
    known = {method: families.asked(method, unquote(path)) for method in METHODS}
    with requests.Session() as client:
        answers = {
            method: client.request(
                method, nginx.below(path), headers=headers, timeout=20
            )
            for method in METHODS
        }
    found = {method: asked(nginx, answer) for method, answer in answers.items()}
    assert found == {method: {own.pool: {own.name}} for method, own in known.items()}


@pytest.mark.parametrize(
    "path",
    ["/_admit", "/_cut", "/_verdict", "/_begin", "/_files/x", "/%5fadmit", "/static/x"],
)
def test_nobody_is_asked_about_what_nginx_does_not_find(
    nginx: Nginx, path: str
) -> None:
    answer = requests.get(nginx.below(path), timeout=20)
    assert (answer.status_code, asked(nginx, answer)) == (404, {})


def test_the_question_about_a_signed_url_is_the_verdicts_pool_s(nginx: Nginx) -> None:
    answer = requests.get(nginx.below(cacheable("x.txt")), timeout=20)
    (pool,) = asked(nginx, answer)
    assert pool is Pool.VERDICTS
