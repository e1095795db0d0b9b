"""Every endpoint that hashes, copies or syncs a large body needs a free slot."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from gateway.app import create_app
from gateway.config import settings
from gateway.errors import NoFinaliseSlotError
from gateway.links import Key
from gateway.links.server_secret import ServerSecret
from gateway.uploads import finalise_slots
from gateway.uploads.finalise_slots import FinaliseSlots
from tests.web.test_tus import CHUNK_TYPE, Uploads, site

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from werkzeug.test import TestResponse

__all__ = ["site"]

BODY = b"0123456789"


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Let no slot be free; return the sizes for which one was requested."""
    sizes: list[int] = []

    @contextmanager
    def none_is_free(_slots: FinaliseSlots, size: int) -> Iterator[None]:
        sizes.append(size)
        if size:
            raise NoFinaliseSlotError
        yield

    monkeypatch.setattr(FinaliseSlots, "hold", none_is_free)
    return sizes


def by_put(site: Uploads) -> TestResponse:
    spooled = site.spool(BODY)
    return site.ask("PUT", "/api/v1/files/a.bin", X_Spool_File=str(spooled))


def by_creation(site: Uploads) -> TestResponse:
    spooled = site.spool(BODY)
    size = {"Upload_Length": "10", "Content_Type": CHUNK_TYPE}
    return site.ask("POST", "/tus/", X_Spool_File=str(spooled), **size)


def by_chunk(site: Uploads) -> TestResponse:
    path = site.create(len(BODY))
    return site.patch(path, 0, BODY)


@pytest.mark.parametrize(
    "send",
    [
        pytest.param(by_put, id="PUT"),
        pytest.param(by_creation, id="tus, at once"),
        pytest.param(by_chunk, id="tus"),
    ],
)
def test_a_body_without_a_free_slot_gets_503_and_retry_after(
    site: Uploads, asked: list[int], send: Callable[[Uploads], TestResponse]
) -> None:
    answer = send(site)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert answer.headers["X-Gateway-Reason"] == "too-many-ends"
    assert asked[-1] == len(BODY)
    assert "blobs" not in site.files()
    assert site.usage().running == 0


def test_partial_uploads_without_a_free_slot_stay(
    site: Uploads, monkeypatch: pytest.MonkeyPatch
) -> None:
    part = site.create(len(BODY), Upload_Concat="partial")
    site.patch(part, 0, BODY)
    concat = {"Upload_Concat": f"final;{part}"}
    monkeypatch.setattr(finalise_slots, "LARGE", len(BODY))
    with monkeypatch.context() as full:
        full.setattr("threading.Semaphore.acquire", lambda *_, **__: False)
        busy = site.ask("POST", **concat)
    assert busy.status_code == 503
    assert (site.files(), site.usage().reserved) == (["upload-sessions"], len(BODY))
    assert site.ask("POST", **concat).status_code == 201


@pytest.mark.parametrize(
    ("threads", "slots"),
    [
        pytest.param("1", 1, id="one"),
        pytest.param("2", 1, id="two"),
        pytest.param("16", 8, id="many"),
    ],
)
def test_at_most_half_of_a_worker_s_threads_finalise_large_uploads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, threads: str, slots: int
) -> None:
    numbers: list[int] = []
    monkeypatch.setattr(
        FinaliseSlots, "__init__", lambda _slots, number: numbers.append(number)
    )
    (tmp_path / "files").mkdir()
    reading = settings.read(
        {
            "GATEWAY_FILES": str(tmp_path / "files"),
            "GATEWAY_DATA": str(tmp_path / "data"),
            "GATEWAY_KEYS": str(Key.generate()),
            "GATEWAY_SECRET": str(ServerSecret.generate()),
            "GATEWAY_APP_THREADS": threads,
        }
    )
    create_app(reading.settings)
    assert numbers == [slots]
