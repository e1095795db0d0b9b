"""The files of resumable uploads: locked, moved in the kernel, never half a chunk."""

from __future__ import annotations

import errno
import fcntl
import os
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from gateway.errors import LockedError, NoSpaceError
from gateway.storage.blobs import BlobStore, new_id
from gateway.storage.session_files import SessionFiles

if TYPE_CHECKING:
    from pathlib import Path

NAME = new_id()


@pytest.fixture
def files(tmp_path: Path) -> SessionFiles:
    store = BlobStore(tmp_path)
    store.prepare()
    return SessionFiles(store)


def spooled(files: SessionFiles, data: bytes, name: str = "0000000001") -> Path:
    path = files.store.spool / name
    path.write_bytes(data)
    return path


def append(files: SessionFiles, source: Path, *, is_whole: bool = False) -> None:
    with files.lock(NAME) as file:
        file.append(source, is_whole=is_whole)


def test_the_first_piece_is_taken_over_without_a_copy(files: SessionFiles) -> None:
    source = spooled(files, b"one")
    append(files, source)
    assert files.path(NAME).samefile(source)


def test_later_pieces_are_added(files: SessionFiles) -> None:
    for chunk in (b"one", b"two", b"", b"three"):
        source = spooled(files, chunk)
        append(files, source)
        assert source.read_bytes()[-len(chunk) :] == chunk
        source.unlink()
    assert files.path(NAME).read_bytes() == b"onetwothree"
    assert list(files.store.spool.iterdir()) == []


@pytest.mark.parametrize(
    "fault", [errno.EXDEV, errno.ENOSYS, errno.EOPNOTSUPP, None], ids=str
)
def test_where_ranges_can_not_be_copied_they_are_sent(
    files: SessionFiles, monkeypatch: pytest.MonkeyPatch, fault: int | None
) -> None:
    def refuse(*_: Any) -> int:
        if fault is not None:
            raise OSError(fault, os.strerror(fault))
        return 0

    monkeypatch.setattr(os, "copy_file_range", refuse)
    append(files, spooled(files, b"one", "1"))
    append(files, spooled(files, b"two" * 100_000, "2"))
    assert files.path(NAME).read_bytes() == b"one" + b"two" * 100_000


@pytest.mark.parametrize(
    ("is_whole", "left"),
    [
        pytest.param(False, b"onetw", id="what fits stays"),
        pytest.param(True, b"one", id="all or nothing"),
    ],
)
def test_a_full_disk_is_said(
    files: SessionFiles,
    monkeypatch: pytest.MonkeyPatch,
    is_whole: bool,  # noqa: FBT001 -- pytest's parameter
    left: bytes,
) -> None:
    append(files, spooled(files, b"one", "1"))

    def fill(_source: int, target: int, _count: int, position: int) -> int:
        if position:
            raise OSError(errno.ENOSPC, "full")
        return os.write(target, b"tw")

    monkeypatch.setattr(os, "copy_file_range", fill)
    with pytest.raises(NoSpaceError):
        append(files, spooled(files, b"two", "2"), is_whole=is_whole)
    assert files.path(NAME).read_bytes() == left


def test_a_disk_that_is_full_when_it_is_synced_is_said(tmp_path: Path) -> None:
    def fill(_descriptor: int) -> None:
        raise OSError(errno.EDQUOT, "full")

    files = SessionFiles(BlobStore(tmp_path, fsync=fill))
    files.store.sessions.mkdir()
    with files.lock(NAME) as file, pytest.raises(NoSpaceError):
        file.sync()


def test_what_lies_beyond_is_dropped(files: SessionFiles) -> None:
    append(files, spooled(files, b"onetwo"))
    with files.lock(NAME) as file:
        file.truncate(7)
        assert file.size == 6
        file.truncate(3)
        assert file.size == 3
        with pytest.raises(LockedError), files.lock(NAME):
            pass
    assert files.path(NAME).read_bytes() == b"one"


def test_a_spooled_file_that_was_taken_is_not_emptied(files: SessionFiles) -> None:
    source = spooled(files, b"one")
    append(files, source)
    with files.lock(NAME) as file:
        file.truncate(0)
        assert file.size == 0
        with pytest.raises(LockedError), files.lock(NAME):
            pass
    assert files.path(NAME).read_bytes() == b""
    assert source.read_bytes() == b"one"
    assert list(files.store.spool.iterdir()) == [source]


def test_a_piece_that_can_not_be_taken_is_let_go(
    files: SessionFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise OSError(errno.EMLINK, os.strerror(errno.EMLINK))

    source = spooled(files, b"one")
    monkeypatch.setattr(os, "link", refuse)
    with pytest.raises(OSError, match="links"):
        append(files, source)
    with source.open("rb") as again:
        # Refused as long as the first one is open.
        fcntl.flock(again, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_a_lock_that_is_taken_is_not_waited_for(
    files: SessionFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "sleep", pytest.fail)
    with files.lock(NAME), pytest.raises(LockedError), files.lock(NAME):
        pass


def test_a_lock_holds_the_file_that_takes_the_first_one_s_place(
    files: SessionFiles,
) -> None:
    with files.lock(NAME) as file:
        file.append(spooled(files, b"one"), is_whole=False)
        with pytest.raises(LockedError), files.lock(NAME):
            pass


def test_of_threads_each_gets_the_file_of_that_name_and_one_at_a_time(
    files: SessionFiles,
) -> None:
    with ThreadPoolExecutor(20) as pool:
        list(pool.map(lambda number: add_one(files, number), range(20)))
    assert files.path(NAME).read_bytes() == b"x" * 20


def add_one(files: SessionFiles, number: int) -> None:
    """Add a byte, as soon as nobody else does."""
    source = spooled(files, b"x", str(number))
    is_added = False
    while not is_added:
        with suppress(LockedError), files.lock(NAME) as file:
            file.append(source, is_whole=False)
            is_added = True


def test_how_much_is_there_is_told_whoever_holds_the_lock(files: SessionFiles) -> None:
    assert files.size(NAME) == 0
    with files.lock(NAME) as file:
        file.append(spooled(files, b"one"), is_whole=False)
        assert files.size(NAME) == 3


def test_a_file_that_was_replaced_before_it_was_locked_is_let_go(
    files: SessionFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    newer = iter([spooled(files, b"newer")])
    flock = fcntl.flock

    def replace_first(descriptor: int, operation: int) -> None:
        for path in newer:
            path.rename(files.path(NAME))
        flock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", replace_first)
    with files.lock(NAME) as file:
        assert file.size == len(b"newer")
