"""Browsers that came by TLS are told to stay with it, with every answer."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from gateway.links import LinkSigner
from tests.live.stack import NativeStack

if TYPE_CHECKING:
    from collections.abc import Iterator

HSTS = "Strict-Transport-Security"
BY_TLS = {"X-Forwarded-Proto": "https"}


@pytest.fixture(scope="module", params=["1", "0"], ids=["kept", "asked"])
def told(request: pytest.FixtureRequest) -> Iterator[NativeStack]:
    """Return a stack that believes what the test's proxy says of TLS."""
    with NativeStack(
        GATEWAY_HSTS="365d", GATEWAY_VERDICT_TTL=request.param
    ).running() as stack:
        stack.put("a.txt", b"0123456789")
        yield stack


@pytest.fixture(scope="module")
def urls(told: NativeStack) -> dict[str, str]:
    """Return what is asked for: links, and what is not in the tree."""
    later = datetime.now(UTC) + timedelta(days=1)
    return {
        "good": told.sign("a.txt"),
        "missing": told.sign("missing.txt"),
        "early": told.sign("a.txt", not_before=later, expires=later + timedelta(1)),
        "over": LinkSigner(told.keys, told.url, clock=lambda: 1_700_000_000).sign(
            "a.txt", expires=timedelta(hours=1)
        ),
        "page": f"{told.url}/login",
        "home": f"{told.url}/",
        "nothing": f"{told.url}/nothing",
        "api": f"{told.url}/api/v1/files",
        "upload": f"{told.url}/api/v1/files/a.txt",
        "ready": f"{told.url}/readyz",
        "static": f"{told.url}/static/nothing.css",
    }


@pytest.mark.parametrize(
    ("method", "url", "headers", "status"),
    [
        pytest.param("GET", "good", {}, 200, id="delivery"),
        pytest.param("GET", "good", {"Range": "bytes=0-1"}, 206, id="range"),
        pytest.param(
            "GET",
            "good",
            {"If-Modified-Since": "Fri, 01 Jan 2100 00:00:00 GMT"},
            304,
            id="unchanged",
        ),
        pytest.param("GET", "good", {"Range": "bytes=99-"}, 416, id="no such range"),
        pytest.param("POST", "good", {}, 405, id="method"),
        pytest.param("GET", "early", {}, 403, id="early"),
        pytest.param("GET", "missing", {}, 404, id="missing"),
        pytest.param("GET", "over", {}, 410, id="over"),
        pytest.param("GET", "page", {}, 200, id="page"),
        pytest.param("GET", "home", {}, 303, id="redirect"),
        pytest.param("GET", "nothing", {}, 404, id="nothing"),
        pytest.param("GET", "api", {}, 401, id="API"),
        pytest.param("PUT", "upload", {}, 401, id="upload"),
        pytest.param("GET", "static", {}, 404, id="static"),
        pytest.param("GET", "ready", {}, 200, id="readiness"),
        pytest.param("TRACE", "page", {}, 405, id="nginx's own page"),
    ],
)
def test_every_answer_to_who_came_by_tls_says_it_once(
    told: NativeStack,
    urls: dict[str, str],
    *,
    method: str,
    url: str,
    headers: dict[str, str],
    status: int,
) -> None:
    answer = told.send(urls[url], method, headers={**BY_TLS, **headers})
    assert (answer.status_code, answer.headers.get(HSTS)) == (
        status,
        "max-age=31536000",
    )


@pytest.mark.parametrize(
    "proto",
    [
        pytest.param({}, id="unsaid"),
        pytest.param({"X-Forwarded-Proto": "http"}, id="http"),
        pytest.param({"X-Forwarded-Proto": "httpsx"}, id="another word"),
    ],
)
def test_over_plain_http_it_is_not_said(
    told: NativeStack, urls: dict[str, str], proto: dict[str, str]
) -> None:
    answer = told.send(urls["good"], headers=proto)
    assert (answer.status_code, answer.headers.get(HSTS)) == (200, None)


def test_who_is_no_trusted_proxy_can_not_claim_tls() -> None:
    with NativeStack(
        GATEWAY_HSTS="365d", GATEWAY_TRUSTED_PROXIES="192.0.2.0/24"
    ).running() as stack:
        answer = stack.send(f"{stack.url}/login", headers=BY_TLS)
        assert (answer.status_code, answer.headers.get(HSTS)) == (200, None)


def test_without_the_setting_it_is_not_said(native_stack: NativeStack) -> None:
    answer = native_stack.send(f"{native_stack.url}/login", headers=BY_TLS)
    assert (answer.status_code, answer.headers.get(HSTS)) == (200, None)
