"""Finalising: turns a received file into a blob and a row, or leaves nothing.

The blob's content and name are synced before the row is committed, and the row is
committed before the client gets its answer.  So every acknowledged upload survives a
power cut, and an unacknowledged upload leaves at most a blob that housekeeping finds.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from gateway.catalog import drops, upload_sessions, uploads
from gateway.errors import (
    BucketBusyError,
    DigestMismatchError,
    RefusedError,
    RepeatedUploadError,
)
from gateway.storage.blobs import blob_name, new_id, upload_of
from gateway.uploads.content import decide

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from gateway.catalog.database import Database
    from gateway.catalog.drops import Drop
    from gateway.catalog.uploads import Upload
    from gateway.catalog.users import User
    from gateway.storage.blobs import Blobs, BlobStore
    from gateway.storage.bucket_blobs import BucketBlobs
    from gateway.storage.content import BucketPut, PutAnswer
    from gateway.storage.media_types import MediaTypes
    from gateway.storage.names import DisplayName
    from gateway.uploads.admission import Admission
    from gateway.uploads.finalise_slots import FinaliseSlots


#: Seconds after which an object may have been taken for an orphan: half the age of an
#: orphan (``maintenance/orphans.py``), since the bucket's clock may differ.
_LONG: Final = 1800
#: Statuses of a bucket's answer to a PUT, after which the client's digest may be wrong.
_ABOUT_CONTENT: Final = frozenset({HTTPStatus.OK, HTTPStatus.BAD_REQUEST})
#: The largest body of one PUT to a bucket, in bytes.
#: https://docs.aws.amazon.com/AmazonS3/latest/userguide/upload-objects.html
LARGEST_PUT: Final = 5 * 2**30


@dataclass(frozen=True, kw_only=True)
class ReceivedFile:
    """A file that was received completely, with the client's information about it.

    ``source`` is its path, ``drop`` the drop link that it was uploaded to, ``sha256``
    the digest that the client sent.  ``session_id`` is its upload session, which keeps
    its reservation if the file can't be stored.  ``put_answer`` is the bucket's answer
    to nginx, which has sent the file; None if the file is still to be stored.
    """

    source: Path
    name: DisplayName
    reservation: str
    drop: Drop | None = None
    sha256: bytes | None = None
    idempotency_key: str | None = None
    is_new_name_required: bool = False
    session_id: str | None = None
    put_answer: PutAnswer | None = None


@dataclass(frozen=True)
class Finaliser:
    """Stores received files as uploads, for ``retention`` seconds; 0 means for ever.

    The caller of ``finalise`` holds one of the ``slots`` meanwhile.  ``bucket`` is
    ``blobs`` if they are in a bucket.  ``note`` is called with each new upload.
    ``clock`` returns the time of the files.
    """

    database: Database
    store: BlobStore
    blobs: Blobs
    admission: Admission
    types: MediaTypes
    slots: FinaliseSlots
    clock: Callable[[], float]
    retention: int = 0
    bucket: BucketBlobs | None = None
    note: Callable[[Upload], object] = id

    def finalise(self, user: User, received: ReceivedFile, *, now: int) -> Upload:
        """Store a received file durably and return its upload; the source stays.

        If the idempotency key was used before, nothing is stored and the first upload
        is returned; RepeatedUploadError is raised if that is a different file.  On an
        UploadError or CatalogBusyError, nothing is left behind.
        """
        try:
            upload = self._store(user, received, now)
        except RepeatedUploadError:
            self.release(received.reservation)
            return self._earlier_upload(user, received)
        except RefusedError:
            if received.session_id is None:
                self.release(received.reservation)
            raise
        self.note(upload)
        return upload

    def order(self, received: ReceivedFile, *, now: int) -> BucketPut | None:
        """Return what nginx is to store in the bucket before the file is finalised.

        Return None if ``finalise`` stores the file itself: on disk, or in parts.  Raise
        TypeRefusedError if its type is refused.

        If the bucket can't verify the client's digest, it is computed.  Then raise
        DigestMismatchError for another one, or NoFinaliseSlotError without a slot.
        """
        size = received.source.stat().st_size
        if self.bucket is None or not 0 < size <= LARGEST_PUT:
            return None
        blob = blob_name(new_id(), self._type(received)[1])
        if self.bucket.can_verify:
            return self.bucket.sign_put(blob, received.sha256, now=now)
        if received.sha256 is not None:
            # Without a digest nothing is read, and no slot is needed.
            with self.slots.hold(size):
                _check_digest(received)
        return self.bucket.sign_put(blob, None, now=now)

    def _type(self, received: ReceivedFile) -> tuple[str, str]:
        """Return a file's media type and suffix; raise TypeRefusedError."""
        media_type, suffix = decide(received.name, received.source, self.types)
        self.admission.check_type(media_type, received.drop)
        return media_type, suffix

    def _blob(self, received: ReceivedFile, suffix: str) -> tuple[str, str]:
        """Return the upload's id and its blob, which is stored by then."""
        if received.put_answer is not None:
            self._require_stored(received, received.put_answer)
            return upload_of(received.put_answer.blob), received.put_answer.blob
        _check_digest(received)
        upload_id = new_id()
        return upload_id, self.blobs.adopt(received.source, upload_id, suffix)

    def _require_stored(self, received: ReceivedFile, answer: PutAnswer) -> None:
        """Raise an error unless the bucket has stored the file with its digest.

        It is DigestMismatchError if the content does not match the client's digest,
        else BucketBusyError.
        """
        # (!) S3 answers 400 to a wrong digest, but also to a slow sender, an expired
        #     token and a wrong region, which are not the client's fault.
        # https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
        # (!) A server that has verified a digest repeats it in its answer.  Others may
        #     ignore it.
        # https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html
        if (
            self._is_verified_by_bucket
            and answer.status in _ABOUT_CONTENT
            and answer.sha256 != received.sha256
        ):
            _check_digest(received)
        if not answer.is_stored:
            raise BucketBusyError(f"the bucket's answer to a PUT is {answer.status}")

    @property
    def _is_verified_by_bucket(self) -> bool:
        """Whether digests are verified by the bucket, not by ``order``."""
        return self.bucket is not None and self.bucket.can_verify

    def _store(self, user: User, received: ReceivedFile, now: int) -> Upload:
        media_type, suffix = self._type(received)
        upload_id, blob = self._blob(received, suffix)
        upload = uploads.Upload(
            id=upload_id,
            owner_id=user.id,
            name=received.name.text,
            size=received.source.stat().st_size,
            media_type=media_type,
            blob=blob,
            sha256=received.sha256,
            created=now,
            drop_id=received.drop.id if received.drop else None,
            delete_after=now + self.retention if self.retention else None,
            idempotency_key=received.idempotency_key,
        )
        try:
            self._insert(user, received, upload, now)
        except RefusedError:
            self.blobs.discard(upload.blob)
            raise
        return upload

    def _insert(
        self, user: User, received: ReceivedFile, upload: Upload, now: int
    ) -> None:
        with self.database.write() as connection:
            uploads.release(connection, received.reservation)
            # Before the limits: a repeated upload needs no space and no free name.
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
                drops.count_upload(connection, received.drop)
            self._require_object(received, upload)

    def _require_object(self, received: ReceivedFile, upload: Upload) -> None:
        """Raise BucketBusyError if housekeeping has deleted the object of an upload.

        (!) Called in the transaction that records the upload: until the commit no
            orphan is deleted, and afterwards the object is none.
        """
        # The file was complete before its object was stored.
        age = self.clock() - received.source.stat().st_mtime
        if self.blobs.has_trash or age < _LONG:
            return
        try:
            self.blobs.size(upload.blob)
        except FileNotFoundError:
            where = self.blobs.where(upload.blob)
            raise BucketBusyError(f"{where} was deleted while it was stored") from None

    def _earlier_upload(self, user: User, received: ReceivedFile) -> Upload:
        """Return the upload that *user* has made with the same idempotency key."""
        key = received.idempotency_key or ""
        with self.database.read() as connection:
            earlier = uploads.by_idempotency_key(connection, user, key)
        if earlier is None:
            raise RepeatedUploadError(key)
        earlier.check_repeated(
            name=received.name.text,
            size=received.source.stat().st_size,
            sha256=received.sha256,
        )
        return earlier

    def release(self, reservation: str) -> None:
        """Release a reservation, now or as soon as the catalog answers."""
        self.database.write_or_defer(
            lambda connection: uploads.release(connection, reservation)
        )


def _check_digest(received: ReceivedFile) -> None:
    if received.sha256 is None:
        return
    with received.source.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").digest()
    if not hmac.compare_digest(sha256, received.sha256):
        raise DigestMismatchError
