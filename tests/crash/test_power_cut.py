"""The machine loses its power: what was acknowledged is there, and whole."""

from __future__ import annotations

import hashlib
import os
import stat
from typing import TYPE_CHECKING

import pytest
import requests

from gateway.catalog import uploads
from gateway.catalog.database import Database
from gateway.catalog.upgrade import upgrade
from gateway.storage.blobs import BlobStore, new_id
from gateway.storage.names import DisplayName
from gateway.storage.session_files import SessionFiles
from gateway.storage.trash import Trash
from gateway.uploads.finalise import Finaliser, ReceivedFile
from gateway.uploads.resumable.chunks import Chunks
from gateway.uploads.resumable.protocol import Chunk, Creation
from gateway.uploads.resumable.sender import Sender
from gateway.uploads.resumable.sessions import UploadSessions
from tests.crash.ext4 import ext4
from tests.live.stack import NativeStack
from tests.live.tus import Tus
from tests.uploads import new_finaliser
from tests.users import a_user

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from gateway.catalog.users import User
    from gateway.uploads.resumable.sessions import Progress
    from tests.crash.ext4 import Ext4

UPLOADS = 12
PIECES = os.urandom(500_000)


def never(_descriptor: int) -> None:
    """Sync nothing."""


def contents_only(descriptor: int) -> None:
    """Sync files, but not the folders that hold their names."""
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.fsync(descriptor)


def lost_uploads(
    home: Path, fsync: Callable[[int], None], *, is_catalog_elsewhere: bool = False
) -> int:
    """Acknowledge uploads, cut the power, and count those that are not whole."""
    with ext4(home) as disk:
        catalog = home if is_catalog_elsewhere else disk.root
        finaliser = a_finaliser(catalog, disk, fsync)
        database, store = finaliser.database, finaliser.store
        ann = an_owner(database)
        os.sync()

        digests: dict[str, bytes] = {}
        for number in range(UPLOADS):
            content = os.urandom(50_000 + number)
            source = store.spool / str(number)
            source.write_bytes(content)
            received = ReceivedFile(
                source=source,
                name=DisplayName.parse("a.bin"),
                reservation=str(number),
            )
            made = finaliser.finalise(ann, received, now=1)
            digests[made.id] = hashlib.sha256(content).digest()

        disk.cut_power()
        database.engine.dispose()
        disk.umount()
        disk.mount()

        database = Database.open(f"sqlite:///{catalog}/catalog.sqlite3")
        with database.read() as connection:
            whole = [
                upload_id
                for upload_id, digest in digests.items()
                if (made_before := uploads.by_id(connection, upload_id))
                and digest_of(store.blobs / made_before.blob) == digest
            ]
        database.engine.dispose()
    return len(digests) - len(whole)


def lost_pieces(
    home: Path, fsync: Callable[[int], None], *, is_catalog_elsewhere: bool = False
) -> int:
    """Acknowledge chunks, cut the power, go on, and count what is not whole."""
    with ext4(home) as disk:
        catalog = home if is_catalog_elsewhere else disk.root
        finaliser = a_finaliser(catalog, disk, fsync)
        sender = Sender(an_owner(finaliser.database))
        os.sync()

        contents = {}
        for _ in range(UPLOADS):
            content = os.urandom(150_001)
            session_id = begun(finaliser, sender, len(content))
            send(finaliser, sender, session_id, 0, content[:50_000])
            send(finaliser, sender, session_id, 50_000, content[50_000:100_000])
            contents[session_id] = content

        disk.cut_power()
        finaliser.database.engine.dispose()
        disk.umount()
        disk.mount()

        finaliser = a_finaliser(catalog, disk, os.fsync)
        resumed = [
            resume(finaliser, sender, session_id, content)
            for session_id, content in contents.items()
        ]
        finaliser.database.engine.dispose()
    return len(resumed) - sum(resumed)


def lost_repairs(home: Path, fsync: Callable[[int], None]) -> int:
    """Put blobs back from the trash, cut the power, and count those not in place."""
    with ext4(home) as disk:
        store = BlobStore(disk.root / "store", fsync=fsync)
        store.prepare()
        for _ in range(UPLOADS):
            upload_id = new_id()
            (store.trash / f"1-{upload_id}.bin").write_bytes(upload_id.encode())
        os.sync()

        trash = Trash(store)
        entries = list(trash.entries())
        for entry in entries:
            trash.put_back(entry)

        disk.cut_power()
        disk.umount()
        disk.mount()
        places = [store.path(entry.blob) for entry in entries]
        whole = [p for p in places if p.exists() and p.read_text() == p.stem]
    return len(entries) - len(whole)


def a_finaliser(catalog: Path, disk: Ext4, fsync: Callable[[int], None]) -> Finaliser:
    """Make what stores uploads, or open what has been made before."""
    database = Database.open(f"sqlite:///{catalog}/catalog.sqlite3")
    upgrade(database)
    store = BlobStore(disk.root / "store", fsync=fsync)
    store.prepare()
    return new_finaliser(database, store)


def an_owner(database: Database) -> User:
    with database.write() as connection:
        return a_user(connection, "ann")


