"""nginx names the family and asks the pool of the table, for every place and method."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import requests

from gateway import families
from gateway.families import Body
from gateway.pools import Pool
from tests.live.stack import wait_until
from tests.live.test_nginx import CACHEABLE, NOT_FOUND, FakeGunicorn, Nginx

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

METHODS = ("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "PROPFIND")
ADMITTED = b"HTTP/1.0 204 No Content\r\n\r\n"
#: Each place, something below each prefix, and what lies at no place.
PATHS = (*families.places(), *(f"{p}x" for p in families.places()), "/x/y", "/%73/x")


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


def told(head: bytes) -> str:
    """Return the family that a request names, of which there must be one."""
    lines = [
        line.partition(b": ")[2]
        for line in head.split(b"\r\n")
        if line.lower().startswith(families.HEADER.lower().encode())
    ]
    (name,) = lines
    return name.decode()


def ask(nginx: Nginx, method: str, path: str, **headers: str) -> FakeGunicorn:
    """Send a request; return the gunicorn, which has been asked all by then."""
    fake = nginx.gunicorn
    assert fake is not None
    fake.forget()
    sent = {name.replace("_", "-"): text for name, text in headers.items()}
    requests.request(method, nginx.url + path, headers=sent, timeout=20)
    if families.asked(method, path).body is Body.SPOOLED:
        wait_until(lambda: told_of_the_end(fake), what="the upload's end is told")
    return fake


def asked(fake: FakeGunicorn) -> set[Pool]:
    """Return the pools that were asked."""
    return {pool for pool, heads in fake.of.items() if heads}


def told_of_the_end(fake: FakeGunicorn) -> bool:
    return any(b" /_cut " in head.split(b"\r\n")[0] for head in fake.asked)


@pytest.mark.parametrize("method", METHODS, ids=str)
@pytest.mark.parametrize("path", PATHS, ids=str)
def test_nginx_names_the_family_and_asks_the_pool_of_the_table(
    nginx: Nginx, method: str, path: str
) -> None:
    fake = ask(nginx, method, path, X_Gateway_Family="EVIL")
    family = families.asked(method, path.replace("%73", "s"))
    assert {told(head) for head in fake.asked} == {family.name}
    assert asked(fake) == {family.pool}


def test_the_question_about_a_signed_url_is_the_verdicts_pool_s(nginx: Nginx) -> None:
    fake = ask(nginx, "GET", CACHEABLE)
    assert asked(fake) == {Pool.VERDICTS}


@pytest.mark.parametrize("path", ["/_admit", "/_cut", "/_files/x", "/static/x"])
def test_what_nginx_does_not_find_is_of_no_family(nginx: Nginx, path: str) -> None:
    fake = ask(nginx, "GET", path)
    assert [told(head) for head in fake.asked] == [families.NOTHING]
    assert asked(fake) == {Pool.VERDICTS}
