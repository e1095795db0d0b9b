"""The files of upload sessions: locking, copying in the kernel, full disks."""

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


def test_the_first_chunk_is_linked_without_a_copy(files: SessionFiles) -> None:
    source = spooled(files, b"one")
    append(files, source)
    assert files.path(NAME).samefile(source)


def test_later_chunks_are_appended(files: SessionFiles) -> None:
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
def test_sendfile_is_used_where_copy_file_range_fails(
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
def test_a_full_disk_raises_no_space_error(
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


def test_a_disk_that_is_full_at_the_sync_raises_no_space_error(tmp_path: Path) -> None:
    def fill(_descriptor: int) -> None:
        raise OSError(errno.EDQUOT, "full")

    files = SessionFiles(BlobStore(tmp_path, fsync=fill))
    files.store.sessions.mkdir()
    with files.lock(NAME) as file, pytest.raises(NoSpaceError):
        file.sync()


def test_bytes_beyond_the_size_are_cut_off(files: SessionFiles) -> None:
    append(files, spooled(files, b"onetwo"))
    with files.lock(NAME) as file:
        file.truncate(7)
        assert file.size == 6
        file.truncate(3)
        assert file.size == 3
        with pytest.raises(LockedError), files.lock(NAME):
            pass
    assert files.path(NAME).read_bytes() == b"one"


def test_a_linked_spool_file_is_not_emptied(files: SessionFiles) -> None:
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


def test_a_chunk_that_can_not_be_linked_is_unlocked(
    files: SessionFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise OSError(errno.EMLINK, os.strerror(errno.EMLINK))

    source = spooled(files, b"one")
    monkeypatch.setattr(os, "link", refuse)
    with pytest.raises(OSError, match="links"):
        append(files, source)
    with source.open("rb") as again:
        # Refused while the first descriptor is open.
        fcntl.flock(again, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_a_held_lock_is_not_waited_for(
    files: SessionFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "sleep", pytest.fail)
    with files.lock(NAME), pytest.raises(LockedError), files.lock(NAME):
        pass


def test_a_lock_covers_the_file_that_replaces_the_first_one(
    files: SessionFiles,
) -> None:
    with files.lock(NAME) as file:
        file.append(spooled(files, b"one"), is_whole=False)
        with pytest.raises(LockedError), files.lock(NAME):
            pass


def test_threads_get_the_file_of_that_name_one_at_a_time(
    files: SessionFiles,
) -> None:
    with ThreadPoolExecutor(20) as pool:
        list(pool.map(lambda number: add_one(files, number), range(20)))
    assert files.path(NAME).read_bytes() == b"x" * 20


def add_one(files: SessionFiles, number: int) -> None:
    """Append a byte as soon as the lock is free."""
    source = spooled(files, b"x", str(number))
    is_added = False
    while not is_added:
        with suppress(LockedError), files.lock(NAME) as file:
            file.append(source, is_whole=False)
            is_added = True


def test_the_size_can_be_read_while_the_lock_is_held(files: SessionFiles) -> None:
    assert files.size(NAME) == 0
    with files.lock(NAME) as file:
        file.append(spooled(files, b"one"), is_whole=False)
        assert files.size(NAME) == 3


def test_a_file_that_was_replaced_before_it_was_locked_is_closed(
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
