"""Upload sessions, from creation to the finished upload, across any failure.

A session's row is in the catalog, its bytes are in the store's ``upload-sessions``;
its offset is the row's ``synced``.  Code that changes a session holds the lock on its
file and reads the row again under that lock.
"""

from __future__ import annotations

from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from gateway.catalog import upload_sessions, uploads
from gateway.catalog.upload_sessions import UploadSession
from gateway.errors import (
    DropOverError,
    NotPermittedError,
    NotServableError,
    OtherGatewayError,
    RefusedError,
    TooLargeError,
    TypeRefusedError,
    UploadSessionOverError,
)
from gateway.storage.blobs import is_id, new_id
from gateway.storage.names import DisplayName
from gateway.uploads.deletion import delete
from gateway.uploads.finalise import ReceivedFile
from gateway.uploads.resumable.protocol import PARTIAL
from gateway.uploads.upload_request import RESERVED_SECONDS, UploadRequest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection

    from gateway.catalog.database import Database
    from gateway.storage.media_types import MediaTypes
    from gateway.storage.session_files import SessionFile, SessionFiles
    from gateway.uploads.finalise import Finaliser
    from gateway.uploads.resumable.protocol import Creation
    from gateway.uploads.resumable.sender import Sender

#: Errors that no retry can resolve: the session is discarded with all of its bytes.
PERMANENT_ERRORS: Final = (TypeRefusedError, TooLargeError, DropOverError)


@dataclass(frozen=True)
class Progress:
    """An upload session, and the number of its stored bytes."""

    session: UploadSession
    offset: int


