"""While the catalog can't answer: what clients and the operator are told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select

from gateway.catalog import uploads, users
from gateway.catalog.database import Database
from gateway.catalog.schema import reservations
from gateway.catalog.tokens import Scope
from gateway.catalog.verdict_queries import Reader
from gateway.config.gateway_id import own_id
from gateway.errors import BucketBusyError, CatalogBusyError
from gateway.storage.disk_blobs import DiskBlobs
from gateway.storage.tree import FilesTree
from gateway.uploads.admission import Admission
from gateway.uploads.finalise import Finaliser
from gateway.web.outages import BUCKET_OUTAGES, OUTAGES, OutageLog
from tests.live.stack import wait_until
from tests.web.conftest import EITHER_CATALOG
from tests.web.letterbox import a_token

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask import Flask
    from werkzeug.test import TestResponse

    from tests.web.conftest import Site

    Ask = Callable[[Site, dict[str, str]], TestResponse]

CAUSE = "connection refused\n\tIs the server running?"


def fail(error: Exception) -> Any:
    def failing(*_: object, **__: object) -> None:
        raise error

    return failing


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the next cause be logged at once."""
    for log in (OUTAGES, BUCKET_OUTAGES):
        monkeypatch.setattr(log, "_next", 0.0)
        monkeypatch.setattr(log, "_suppressed", 0)


@pytest.fixture
def bearer(site: Site) -> dict[str, str]:
    ann = site.add_user("ann")
    return a_token(site, ann, Scope.UPLOAD)


def admit(site: Site, bearer: dict[str, str], request: str = "r") -> TestResponse:
    return site.client.get(
        "/_admit",
        headers={
            **bearer,
            "X-Original-URI": "/api/v1/files/a.bin",
            "X-Original-Method": "PUT",
            "X-Original-Length": "600",
            "X-Request-ID": request,
        },
    )


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        pytest.param(CatalogBusyError(CAUSE), "catalog-busy", id="away"),
        pytest.param(RuntimeError("a fault of ours"), "fault", id="fault"),
        pytest.param(OSError(5, "I/O error"), "fault", id="disk"),
    ],
)
def test_an_admission_that_fails_is_503_for_nginx_to_tell(
    site: Site,
    bearer: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    reason: str,
) -> None:
    """Of a 500 nginx makes 507, as if the disk were full."""
    monkeypatch.setattr(Admission, "admit", fail(error))
    answer = admit(site, bearer)
    assert answer.status_code == 403
    assert answer.headers["X-Refusal-Status"] == "503"
    assert "5" in answer.headers["X-Refusal-Headers"].split("|")  # Retry-After
    assert answer.headers["X-Gateway-Reason"] == reason


def test_a_fault_at_an_admission_is_logged(
    site: Site,
    bearer: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(Admission, "admit", fail(RuntimeError("a fault of ours")))
    admit(site, bearer)
    assert "RuntimeError: a fault of ours" in caplog.text


def ask(path: str) -> Ask:
    return lambda site, bearer: site.client.get(path, headers=bearer)


@pytest.mark.parametrize(
    "asked",
    [
        pytest.param(ask("/api/v1/files"), id="API"),
        pytest.param(ask("/readyz"), id="readiness"),
        pytest.param(admit, id="admission"),
        pytest.param(lambda site, _: site.client.get(site.sign("a.txt")), id="link"),
    ],
)
def test_why_the_catalog_does_not_answer_is_logged_in_one_line(
    site: Site,
    bearer: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    asked: Ask,
) -> None:
    monkeypatch.setattr(Database, "read", fail(CatalogBusyError(CAUSE)))
    monkeypatch.setattr(Reader, "first", fail(CatalogBusyError(CAUSE)))
    assert asked(site, bearer).status_code in {503, 403}
    assert [line.partition(" request_id=")[0] for line in caplog.messages] == [
        "the catalog does not answer: connection refused Is the server running?"
    ]


@pytest.mark.parametrize(
    ("method", "failing"),
    [
        pytest.param((FilesTree, "is_readable"), "files", id="of files"),
        pytest.param((DiskBlobs, "is_writable"), "blobs", id="of uploads"),
    ],
)
def test_a_bucket_that_does_not_answer_is_named_and_its_cause_is_logged(
    site: Site,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    method: tuple[type, str],
    failing: str,
) -> None:
    error = BucketBusyError("bucket s3://media answers 403 Forbidden")
    monkeypatch.setattr(*method, fail(error))
    answers = [site.client.get("/readyz") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [503] * 3
    assert f'"{failing}"' in answers[0].text
    assert [line.partition(" request_id=")[0] for line in caplog.messages] == [
        "bucket s3://media answers 403 Forbidden"
    ]


def test_a_cause_is_logged_again_after_a_while(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    now = 100.0
    app: Flask = site.client.application
    causes = OutageLog("the catalog does not answer: ", lambda: now)
    with app.app_context():
        for now in (100.0, 101.0, 109.9, 110.0, 119.9, 130.0):  # noqa: B007
            causes.log(CatalogBusyError("away"))
    lines = [
        line.removeprefix("the catalog does not answer: ") for line in caplog.messages
    ]
    assert lines == [
        "away",
        "away (2 more times since the last such line)",
        "away (1 more times since the last such line)",
    ]


def test_a_reservation_names_the_gateway_that_made_it(
    site: Site, bearer: dict[str, str]
) -> None:
    admit(site, bearer)
    with site.database.read() as connection:
        named = connection.execute(select(reservations.c.gateway)).scalars().all()
    assert named == [own_id(site.store.parent)]


@EITHER_CATALOG
def test_the_room_of_ends_that_fail_comes_back_with_the_catalog(
    site: Site, bearer: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A user with as many running as are allowed would be locked out for an hour."""
    monkeypatch.setattr("gateway.catalog.deferred._INTERVAL", 0.01)
    for number in range(16):
        assert admit(site, bearer, f"request{number}").status_code == 204
    assert admit(site, bearer, "one more").headers["X-Refusal-Status"] == "429"
    with monkeypatch.context() as outage:
        outage.setattr(Database, "write", fail(CatalogBusyError("away")))
        outage.setattr(Finaliser, "finalise", fail(CatalogBusyError("away")))
        ends = {
            site.client.put(
                "/api/v1/files/a.bin",
                headers={**bearer, "X-Request-ID": f"request{number}"},
            ).status_code
            for number in range(16)
        }

    def running() -> int:
        with site.database.read() as connection:
            ann = users.by_name(connection, "ann")
            return uploads.usage(connection, ann, now=int(site.now)).running

    assert ends == {503}
    wait_until(lambda: running() == 0, what="all room is given back")
    assert admit(site, bearer, "one more").status_code == 204
