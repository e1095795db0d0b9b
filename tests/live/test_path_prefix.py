"""nginx below a path: what is there, what is not there, and what the log shows."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import pytest
import requests

from tests.live.stack import wait_until
from tests.live.test_nginx import NOT_FOUND, Nginx, cacheable, verdict_on
from tests.live.test_nginx_requests import HIDDEN, all_logged

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PREFIX: Final = "/media"
BELOW: Final = {
    "GATEWAY_PUBLIC_URL": f"http://localhost{PREFIX}",
    "GATEWAY_VERDICT_TTL": "60",
    "GATEWAY_CLIENT_REQUESTS": "10000",
}
BROWSER: Final = {"Accept": "text/html"}


@pytest.fixture(scope="module")
def nginx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nginx]:
    home: Path = tmp_path_factory.mktemp("nginx")
    (home / "data/store/spool").mkdir(parents=True)
    with Nginx(home, **BELOW) as running:
        running.fake_gunicorn()
        for name in ("a.txt", "b.txt"):
            (running.files / name).write_text(name)
        yield running
        assert "[alert]" not in running.log()


@pytest.fixture(autouse=True)
def _forgotten(nginx: Nginx) -> None:
    assert nginx.gunicorn is not None
    nginx.gunicorn.script = lambda _line: NOT_FOUND
    nginx.gunicorn.forget()


def asked(nginx: Nginx) -> list[str]:
    """Return the request lines that gunicorn was asked."""
    assert nginx.gunicorn is not None
    return [head.decode().partition(" HTTP/1.")[0] for head in nginx.gunicorn.asked]


@pytest.mark.parametrize(
    "target",
    [
        pytest.param("/", id="the site's home"),
        pytest.param("/login", id="page without the prefix"),
        pytest.param("/s/t/a.txt", id="signed URL without the prefix"),
        pytest.param(cacheable("a.txt"), id="kept verdict without the prefix"),
        pytest.param("/static/style.css", id="style without the prefix"),
        pytest.param("/mediax/s/t/a.txt", id="a longer segment"),
        pytest.param("/medi/s/t/a.txt", id="a shorter segment"),
        pytest.param("/MEDIA/s/t/a.txt", id="capitals"),
        pytest.param("//media/s/t/a.txt", id="two slashes"),
        pytest.param("/x/media/s/t/a.txt", id="deeper"),
        pytest.param(f"/%6dedia{cacheable('a.txt')}", id="encoded letter"),
        pytest.param("/%6dedia/tus/", id="encoded letter, upload"),
        pytest.param("/media%2fs/t/a.txt", id="encoded slash"),
        pytest.param("/%2fmedia/s/t/a.txt", id="encoded slash before"),
        pytest.param("/x%2f..%2fmedia/s/t/a.txt", id="encoded dot segment"),
        pytest.param("/media/../media/s/t/a.txt", id="dot segment"),
        pytest.param("/media/_files/a.txt", id="internal file"),
        pytest.param("/media/%5Ffiles/a.txt", id="internal file, encoded"),
        pytest.param("/_files/a.txt", id="internal file without the prefix"),
        pytest.param("/media/_admit", id="internal question"),
        pytest.param("/media/_pages/error.html", id="internal page"),
        pytest.param("/media/static/", id="folder of styles"),
        pytest.param("/media/static../nginx.conf", id="beside the styles"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "PUT"], ids=str)
def test_what_is_not_below_the_prefix_is_not_there(
    nginx: Nginx, method: str, target: str
) -> None:
    answer = nginx.send(f"{method} {target} HTTP/1.1")
    is_asked = target.startswith("/media/static..")
    assert answer.startswith("HTTP/1.1 404 ")
    assert bool(asked(nginx)) == is_asked


def test_the_prefix_without_its_slash_leads_to_the_start_page(nginx: Nginx) -> None:
    answer = requests.get(f"{nginx.url}/media?a=b", timeout=20, allow_redirects=False)
    assert (answer.status_code, answer.headers["Location"]) == (308, "/media/")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert asked(nginx) == []


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
def test_health_and_metrics_are_there_with_and_without_the_prefix(
    nginx: Nginx, path: str
) -> None:
    """A load balancer or a container's health check may not know the prefix."""
    for start in ("", PREFIX):
        requests.get(f"{nginx.url}{start}{path}", timeout=20)
    assert asked(nginx) == [f"GET {path}", f"GET {PREFIX}{path}"]


def test_nginx_s_own_metrics_are_there_with_and_without_the_prefix(
    nginx: Nginx,
) -> None:
    answers = [
        requests.get(f"{nginx.url}{start}/metrics/nginx", timeout=20)
        for start in ("", PREFIX)
    ]
    assert ["Active connections" in answer.text for answer in answers] == [True, True]


def test_flask_is_asked_the_target_as_the_client_sent_it(nginx: Nginx) -> None:
    """The prefix, too: nginx decodes and rewrites nothing of it."""
    targets = (
        "/media/s/t/a%2Fb//%C3%A4?x=%2f",
        "/media/api/v1/files?limit=1",
        "/media/media/login",
    )
    for target in targets:
        nginx.send(f"GET {target} HTTP/1.1")
    assert asked(nginx) == [f"GET {target}" for target in targets]


