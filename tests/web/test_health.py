"""What machines are told."""

from __future__ import annotations

from typing import TYPE_CHECKING

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
