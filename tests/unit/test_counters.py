"""prometheus-client's files in the metrics folder, and what is read from them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from prometheus_client import values

from gateway.http import families
from gateway.http.explanations import BY_NAME
from gateway.metrics import counters
from gateway.metrics.counters import RequestCounters
from gateway.metrics.slots import Slot
from gateway.metrics.verdicts import Outcome, refused

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ANSWER = Outcome("answer", "")


class Folder:
    """A metrics folder, and the processes that count there one after another."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def next_process(self) -> RequestCounters:
        """Return what a new process counts with, which ends at once."""
        slot = Slot.claim(self.path, "app")
        counters.share(slot)
        slot.release()
        return RequestCounters()

    @property
    def files(self) -> list[Path]:
        return sorted(self.path.glob("*.db"))

    def read(self) -> dict[str, float]:
        """Return the requests by family, of families that have any."""
        return {
            sample.labels["family"]: sample.value
            for metric in counters.merge(filter(counters.is_readable, self.files))
            for sample in metric.samples
            if sample.name == "accel_gateway_requests_total" and sample.value
        }


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Folder]:
    path = tmp_path / "metrics"
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(path))
    monkeypatch.setattr(values, "ValueClass", values.ValueClass)
    yield Folder(path)
    values.close_all_multiprocess_files()  # type: ignore[no-untyped-call]


def test_the_next_process_of_a_slot_goes_on(folder: Folder) -> None:
    for _ in range(3):
        folder.next_process().answered("api", ANSWER, 0.1)
    assert folder.read() == {"api": 3}
    assert len(folder.files) == 3


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"\x00\x01\x00\x00" + b"\xff" * 500, id="garbage"),
        pytest.param(b"\x00\x01\x00\x00" + b"\x00" * 500, id="zeros"),
    ],
)
def test_a_file_that_can_not_be_read_costs_the_others_nothing(
    folder: Folder, content: bytes
) -> None:
    """A kill leaves an empty one, a power cut a damaged one on a disk."""
    folder.next_process().answered("api", ANSWER, 0.1)
    (folder.path / "counter_app-7.db").write_bytes(content)
    assert folder.read() == {"api": 1}


def test_a_damaged_file_begins_again(folder: Folder) -> None:
    folder.path.mkdir()
    (folder.path / "counter_app-0.db").write_bytes(b"\x00\x01\x00\x00" + b"\xff" * 500)
    folder.next_process().answered("api", ANSWER, 0.1)
    assert folder.read() == {"api": 1}


def test_all_labels_fit_into_the_files_as_they_were_made(folder: Folder) -> None:
    """A file that grows on a full disk kills its process."""
    made = folder.next_process()
    before = {file: file.stat().st_size for file in folder.files}
    for family in families.BY_NAME:
        made.answered(family, ANSWER, 0.1)
        for name in BY_NAME:
            made.answered(family, refused(name), 0.1)
    assert {file: file.stat().st_size for file in folder.files} == before
    assert all(f.stat().st_blocks * 512 >= f.stat().st_size for f in folder.files)
