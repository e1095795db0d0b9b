"""``/metrics``: who may read it, and what it says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest

from gateway.catalog.database import Database
from gateway.catalog.tokens import Scope
from gateway.catalog.users import Role
from gateway.catalog.verdict_queries import Reader
from gateway.errors import CatalogBusyError
from tests.samples import Samples
from tests.web.conftest import PASSWORD
from tests.web.letterbox import a_letterbox, a_token
from tests.web.sharing import BROWSER, a_sharer
from tests.web.test_outage import fail
from tests.web.test_upload_form import END, part, send
from tests.web.test_uploads import CONTENT, a_sender

if TYPE_CHECKING:
    from collections.abc import Callable

    from werkzeug.test import TestResponse

    from tests.web.conftest import MakeSite, Site

HERE: Final = {"X-Real-IP": "127.0.0.1"}
ELSEWHERE: Final = {"X-Real-IP": "198.51.100.1"}
#: nginx's question about a verdict that it may keep.
VERDICT: Final = {"X-Verdict": "0123456789abcdef"}


def metrics(site: Site) -> Samples:
    answer = site.browser().get("/metrics", headers=HERE)
    assert answer.status_code == 200, answer.text
    return Samples(answer.text)


def facts(answer: TestResponse) -> tuple[int, dict[str, str], str]:
    """Return all that a client sees, without its own path and the length of it."""
    headers = {k: v for k, v in answer.headers.items() if k != "Content-Length"}
    return answer.status_code, headers, answer.text.replace("/metrics", "/nothing")


@pytest.mark.parametrize(
    "address",
    [
        pytest.param("127.0.0.1", id="IPv4"),
        pytest.param("::1", id="IPv6"),
        pytest.param("::ffff:127.0.0.1", id="mapped"),
    ],
)
def test_this_machine_may_read_them(site: Site, address: str) -> None:
    answer = site.client.get("/metrics", headers={"X-Real-IP": address})
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    "address",
    [
        pytest.param("198.51.100.1", id="another"),
        pytest.param("127.0.0.2", id="another of loopback"),
        pytest.param("10.0.0.1", id="private"),
        pytest.param("::ffff:198.51.100.1", id="mapped"),
        pytest.param("unix:", id="none"),
        pytest.param("", id="empty"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
@pytest.mark.parametrize(
    "accept", [pytest.param("*/*", id="program"), pytest.param("text/html", id="page")]
)
def test_for_others_there_is_nothing(
    site: Site, address: str, method: str, accept: str
) -> None:
    """Not even that there are metrics."""
    headers = {"X-Real-IP": address, "Accept": accept}
    metrics, nothing = (
        site.client.open(path, method=method, headers=headers)
        for path in ("/metrics", "/nothing")
    )
    assert metrics.status_code == 404
    assert facts(metrics) == facts(nothing)


Bearer = dict[str, str]


def no_token(site: Site) -> Bearer:
    site.add_user("root", Role.ADMIN)
    site.log_in("root")
    return {}


def drop_code(site: Site) -> Bearer:
    return {"Authorization": f"Bearer {a_letterbox(site).code}"}


def all_other_scopes(site: Site) -> Bearer:
    scopes = set(Scope) - {Scope.METRICS}
    return a_token(site, site.add_user("root", Role.ADMIN), *scopes)


@pytest.mark.parametrize(
    "credential",
    [
        pytest.param(no_token, id="an admin's session"),
        pytest.param(drop_code, id="a drop link"),
        pytest.param(all_other_scopes, id="every other scope"),
        pytest.param(lambda _: {"Authorization": "Bearer gwt_x"}, id="rubbish"),
        pytest.param(lambda _: {"Authorization": "Basic cm9vdDpyb290"}, id="basic"),
    ],
)
@pytest.mark.parametrize(
    ("path", "status"),
    [
        pytest.param("/metrics", 404, id="ours"),
        pytest.param("/_metrics", 403, id="nginx's"),
    ],
)
def test_only_a_token_of_their_scope_opens_them_elsewhere(
    site: Site, credential: Callable[[Site], Bearer], path: str, status: int
) -> None:
    headers = {**ELSEWHERE, **credential(site)}
    family = {"X-Gateway-Family": "metrics"}
    refused = site.client.get(path, headers={**headers, **family})
    bearer = a_token(site, site.add_user("prometheus"), Scope.METRICS)
    opened = site.client.get(path, headers={**ELSEWHERE, **family, **bearer})
    assert refused.status_code == status
    assert opened.status_code in {200, 204}


def get(site: Site, path: str, **headers: str) -> TestResponse:
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return site.client.get(path, headers=named)


@pytest.mark.parametrize(
    "headers",
    [pytest.param(VERDICT, id="to keep"), pytest.param({}, id="for one request")],
)
def test_verdicts_are_counted_by_result_and_class(
    site: Site, headers: dict[str, str]
) -> None:
    link, over = site.sign("a.txt"), site.sign("a.txt")
    for path in (link, link, link.replace("a.txt", "b.txt"), f"/s/x/{'y' * 40}"):
        site.client.get(path, headers=headers)
    site.now += 3601
    site.client.get(over, headers=headers)
    found = metrics(site)
    asked = {"family": "signed", "source": "asked"}
    assert found.get("verdicts_total", **asked) == 5
    assert found.get("verdicts_total", **asked, result="deliver") == 2
    for name, count in (("not-found", 2), ("expired", 1)):
        refusal = {"result": "refuse", "refusal": name}
        assert found.get("verdicts_total", **asked, **refusal) == count
    assert found.get("verdict_duration_seconds_count", family="signed") == 5
    assert found.get("verdict_duration_seconds_bucket", family="signed", le="+Inf") == 5


def test_a_damaged_link_is_counted_as_a_redirect(site: Site) -> None:
    damaged = site.sign("a.txt").replace("/a.txt", "/a.txt%3E")
    answer = site.client.get(damaged)
    found = metrics(site)
    assert answer.status_code == 308
    assert found.get("verdicts_total", result="redirect", refusal="") == 1
    assert found.get("verdicts_total", result="refuse") == 0


def test_a_question_about_the_methods_is_no_verdict(site: Site) -> None:
    assert site.client.options(site.sign("a.txt")).status_code == 200
    assert metrics(site).get("verdict_duration_seconds_count") == 0


def test_a_counted_download_is_counted_where_it_begins(site: Site) -> None:
    sharer = a_sharer(site)
    lease = sharer.press(sharer.link(max=1)).headers["Location"]
    site.client.get(lease, headers=VERDICT)
    site.client.get(lease)  # nginx goes on to /_begin
    found = metrics(site)
    assert found.get("verdicts_total", family="leased", result="begin") == 2
    assert found.get("requests_total", family="leased", result="answer") == 1


@pytest.mark.parametrize(
    ("error", "refusal"),
    [
        pytest.param(CatalogBusyError("down"), "busy", id="catalog"),
        pytest.param(RuntimeError("bug"), "internal-error", id="bug"),
    ],
)
@pytest.mark.parametrize(
    "headers",
    [pytest.param(VERDICT, id="to keep"), pytest.param({}, id="for one request")],
)
def test_the_gateway_s_own_faults_are_failures(
    site: Site,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    refusal: str,
    headers: dict[str, str],
) -> None:
    monkeypatch.setattr(Reader, "first", fail(error))
    site.client.get(site.sign("a.txt"), headers=headers)
    found = metrics(site)
    labels = {"result": "fail", "refusal": refusal, "family": "signed"}
    assert found.get("verdicts_total", **labels) == 1


def test_uploads_are_counted_by_way_and_outcome(make_site: MakeSite) -> None:
    site = make_site(GATEWAY_UPLOAD_SIZE="1000")
    ann = a_sender(site)
    ann.put("a.bin")
    ann.put("b.bin")
    ann.admit("c.bin", X_Original_Length="5000")
    # nginx was told to spool a digest that it can't have.
    ann.finish("d.bin", Content_Digest=f"sha-256=:{'A' * 43}=:")
    found = metrics(site)
    assert found.get("uploads_total", way="put", outcome="stored") == 2
    assert found.get("upload_bytes_total", way="put") == 2 * len(CONTENT)
    assert found.get("uploads_total", way="put", outcome="refused") == 2
    assert found.get("requests_total", refusal="digest-mismatch") == 1
    assert found.get("requests_total", refusal="file-too-large") == 1


@pytest.mark.parametrize(
    ("spooled", "count"),
    [
        pytest.param("0001", 1, id="while it was sent"),
        pytest.param("", 0, id="after its refusal"),
    ],
)
def test_an_upload_that_was_cut_is_counted(
    site: Site, spooled: str, count: int
) -> None:
    ann = a_sender(site)
    site.client.put(
        "/_cut",
        headers={
            **ann.bearer,
            "X-Original-URI": "/api/v1/files/a.bin",
            "X-Original-Method": "PUT",
            "X-Spool-File": spooled and str(site.store / "spool" / spooled),
        },
    )
    assert metrics(site).get("uploads_total", way="put", outcome="cut") == count


def test_each_file_of_a_form_is_counted(make_site: MakeSite) -> None:
    site = make_site(GATEWAY_DENIED_TYPES="text/*")
    site.add_user("ann")
    site.log_in()
    first = part("csrf_token", site.token("/").encode())
    files = part("file", b"%PDF-1", "a.pdf") + part("file", b"b", "b.txt")
    answer = send(site, first + files + part("file", b"c", "c.txt") + END)
    found = metrics(site)
    assert answer.status_code == 415
    assert found.get("uploads_total", way="page", outcome="stored") == 1
    assert found.get("uploads_total", way="page", outcome="refused") == 2


def test_a_form_that_is_shown_again_is_counted_with_its_class(site: Site) -> None:
    """Somebody who guesses passwords shows."""
    site.add_user("ann")
    site.log_in(password="wrong")
    sharer = a_sharer(site, "bob")
    sharer.press(sharer.link(password="a password"), password="wrong")
    site.browser().post("/open", data={"text": "nothing"}, headers=BROWSER)
    found = metrics(site)
    for family, refusal in (
        ("pages", "wrong-login"),
        ("share-links", "wrong-password"),
        ("pages", "not-found"),
    ):
        labels = {"family": family, "refusal": refusal}
        assert found.get("requests_total", **labels) == 1, refusal


def test_no_client_can_add_a_label(site: Site) -> None:
    """A series for each path or name would fill Prometheus."""
    before = metrics(site)
    for number in range(3):
        site.client.get(f"/{number}-guess")
        site.client.get(f"/s/{number}-guess/{number}-guess")
        site.client.open(f"/api/v1/{number}-guess", method=f"GUESS{number}")
    found = metrics(site)
    assert "guess" not in found.text.lower()
    assert found.get("requests_total") - before.get("requests_total") == 7


def test_the_catalog_s_state_is_shown(make_site: MakeSite) -> None:
    site = make_site(GATEWAY_QUOTA="1M", GATEWAY_FREE_SPACE="5")
    sharer = a_sharer(site)
    sharer.press(sharer.link())
    site.log_in("ann", PASSWORD)
    a_sender_of = a_token(site, sharer.user, Scope.UPLOAD)
    site.client.post(
        "/tus/",
        headers={**a_sender_of, "Tus-Resumable": "1.0.0", "Upload-Length": "700"},
    )
    found = metrics(site)
    values: dict[str, Any] = {
        "catalog_up": 1,
        "stored_bytes": 2000,
        "reserved_bytes": 700,
        "quota_bytes": 2**20,
        "disk_kept_free_bytes": 5,
        "login_sessions": 1,
        "upload_sessions": 1,
        "open_leases": 1,
        "counted_downloads": 0,
        "outbox_mails": 0,
        "build_info": 1,
    }
    assert {name: found.get(name) for name in values} == values
    for folder in ("data", "store"):
        size = found.get("disk_size_bytes", folder=folder)
        assert 0 < found.get("disk_available_bytes", folder=folder) <= size


def test_without_the_catalog_the_rest_is_shown(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.client.get(site.sign("a.txt"), headers=VERDICT)
    monkeypatch.setattr(Database, "read", fail(CatalogBusyError("down")))
    found = metrics(site)
    assert found.get("catalog_up") == 0
    assert found.get("verdicts_total", result="deliver", source="asked") == 1
    assert "accel_gateway_login_sessions" not in found.names
    token = {"Authorization": "Bearer gwt_000000000000_" + "x" * 43}
    there = site.client.get("/metrics", headers={**ELSEWHERE, **token})
    assert there.status_code == 503


def test_a_record_of_the_log_names_its_request_and_its_trace(
    site: Site, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    monkeypatch.setattr(Reader, "first", fail(RuntimeError("bug")))
    site.client.get(site.sign("a.txt"), headers={**VERDICT, "traceparent": trace})
    assert caplog.messages[0].endswith(
        f"request_id={VERDICT['X-Verdict']} trace={trace}"
    )
