"""Browsers that came by TLS are told to stay with it, with every answer."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from gateway.links import LinkSigner
from tests.live.test_nginx import Nginx

if TYPE_CHECKING:
    from pathlib import Path

    from tests.live.stack import Stack

HSTS = "Strict-Transport-Security"
BY_TLS = {"X-Forwarded-Proto": "https"}


@pytest.fixture
def urls(stack: Stack) -> dict[str, str]:
    """Return what is asked for: links, and what is not in the tree."""
    stack.put("hsts.txt", b"0123456789")
    later = datetime.now(UTC) + timedelta(days=1)
    return {
        "good": stack.sign("hsts.txt"),
        "missing": stack.sign("missing.txt"),
        "early": stack.sign("hsts.txt", not_before=later, expires=later + timedelta(1)),
        "over": LinkSigner(stack.keys, stack.url, clock=lambda: 1_700_000_000).sign(
            "hsts.txt", expires=timedelta(hours=1)
        ),
        "page": f"{stack.url}/login",
        "home": f"{stack.url}/",
        "nothing": f"{stack.url}/nothing",
        "api": f"{stack.url}/api/v1/files",
        "upload": f"{stack.url}/api/v1/files/a.txt",
        "ready": f"{stack.url}/readyz",
        "static": f"{stack.url}/static/nothing.css",
    }


@pytest.mark.database
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
    stack: Stack,
    urls: dict[str, str],
    *,
    method: str,
    url: str,
    headers: dict[str, str],
    status: int,
) -> None:
    answer = stack.send(urls[url], method, headers={**BY_TLS, **headers})
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
    stack: Stack, urls: dict[str, str], proto: dict[str, str]
) -> None:
    answer = stack.send(urls["good"], headers=proto)
    assert (answer.status_code, answer.headers.get(HSTS)) == (200, None)


def hsts(folder: Path, **chosen: str) -> str | None:
    """Return what nginx says to a client that claims to come by TLS."""
    with Nginx(folder, **chosen) as nginx:
        nginx.fake_gunicorn()
        answer = nginx.get("/login", headers=BY_TLS)
    assert answer.status_code == 404
    return answer.headers.get(HSTS)


def test_only_a_trusted_proxy_can_claim_tls(tmp_path: Path) -> None:
    proxies = {"GATEWAY_TRUSTED_PROXIES": "192.0.2.0/24"}
    assert hsts(tmp_path, GATEWAY_HSTS="365d", **proxies) is None


def test_without_the_setting_it_is_not_said(tmp_path: Path) -> None:
    assert hsts(tmp_path, GATEWAY_TRUSTED_PROXIES="127.0.0.0/8") is None
