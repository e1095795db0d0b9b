"""What a function has made when it returns outlives a power cut."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from gateway.storage import copies
from gateway.storage.blobs import BlobStore, new_id
from gateway.storage.session_files import SessionFiles
from gateway.storage.trash import Trash
from tests.unit.disk import Disk

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

NAME = new_id()


def spooled(store: BlobStore, content: bytes) -> Path:
    path = store.spool / "0000000001"
    path.write_bytes(content)
    return path


def adopt(store: BlobStore) -> None:
    source = spooled(store, b"content")
    store.adopt(source, NAME, "txt")
    source.unlink()


def adopt_beside(store: BlobStore) -> None:
    """Make a blob in a folder that another worker has just made."""
    (store.blobs / NAME[:2]).mkdir()
    adopt(store)


def take_a_piece(store: BlobStore) -> None:
    source = spooled(store, b"one")
    with SessionFiles(store).lock(NAME) as file:
        file.append(source, is_whole=False)
        file.sync()
    source.unlink()


def add_a_piece(store: BlobStore) -> None:
    take_a_piece(store)
    take_a_piece(store)


def write(store: BlobStore) -> None:
    copies.write(store.root / "keys", b"a:secret\n")


def overwrite(store: BlobStore) -> None:
    write(store)
    copies.write(store.root / "keys", b"b:secret\n")


def copy(store: BlobStore) -> None:
    """Copy a file; the folder is the caller's to sync."""
    source = spooled(store, b"content")
    copies.copy(source, store.root / "copy", may_link=False)
    copies.sync(store.root)
    source.unlink()


def throw_away(store: BlobStore) -> None:
    """Move a blob to the trash."""
    adopt(store)
    Trash(store).move(f"{NAME[:2]}/{NAME}.txt", now=1)


def put_back(store: BlobStore) -> None:
    throw_away(store)
    (entry,) = Trash(store).entries()
    Trash(store).put_back(entry)


@pytest.mark.parametrize(
    "act",
    [
        adopt,
        adopt_beside,
        take_a_piece,
        add_a_piece,
        write,
        overwrite,
        copy,
        throw_away,
        put_back,
    ],
    ids=lambda act: act.__name__,
)
def test_what_was_stored_outlives_a_power_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, act: Callable[[BlobStore], None]
) -> None:
    BlobStore(tmp_path).prepare()
    disk = Disk(tmp_path)
    monkeypatch.setattr(os, "fsync", disk.fsync)
    act(BlobStore(tmp_path, fsync=disk.fsync))
    assert disk.lost() == []


@pytest.mark.parametrize("act", [throw_away, put_back], ids=lambda act: act.__name__)
def test_what_is_moved_is_in_one_of_its_places_at_every_moment(
    tmp_path: Path, act: Callable[[BlobStore], None]
) -> None:
    BlobStore(tmp_path).prepare()
    disk = Disk(tmp_path)
    left: list[bool] = []

    def sync(descriptor: int) -> None:
        disk.fsync(descriptor)
        left.append(b"content" in disk.left())

    act(BlobStore(tmp_path, fsync=sync))
    assert sorted(left) == left
    assert left[-1]