def the_resumables(finaliser: Finaliser) -> UploadSessions:
    files = SessionFiles(finaliser.store)
    return UploadSessions(
        finaliser.database, files, finaliser, finaliser.types, lifetime=100
    )


def begun(finaliser: Finaliser, sender: Sender, size: int) -> str:
    creation = Creation.parse({"Upload-Length": str(size)}.get)
    chunks = Chunks(the_resumables(finaliser))
    with finaliser.store.empty_file() as empty:
        made = chunks.create(sender, creation, empty, None, request_id="", now=1)
    return made.session.id


def send(
    finaliser: Finaliser, sender: Sender, session_id: str, offset: int, data: bytes
) -> Progress:
    """Send a chunk as nginx does, which deletes what it has spooled."""
    chunks = Chunks(the_resumables(finaliser))
    chunk = Chunk(offset=offset, size=None, checksum=None)
    source = finaliser.store.spool / "1"
    source.write_bytes(data)
    chunks.admit(sender, session_id, chunk, length=len(data), request_id="1", now=1)
    progress = chunks.append(sender, session_id, chunk, source, request_id="1", now=1)
    source.unlink()
    return progress


def resume(
    finaliser: Finaliser, sender: Sender, session_id: str, content: bytes
) -> bool:
    """Go on from the offset that is told; tell whether the content is what was sent.

    What was acknowledged need not be sent again.
    """
    offset = the_resumables(finaliser).progress(sender, session_id, now=1).offset
    last = send(finaliser, sender, session_id, offset, content[offset:])
    with finaliser.database.read() as connection:
        made = uploads.by_id(connection, last.session.upload_id or "")
    assert made is not None
    stored = (finaliser.store.blobs / made.blob).read_bytes()
    return offset == 100_000 and stored == content


def digest_of(path: Path) -> bytes | None:
    return hashlib.sha256(path.read_bytes()).digest() if path.exists() else None


#: What a cut is made after, and its losses are counted.
WHAT = pytest.mark.parametrize(
    "lost",
    [
        pytest.param(lost_uploads, id="uploads"),
        pytest.param(lost_pieces, id="chunks"),
    ],
)
WHERE = pytest.mark.parametrize(
    "is_catalog_elsewhere",
    [
        pytest.param(False, id="one disk", marks=pytest.mark.extra),
        pytest.param(True, id="catalog on another disk"),
    ],
)


@WHAT
@WHERE
def test_a_power_cut_loses_nothing_that_was_acknowledged(
    tmp_path: Path,
    lost: Callable[..., int],
    is_catalog_elsewhere: bool,  # noqa: FBT001 -- the table's column
) -> None:
    assert lost(tmp_path, os.fsync, is_catalog_elsewhere=is_catalog_elsewhere) == 0


@pytest.mark.extra
@WHAT
@WHERE
def test_the_cut_would_show_what_is_not_synced(
    tmp_path: Path,
    lost: Callable[..., int],
    is_catalog_elsewhere: bool,  # noqa: FBT001 -- the table's column
) -> None:
    assert lost(tmp_path, never, is_catalog_elsewhere=is_catalog_elsewhere) > 0


@pytest.mark.extra
def test_the_cut_would_show_folders_that_are_not_synced(tmp_path: Path) -> None:
    assert lost_uploads(tmp_path, contents_only, is_catalog_elsewhere=True) > 0


@pytest.mark.extra
def test_a_power_cut_loses_no_blob_that_was_put_back(tmp_path: Path) -> None:
    assert lost_repairs(tmp_path, os.fsync) == 0


@pytest.mark.extra
def test_the_cut_would_show_what_is_put_back_and_not_synced(tmp_path: Path) -> None:
    assert lost_repairs(tmp_path, never) > 0


@pytest.mark.extra
def test_what_the_whole_gateway_acknowledged_survives(tmp_path: Path) -> None:
    with ext4(tmp_path) as disk:
        stack = NativeStack(
            GATEWAY_STORE=str(disk.root / "store"),
            GATEWAY_DATABASE=f"sqlite:///{disk.root}/catalog.sqlite3",
            GATEWAY_FREE_SPACE="0",
        )
        stack.start()
        try:
            bearer = {"Authorization": f"Bearer {stack.new_token('upload', 'read')}"}
            tus = Tus(stack, bearer["Authorization"].removeprefix("Bearer "))
            unfinished = tus.create(len(PIECES))
            assert tus.patch(unfinished, 0, PIECES[:200_000]).status_code == 204
            assert tus.patch(unfinished, 200_000, PIECES[200_000:-1]).ok
            contents = {}
            for number in range(UPLOADS):
                content = os.urandom(300_000 + number)
                made = stack.ask(
                    f"{stack.url}/api/v1/files/{number}.bin",
                    "PUT",
                    data=content,
                    headers=bearer,
                )
                assert made.status_code == requests.codes.created
                contents[made.json()["url"]] = content
            disk.cut_power()
            stack.kill()
            disk.umount()
            disk.mount()
            stack.start()
            last = tus.patch(unfinished, len(PIECES) - 1, PIECES[-1:])
            assert tus.get(last) == PIECES
            for url, content in contents.items():
                back = stack.ask(stack.url + url, headers=bearer)
                assert back.content == content
        finally:
            stack.stop()