@dataclass(frozen=True)
class UploadSessions:
    """Creates, finds, finishes and terminates upload sessions.

    ``lifetime`` is the number of seconds that a session is kept after its last request.
    ``replica`` is this gateway's name.  If the gateways of the catalog do not share
    their store, a session is continued only by the gateway that created it.
    """

    database: Database
    files: SessionFiles
    finaliser: Finaliser
    types: MediaTypes
    lifetime: int
    replica: str = ""
    shares_store: bool = True

    def create(
        self,
        connection: Connection,
        sender: Sender,
        creation: Creation,
        *,
        size: int | None,
        now: int,
        is_url_known: bool = True,
        bytes_on_disk: int = 0,
    ) -> UploadSession:
        """Reserve space for an upload and insert its session, or raise an error.

        If the client does not know the URL yet, use a short expiry.  *bytes_on_disk*
        need no free disk space.  *connection* is in a write transaction.
        """
        expires = self.expiry(sender, now=now)
        session = UploadSession(
            id=new_id(),
            owner_id=sender.user.id,
            drop_id=sender.drop_id,
            name=creation.name.text,
            size=size,
            metadata=creation.metadata,
            concat=creation.concat,
            created=now,
            expires=expires if is_url_known else min(expires, now + RESERVED_SECONDS),
            replica=self.replica,
        )
        upload_request = self.upload_request(
            sender, session, is_named=creation.is_named, bytes_on_disk=bytes_on_disk
        )
        self.finaliser.admission.admit(connection, sender.user, upload_request, now=now)
        upload_sessions.add(connection, session)
        return session

    def expiry(self, sender: Sender, *, now: int) -> int:
        """Return when (Unix seconds) a session of *sender* expires if used *now*."""
        return sender.expiry(self.lifetime, now=now)

    def upload_request(
        self,
        sender: Sender,
        session: UploadSession,
        *,
        is_named: bool = True,
        bytes_on_disk: int = 0,
    ) -> UploadRequest:
        """Return the request to reserve space for *session*."""
        is_typed = is_named and session.concat != PARTIAL
        return UploadRequest(
            reservation=session.id,
            # A deferred length is sent with a chunk: admitting the chunk reserves it.
            size=session.size or 0,
            media_type=self.types.of(session.name) if is_typed else None,
            expires=session.expires,
            drop=sender.drop,
            bytes_on_disk=bytes_on_disk,
        )

    def find(self, sender: Sender, session_id: str, *, now: int) -> UploadSession:
        """Return a session of *sender*.

        Raise NotServableError if there is none, UploadSessionOverError if it has
        expired, OtherGatewayError if another gateway has its bytes.
        """
        if not is_id(session_id):
            raise NotServableError("no-upload")
        with self.database.read() as connection:
            session = upload_sessions.by_id(connection, session_id)
        if session is None:
            raise NotServableError("no-upload")
        if (session.owner_id, session.drop_id) != (sender.user.id, sender.drop_id):
            raise NotServableError("not-owner")
        if now >= session.expires:
            raise UploadSessionOverError(session.expires)
        # (!) Otherwise two gateways could each append to a file of their own.
        is_own = self.shares_store or session.replica in {None, self.replica}
        if not is_own and session.upload_id is None:
            raise OtherGatewayError(session.replica)
        return session

    @contextmanager
    def locked(
        self, sender: Sender, session_id: str, *, now: int, is_ending: bool = False
    ) -> Iterator[tuple[UploadSession, SessionFile]]:
        """Yield a session and its file, locked and truncated to the session's offset.

        If the session *is_ending*, the file is not truncated: that may need disk
        space.  Raise LockedError, NoSpaceError, and what ``find`` raises.
        """
        self.find(sender, session_id, now=now)
        with self.files.lock(session_id) as file:
            try:
                session = self.find(sender, session_id, now=now)
            except RefusedError:
                file.remove()
                raise
            if session.upload_id is not None:
                file.remove()
            elif not is_ending:
                file.truncate(session.synced)
            yield session, file

    def progress(self, sender: Sender, session_id: str, *, now: int) -> Progress:
        """Return a session's progress; finish the upload first if it is complete.

        So an upload is not lost if its last request fails after the last byte and
        before the answer.  Bytes that another request is appending count once they are
        synced.
        (!) Take no lock for an incomplete upload: the request that appends to it would
            be refused.  Raise LockedError if the upload is being finished.
        """
        session = self.find(sender, session_id, now=now)
        if session.upload_id is not None:
            return _finished(session)
        is_whole = session.concat != PARTIAL and session.synced == session.size
        if not is_whole and self.files.size(session_id) >= session.synced:
            return Progress(session, session.synced)
        with self.locked(sender, session_id, now=now) as (session, file):
            return self.finish_if_complete(sender, session, file, now=now)

    def finish_if_complete(
        self, sender: Sender, session: UploadSession, file: SessionFile, *, now: int
    ) -> Progress:
        """Finalise *session* if all of its bytes are stored; return its progress.

        Raise what finalising raises.  Then nothing has changed and the client can
        retry, except after PERMANENT_ERRORS, which discard the session.
        """
        if session.upload_id is not None:
            return _finished(session)
        if session.concat == PARTIAL or file.size != session.size:
            return Progress(session, file.size)
        received = ReceivedFile(
            source=file.path,
            name=DisplayName(session.name),
            reservation=session.id,
            drop=sender.drop,
            idempotency_key=f"tus:{session.id}",
            session_id=session.id,
        )
        try:
            upload = self.finaliser.finalise(sender.user, received, now=now)
        except PERMANENT_ERRORS:
            self.discard(session)
            raise
        with suppress(OSError):  # the upload is stored; housekeeping deletes the file
            file.remove()
        return _finished(replace(session, upload_id=upload.id, active_request=""))

    def terminate(self, sender: Sender, session_id: str, *, now: int) -> None:
        """Delete a session and release its reservation; delete a finished upload.

        The sender of a drop link must not delete a finished upload, which belongs to
        the link's maker: raise NotPermittedError.
        """
        with self.locked(sender, session_id, now=now, is_ending=True) as (session, _):
            is_stored = session.upload_id is not None and session.concat != PARTIAL
            if is_stored and sender.drop is not None:
                raise NotPermittedError("finished")
            self.remove(session, may_use_reserve=True)
        if is_stored:
            delete(self.database, self.finaliser.blobs, session.upload_id or "")

    def remove(self, session: UploadSession, *, may_use_reserve: bool = False) -> None:
        """Delete a session: first its row, then its file."""
        with self.database.write(may_use_reserve=may_use_reserve) as connection:
            _delete(connection, session)
        self.files.path(session.id).unlink(missing_ok=True)

    def discard(self, session: UploadSession) -> None:
        """Delete a session that can't be finished, even if the catalog is unavailable.

        The row is then deleted later.
        """
        self.database.write_or_defer(lambda connection: _delete(connection, session))
        # The row may outlive the file: no client uses this session any more.
        self.files.path(session.id).unlink(missing_ok=True)

    def end_request(self, session_id: str, request_id: str) -> None:
        """End the session's active request, if it is *request_id*.

        Do so now, or as soon as the catalog answers.
        """
        self.database.write_or_defer(
            lambda connection: upload_sessions.end_request(
                connection, session_id, request_id
            )
        )


def _delete(connection: Connection, session: UploadSession) -> None:
    upload_sessions.remove(connection, session.id)
    uploads.release(connection, session.id)


def _finished(session: UploadSession) -> Progress:
    return Progress(session, session.size or 0)
