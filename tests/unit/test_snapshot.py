"""What the supervisor puts into memory is what its children find there."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from gateway.config import snapshot
from gateway.config.snapshot import Snapshot

if TYPE_CHECKING:
    from collections.abc import Iterator

READ = """
import sys
from gateway.config import snapshot
for _ in range(int(sys.argv[2])):
    values = snapshot.read(int(sys.argv[1]))
    assert len(set(values.values())) == 1, values
    print(len(values))
"""


@pytest.fixture
def taken() -> Iterator[Snapshot]:
    taken = Snapshot()
    yield taken
    os.close(taken.descriptor)


def start_reader(taken: Snapshot, times: int) -> subprocess.Popen[str]:
    """Start a child that reads so often, and notes how much there was."""
    return subprocess.Popen(
        [sys.executable, "-c", READ, str(taken.descriptor), str(times)],
        pass_fds=[taken.descriptor],
        stdout=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize(
    "values",
    [
        pytest.param([{}], id="nothing"),
        pytest.param([{"A": "1", "B": "ä\n"}], id="text"),
        pytest.param([{"A": "x" * 100_000}, {"B": ""}], id="less than before"),
        pytest.param([{"B": ""}, {"A": "x" * 100_000}], id="more than before"),
    ],
)
def test_what_was_put_last_is_read_as_often_as_one_likes(
    taken: Snapshot, values: list[dict[str, str]]
) -> None:
    for each in values:
        taken.replace(each)
    read = [snapshot.read(taken.descriptor) for _ in range(2)]
    assert read == [values[-1], values[-1]]


def test_a_child_never_reads_half_a_change(taken: Snapshot) -> None:
    states = [{f"{n}": text * 5000 for n in range(40)} for text in "ab"]
    taken.replace(states[0])
    reader = start_reader(taken, 300)
    changes = 0
    while reader.poll() is None:
        taken.replace(states[changes % 2])
        changes += 1
    out, _ = reader.communicate()
    assert (reader.returncode, set(out.split())) == (0, {"40"})
    assert changes > 10


def test_it_has_no_name_that_others_could_open(taken: Snapshot) -> None:
    link = Path(f"/proc/self/fd/{taken.descriptor}").readlink()
    assert str(link) == "/memfd:gateway-settings (deleted)"
    assert not os.get_inheritable(taken.descriptor)
