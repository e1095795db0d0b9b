"""What machines are told."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gateway.catalog.database import Database
from gateway.catalog.revision import NEWEST
from gateway.errors import CatalogBusyError
from tests.catalog.test_upgrade import in_the_future

if TYPE_CHECKING:
    from tests.web.conftest import Site


def test_a_running_process_is_healthy(site: Site) -> None:
    answer = site.client.get("/healthz")
    assert (answer.status_code, answer.json) == (200, {"status": "ok"})


def test_it_is_ready_as_long_as_the_files_are_there(site: Site) -> None:
    ready = site.client.get("/readyz").status_code
    (site.files / "a.txt").unlink()
    site.files.rmdir()
    answer = site.client.get("/readyz")
    assert ready == 200
    assert answer.status_code == 503
    assert answer.json == {"status": "failing", "failing": ["files"]}


@pytest.mark.parametrize(
    ("oldest", "status"),
    [
        pytest.param(NEWEST, 200, id="that fits"),
        pytest.param("9999", 503, id="that does not fit"),
    ],
)
def test_a_newer_gateway_may_have_brought_a_newer_schema(
    site: Site, oldest: str, status: int
) -> None:
    in_the_future(site.database, oldest)
    assert site.client.get("/readyz").status_code == status


def test_it_is_not_ready_while_the_catalog_is_read_only(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: Database) -> None:
        raise CatalogBusyError("the server is read-only")

    monkeypatch.setattr(Database, "check_writable", fail)
    answer = site.client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json == {"status": "failing", "failing": ["catalog"]}
