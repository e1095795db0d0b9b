"""nginx names the family that the table names, at every place and for every method."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import unquote

import pytest
import requests

from gateway import families
from tests.live.test_nginx import NOT_FOUND, Nginx

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

METHODS = ("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "PROPFIND")
ADMITTED = b"HTTP/1.0 204 No Content\r\n\r\n"
HEADER = f"{families.HEADER}: ".encode()
#: Each place, something below each prefix, and what lies at no place.
PATHS = (
    *families.places(),
    *(f"{p}x" for p in families.places()),
    "/x/y",
    "/%73/x",
    "/tus/%0A",
    "/u/%0Ax",
)


@pytest.fixture(scope="module", params=["1", "0"], ids=["kept", "asked"])
def nginx(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Nginx]:
    home: Path = tmp_path_factory.mktemp("nginx")
    (home / "data/store/spool").mkdir(parents=True)
    with Nginx(home, GATEWAY_VERDICT_TTL=request.param) as running:
        fake = running.fake_gunicorn()
        fake.script = lambda line: ADMITTED if b" /_admit " in line else NOT_FOUND
        yield running


def told(nginx: Nginx, answer: requests.Response) -> set[str]:
    """Return what Flask was told of the family of the answered request."""
    assert nginx.gunicorn is not None
    request_id = answer.headers["X-Request-ID"].encode()
    heads = [head for head in nginx.gunicorn.asked if request_id in head]
    lines = [
        [line for line in head.split(b"\r\n") if line.startswith(HEADER)]
        for head in heads
    ]
    assert {len(each) for each in lines} == {1}
    return {each[0].removeprefix(HEADER).decode() for each in lines}


@pytest.mark.parametrize("method", METHODS, ids=str)
@pytest.mark.parametrize("path", PATHS, ids=str)
def test_nginx_names_the_family_of_the_table(
    nginx: Nginx, method: str, path: str
) -> None:
    headers = {families.HEADER: "EVIL"}
    answer = requests.request(method, nginx.url + path, headers=headers, timeout=20)
    assert told(nginx, answer) == {families.asked(method, unquote(path)).name}


@pytest.mark.parametrize("path", ["/_admit", "/_cut", "/_files/x", "/static/x"])
def test_what_nginx_does_not_find_is_of_no_family(nginx: Nginx, path: str) -> None:
    assert told(nginx, nginx.get(path)) == {families.NOTHING}
