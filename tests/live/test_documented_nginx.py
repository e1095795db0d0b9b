"""docs/nginx.md can be typed from top to bottom."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from gateway.http.pools import Pool
from tests.live.machine import Machine, a_machine
from tests.live.shown import PLACE, blocks
from tests.live.stack import NativeStack, wait_until
from tests.live.tus import CHUNK_TYPE
from tests.samples import Samples

if TYPE_CHECKING:
    from collections.abc import Iterator
    from http.client import HTTPMessage


@pytest.fixture
def machine() -> Iterator[Machine]:
    with a_machine() as machine:
        yield machine


def test_the_page_of_nginx_can_be_typed_from_top_to_bottom(machine: Machine) -> None:
    install, *steps, check = blocks("docs/nginx.md", "sh")
    site, *_proxies = blocks("docs/nginx.md", "nginx")
    machine.write("/srv/files/hello.txt", "hello\n")
    write = f"cat > /etc/nginx/conf.d/accel-gateway.conf <<'END'\n{site}END"
    scrape = f"curl --silent --fail --retry 30 --retry-delay 1 {PLACE}/metrics"
    done = machine.type("export GATEWAY_HSTS=365d", *steps, write, check, scrape)
    assert "pip install" in install
    assert done.returncode == 0, done.stderr
    assert "[warn]" not in done.stderr
    assert "HTTP/2 200" in done.stdout
    assert "strict-transport-security: max-age=31536000" in done.stdout
    _, file, metrics = done.stdout.partition("\n\nhello\n")
    assert file
    # Both pools were started by hand, and count in the same folder.
    found = Samples(metrics)
    assert min(found.get("workers", pool=pool) for pool in Pool) > 0


CONTENT = os.urandom(5 * 2**20)


@pytest.fixture(scope="module")
def proxy() -> Iterator[Machine]:
    with a_machine() as machine:
        yield machine


@pytest.fixture(scope="module")
def proxied(proxy: Machine) -> Iterator[NativeStack]:
    """Return a gateway behind the page's nginx that does TLS."""
    _site, page, _below = blocks("docs/nginx.md", "nginx")
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
