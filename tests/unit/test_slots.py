"""Each process has a slot of the metrics folder while it lives."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from gateway.config import settings
from gateway.metrics import slots, verdicts
from gateway.metrics.slots import Slot
from gateway.runtime import counting

if TYPE_CHECKING:
    from pathlib import Path

#: A process that takes a slot, is busy, and waits.
BUSY = """
import sys
from pathlib import Path
from gateway.metrics.slots import Slot
slot = Slot.claim(Path(sys.argv[1]), "app", threads=16)
slot.busy[0] = 7
slot.verdicts[0] = 41
print(slot.name, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "metrics"


@pytest.fixture
def killed(folder: Path) -> str:
    """Return the name of the slot of a process that was killed."""
    command = [sys.executable, "-c", BUSY, str(folder)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        name = process.stdout.readline().strip()
        [living] = slots.read(folder)
        process.send_signal(signal.SIGKILL)
    assert (living.is_held, living.busy, living.threads) == (True, 7, 16)
    return name


def test_processes_that_live_have_different_slots(folder: Path) -> None:
    taken = [Slot.claim(folder, kind) for kind in ("app", "app", "verdicts")]
    assert [slot.name for slot in taken] == ["app-0", "app-1", "verdicts-0"]
    for slot in taken:
        slot.release()


def test_the_slot_of_a_killed_process_goes_on_in_the_next_one(
    folder: Path, killed: str
) -> None:
    """Otherwise its counts would be lost, or its file would stay for ever."""
    [left] = slots.read(folder)
    slot = Slot.claim(folder, "app", threads=4)
    slot.verdicts[0] += 1
    [now] = slots.read(folder)
    slot.release()
    assert (left.is_held, left.busy, left.threads, left.verdicts[0]) == (
        *(False, 0, 0),
        41,
    )
    assert slot.name == killed
    assert (now.is_held, now.busy, now.threads, now.verdicts[0]) == (True, 0, 4, 42)


def test_what_another_release_has_counted_is_not_read(
    folder: Path, killed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its numbers have another meaning."""
    monkeypatch.setattr(verdicts, "LAYOUT", verdicts.LAYOUT + 1)
    assert slots.read(folder) == []
    slot = Slot.claim(folder, "app")
    [now] = slots.read(folder)
    slot.release()
    assert (slot.name, set(now.verdicts)) == (killed, {0})


def test_a_file_that_a_killed_process_has_just_made_is_no_fault(folder: Path) -> None:
    folder.mkdir()
    (folder / "app-0.slot").touch()
    assert slots.read(folder) == []
    Slot.claim(folder, "app").release()
    assert len(slots.read(folder)) == 1


def full(*_: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_worker_without_room_to_count_works_all_the_same(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A write to memory that is not there would kill it, again and again."""
    current = settings.read({"GATEWAY_RUN": str(folder.parent)}).settings
    monkeypatch.setattr(os, "posix_fallocate", full)
    monkeypatch.setattr(counting, "_joined", None)
    slot = counting.join(current, "verdicts")
    slot.busy[0] = 1
    assert slot.folder is None
    assert f"verdicts can't count in {folder}: No space left" in capsys.readouterr().err
