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
    from gateway.uploads.finalise_slots import Ends


@dataclass(frozen=True, kw_only=True)
class Arrival:
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
    ends: Ends
    retention: int = 0

    def finalise(self, user: User, arrival: Arrival, *, now: int) -> Upload:
        """Store an arrival durably and return it; its source stays.

        With an idempotency key that was used before, the first upload is
        returned and nothing is stored; RepeatedUploadError is raised if it is
        another.  Raise the UploadError that applies, with nothing left behind,
        or CatalogBusyError.
        """
        try:
            return self._store(user, arrival, now)
        except RepeatedUploadError:
            self.give_back(arrival.reservation)
            return self._first(user, arrival)
        except RefusedError:
            if arrival.session_id is None:
                self.give_back(arrival.reservation)
            raise

    def _store(self, user: User, arrival: Arrival, now: int) -> Upload:
        _check_digest(arrival)
        media_type, suffix = decide(arrival.name, arrival.source, self.types)
        self.admission.check_type(media_type, arrival.drop)
        upload_id = new_id()
        upload = uploads.Upload(
            id=upload_id,
            owner_id=user.id,
            name=arrival.name.text,
            size=arrival.source.stat().st_size,
            media_type=media_type,
            blob=self.store.adopt(arrival.source, upload_id, suffix),
            sha256=arrival.sha256,
            created=now,
            drop_id=arrival.drop.id if arrival.drop else None,
            delete_after=now + self.retention if self.retention else None,
            idempotency_key=arrival.idempotency_key,
        )
        try:
            self._insert(user, arrival, upload, now)
        except RefusedError:
            self.store.discard(upload.blob)
            raise
        return upload

    def _insert(self, user: User, arrival: Arrival, upload: Upload, now: int) -> None:
        with self.database.write() as connection:
            uploads.release(connection, arrival.reservation)
            # Before all else: what is stored need not find room or a name again.
            if uploads.is_key_used(connection, user, arrival.idempotency_key):
                raise RepeatedUploadError(arrival.idempotency_key or "")
            self.admission.check_room(
                connection,
                user,
                size=upload.size,
                drop=arrival.drop,
                now=now,
                is_here=True,
            )
            if arrival.is_new_name_required:
                uploads.require_new_name(connection, user, upload.name)
            uploads.add(connection, upload)
            if arrival.session_id is not None:
                upload_sessions.finish(connection, arrival.session_id, upload.id)
            if arrival.drop is not None:
                drops.count_upload(connection, arrival.drop)

    def _first(self, user: User, arrival: Arrival) -> Upload:
        key = arrival.idempotency_key or ""
        with self.database.read() as connection:
            first = uploads.by_idempotency_key(connection, user, key)
        if first is None:
            raise RepeatedUploadError(key)
        first.check_repeated(
            name=arrival.name.text,
            size=arrival.source.stat().st_size,
            sha256=arrival.sha256,
        )
        return first

    def give_back(self, reservation: str) -> None:
        """Count a reservation no longer, now or as soon as the catalog answers."""
        self.database.write_or_defer(
            lambda connection: uploads.release(connection, reservation)
        )


def _check_digest(arrival: Arrival) -> None:
    if arrival.sha256 is None:
        return
    with arrival.source.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").digest()
    if not hmac.compare_digest(found, arrival.sha256):
        raise DigestMismatchError
