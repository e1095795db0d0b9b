"""The machine loses its power: what was acknowledged is there, and whole."""

from __future__ import annotations

import hashlib
import os
import stat
from typing import TYPE_CHECKING

import pytest
import requests

from gateway.assets import asset
from gateway.catalog import uploads, users
from gateway.catalog.database import Database
from gateway.catalog.upgrade import upgrade
from gateway.catalog.users import Role
from gateway.storage.blobs import BlobStore
from gateway.storage.media_types import MediaTypes
from gateway.storage.names import DisplayName
from gateway.uploads.admission import Admission, UploadLimits
from gateway.uploads.finalise import Arrival, Finaliser
from tests.crash.ext4 import ext4
from tests.live.stack import NativeStack

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

UPLOADS = 12
NO_LIMITS = UploadLimits(size=0, quota=0, user_quota=0, free_space=0, running=0)


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
        database = Database.open(f"sqlite:///{catalog}/catalog.sqlite3")
        upgrade(database)
        store = BlobStore(disk.root / "store", fsync=fsync)
        store.prepare()
        types = MediaTypes.read(asset("nginx/snippets/media_types.conf"))
        finaliser = Finaliser(database, store, Admission(store, NO_LIMITS), types)
        with database.write() as connection:
            ann = users.add(
                connection,
                name="ann",
                password="a long password",
                role=Role.MEMBER,
                now=1,
            )
        os.sync()

        digests: dict[str, bytes] = {}
        for number in range(UPLOADS):
            content = os.urandom(50_000 + number)
            source = store.spool / str(number)
            source.write_bytes(content)
            arrival = Arrival(
                source=source,
                name=DisplayName.parse("a.bin"),
                reservation=str(number),
            )
            made = finaliser.finalise(ann, arrival, now=1)
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


def digest_of(path: Path) -> bytes | None:
    return hashlib.sha256(path.read_bytes()).digest() if path.exists() else None


@pytest.mark.parametrize(
    "is_catalog_elsewhere",
    [
        pytest.param(False, id="one disk"),
        pytest.param(True, id="catalog on another disk"),
    ],
)
def test_a_power_cut_loses_no_acknowledged_upload(
    tmp_path: Path,
    is_catalog_elsewhere: bool,  # noqa: FBT001 -- the table's column
) -> None:
    lost = lost_uploads(tmp_path, os.fsync, is_catalog_elsewhere=is_catalog_elsewhere)
    assert lost == 0


@pytest.mark.parametrize(
    ("fsync", "is_catalog_elsewhere"),
    [
        pytest.param(never, False, id="nothing is synced"),
        pytest.param(never, True, id="nothing is synced, catalog elsewhere"),
        pytest.param(contents_only, True, id="folders are not synced"),
    ],
)
def test_the_cut_would_show_what_is_not_synced(
    tmp_path: Path,
    fsync: Callable[[int], None],
    is_catalog_elsewhere: bool,  # noqa: FBT001 -- the table's column
) -> None:
    lost = lost_uploads(tmp_path, fsync, is_catalog_elsewhere=is_catalog_elsewhere)
    assert lost > 0


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
            for url, content in contents.items():
                back = stack.ask(stack.url + url, headers=bearer)
                assert back.content == content
        finally:
            stack.stop()
