"""After the last byte: an upload becomes a blob and a row, or nothing.

Content and name are on disk before the catalog says so, and the catalog says so
before the client is told: what was acknowledged survives a power cut, and what
was not leaves at most a blob that housekeeping finds.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gateway.catalog import drops, upload_sessions, uploads
from gateway.errors import (
    DigestMismatchError,
    RefusedError,
    RepeatedUploadError,
)
from gateway.storage.blobs import new_id
from gateway.uploads.content import decide

if TYPE_CHECKING:
    from pathlib import Path

    from gateway.catalog.database import Database
    from gateway.catalog.drops import Drop
    from gateway.catalog.uploads import Upload
    from gateway.catalog.users import User
    from gateway.storage.blobs import BlobStore
    from gateway.storage.media_types import MediaTypes
    from gateway.storage.names import DisplayName
    from gateway.uploads.admission import Admission
    from gateway.uploads.finalise_slots import FinaliseSlots


@dataclass(frozen=True, kw_only=True)
class ReceivedFile:
    """A body that has come whole: where it lies and what was said of it.

    ``drop`` is the drop link that it came by; ``sha256`` what its sender says
    it has; ``session_id`` is the resumable upload that it was, which keeps its
    room when it can't be stored.
    """

    source: Path
    name: DisplayName
    reservation: str
    drop: Drop | None = None
    sha256: bytes | None = None
    idempotency_key: str | None = None
    is_new_name_required: bool = False
    session_id: str | None = None


@dataclass(frozen=True)
class Finaliser:
    """Turns arrivals into uploads, kept for ``retention`` seconds; 0 is for ever.

    Who calls holds one of ``ends`` meanwhile.
    """

    database: Database
    store: BlobStore
    admission: Admission
    types: MediaTypes
    slots: FinaliseSlots
    retention: int = 0

    def finalise(self, user: User, received: ReceivedFile, *, now: int) -> Upload:
        """Store an received durably and return it; its source stays.

        With an idempotency key that was used before, the first upload is
        returned and nothing is stored; RepeatedUploadError is raised if it is
        another.  Raise the UploadError that applies, with nothing left behind,
        or CatalogBusyError.
        """
        try:
            return self._store(user, received, now)
        except RepeatedUploadError:
            self.release(received.reservation)
            return self._first(user, received)
        except RefusedError:
            if received.session_id is None:
                self.release(received.reservation)
            raise

    def _store(self, user: User, received: ReceivedFile, now: int) -> Upload:
        _check_digest(received)
        media_type, suffix = decide(received.name, received.source, self.types)
        self.admission.check_type(media_type, received.drop)
        upload_id = new_id()
        upload = uploads.Upload(
            id=upload_id,
            owner_id=user.id,
            name=received.name.text,
            size=received.source.stat().st_size,
            media_type=media_type,
            blob=self.store.adopt(received.source, upload_id, suffix),
            sha256=received.sha256,
            created=now,
            drop_id=received.drop.id if received.drop else None,
            delete_after=now + self.retention if self.retention else None,
            idempotency_key=received.idempotency_key,
        )
        try:
            self._insert(user, received, upload, now)
        except RefusedError:
            self.store.discard(upload.blob)
            raise
        return upload

    def _insert(
        self, user: User, received: ReceivedFile, upload: Upload, now: int
    ) -> None:
        with self.database.write() as connection:
            uploads.release(connection, received.reservation)
            # Before all else: what is stored need not find room or a name again.
            if uploads.is_key_used(connection, user, received.idempotency_key):
                raise RepeatedUploadError(received.idempotency_key or "")
            self.admission.check_limits(
                connection,
                user,
                size=upload.size,
                drop=received.drop,
                now=now,
                is_on_disk=True,
            )
            if received.is_new_name_required:
                uploads.require_new_name(connection, user, upload.name)
            uploads.add(connection, upload)
            if received.session_id is not None:
                upload_sessions.finish(connection, received.session_id, upload.id)
            if received.drop is not None:
                drops.take(connection, received.drop)

    def _first(self, user: User, received: ReceivedFile) -> Upload:
        key = received.idempotency_key or ""
        with self.database.read() as connection:
            first = uploads.by_idempotency_key(connection, user, key)
        if first is None:
            raise RepeatedUploadError(key)
        first.check_repeated(
            name=received.name.text,
            size=received.source.stat().st_size,
            sha256=received.sha256,
        )
        return first

    def release(self, reservation: str) -> None:
        """Count a reservation no longer, now or as soon as the catalog answers."""
        self.database.make_sure(
            lambda connection: uploads.release(connection, reservation)
        )


def _check_digest(received: ReceivedFile) -> None:
    if received.sha256 is None:
        return
    with received.source.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").digest()
    if not hmac.compare_digest(found, received.sha256):
        raise DigestMismatchError