def test_a_verdict_is_kept_below_the_prefix(nginx: Nginx) -> None:
    assert nginx.gunicorn is not None
    nginx.gunicorn.script = verdict_on
    texts = [requests.get(nginx.below(cacheable("a.txt")), timeout=20) for _ in "aaa"]
    assert [answer.text for answer in texts] == ["a.txt"] * 3
    assert asked(nginx) == [f"GET {PREFIX}{cacheable('a.txt')}"] * 2


def test_tus_is_told_its_version_and_may_name_a_method(nginx: Nginx) -> None:
    headers = {"X-HTTP-Method-Override": "DELETE"}
    answer = requests.post(nginx.below("/tus/x"), headers=headers, timeout=20)
    assert answer.headers["Tus-Resumable"] == "1.0.0"
    assert asked(nginx) == [f"DELETE {PREFIX}/tus/x"]


def test_a_style_is_sent_below_the_prefix(nginx: Nginx) -> None:
    answer = requests.get(nginx.below("/static/style.css"), timeout=20)
    assert (answer.status_code, answer.headers["Content-Type"]) == (
        200,
        "text/css; charset=utf-8",
    )
    assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"


def test_nginx_s_own_page_leads_below_the_prefix(nginx: Nginx) -> None:
    page = requests.get(nginx.below("/static/no"), headers=BROWSER, timeout=20)
    problem = requests.get(f"{nginx.url}/no", timeout=20).json()
    assert re.findall(r'(?:action|href|src)="([^"]*)"', page.text) == ["/media/open"]
    assert problem["type"] == "/media/problems/not-found"


def test_a_program_s_path_gets_a_problem_whatever_it_accepts(nginx: Nginx) -> None:
    answer = requests.put(
        nginx.below("/api/v1/x"), data=bytes(70_000), headers=BROWSER, timeout=20
    )
    assert answer.status_code == 413
    assert answer.headers["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize("path", ["/", "/media/", "/media", "/x"], ids=str)
def test_an_unknown_host_gets_no_answer_at_any_path(nginx: Nginx, path: str) -> None:
    with pytest.raises(requests.ConnectionError):
        requests.get(nginx.url + path, headers={"Host": "a.example"}, timeout=20)


def test_the_access_log_shows_no_token_below_the_prefix(nginx: Nginx) -> None:
    """The same of each path as without the prefix, behind the prefix as it is."""
    below = {
        name: (
            re.sub("^(?=/)", PREFIX, target),
            re.sub("^(?=/)", PREFIX, shown),
        )
        for name, (target, shown) in HIDDEN.items()
    }
    without = {f"{name}, without the prefix": both for name, both in HIDDEN.items()}
    hidden = {
        **below,
        **without,
        "other capitals": ("/MEDIA/d/" + "S" * 40, "[redacted]"),
        "encoded prefix": ("/%6dedia/s/secret/a.txt", "[redacted]"),
        "prefix twice": (f"/media/media/s/secret.{'m' * 22}/a", "[redacted]"),
        "two slashes behind it": ("/media//s/secret/a.txt", "[redacted]"),
    }
    sent = {name: f"GET {target} HTTP/1.1" for name, (target, _) in hidden.items()}
    shown = {name: row["uri"] for name, row in all_logged(nginx, sent).items()}
    assert shown == {name: shown for name, (_, shown) in hidden.items()}
    assert "secret" not in nginx.log()


def test_the_log_tells_that_a_path_is_not_below_the_prefix(nginx: Nginx) -> None:
    """A proxy that takes the prefix away is found by it."""
    sent = {
        "outside": "GET /login HTTP/1.1",
        "encoded": "GET /%6dedia/login HTTP/1.1",
        "missing": "GET /media/static/no HTTP/1.1",
        "dots": "GET /media/../login HTTP/1.1",
    }
    reasons = {name: row["reason"] for name, row in all_logged(nginx, sent).items()}
    assert reasons == {
        "outside": "outside-prefix",
        "encoded": "outside-prefix",
        "missing": "http-404",
        "dots": "dot-segment",
    }


def test_an_upload_below_the_prefix_is_admitted_and_spooled(nginx: Nginx) -> None:
    assert nginx.gunicorn is not None
    nginx.gunicorn.script = lambda line: (
        b"HTTP/1.0 204 No Content\r\n\r\n" if b" /_admit " in line else NOT_FOUND
    )
    requests.put(nginx.below("/api/v1/files/a"), data=b"content", timeout=20)
    wait_until(lambda: len(asked(nginx)) == 3, what="the end is told")
    assert asked(nginx) == ["GET /_admit", f"PUT {PREFIX}/api/v1/files/a", "PUT /_cut"]
    heads = b"".join(nginx.gunicorn.asked)
    assert heads.count(b"X-Original-URI: /media/api/v1/files/a\r\n") == 3
