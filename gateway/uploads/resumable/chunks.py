"""Chunks, the bodies of PATCH requests: admits and appends them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from gateway.catalog import upload_sessions, uploads
from gateway.errors import (
    BadUploadError,
    LockedError,
    NoSpaceError,
    NotPermittedError,
    TooLargeError,
    WrongOffsetError,
)
from gateway.uploads.resumable.protocol import PARTIAL
from gateway.uploads.upload_request import reserved_until

if TYPE_CHECKING:
    from pathlib import Path

    from gateway.catalog.upload_sessions import UploadSession
    from gateway.storage.session_files import SessionFile
    from gateway.uploads.resumable.protocol import Checksum, Chunk, Creation
    from gateway.uploads.resumable.sender import Sender
    from gateway.uploads.resumable.sessions import Progress, UploadSessions


@dataclass(frozen=True)
class Chunks:
    """Appends chunks to upload sessions.

    When a method raises, the caller releases the request's reservation and ends the
    active request.

    ``request_id`` is the id of the request that sends a chunk.  The request that was
    admitted last is the session's active request: a client that reconnects need not
    wait until the gateway notices that its first connection is dead.  After the active
    request has ended, or gunicorn was restarted, no request is active and the offset
    alone decides.
    """

    sessions: UploadSessions

    def create(
        self,
        sender: Sender,
        creation: Creation,
        source: Path,
        checksum: Checksum | None,
        *,
        request_id: str,
        now: int,
    ) -> Progress:
        """Create an upload session with the body *source*, which may be empty."""
        size = source.stat().st_size
        if creation.size is not None and size > creation.size:
            raise TooLargeError(creation.size)
        if checksum is not None:
            checksum.check(source)
        with self.sessions.database.write() as connection:
            uploads.release(connection, request_id)
            session = self.sessions.create(
                connection,
                sender,
                creation,
                size=creation.size,
                now=now,
                is_url_known=not size,
                # A POST with a body was admitted for the whole upload; each later
                # chunk is admitted separately.
                bytes_on_disk=(creation.size or 0) if size else 0,
            )
        try:
            with self.sessions.locked(sender, session.id, now=now) as (_, file):
                if not size:
                    return self.sessions.finish_if_complete(
                        sender, session, file, now=now
                    )
                file.append(source, is_whole=checksum is not None)
                return self._sync_and_finish(sender, session, file, now)
        except Exception:
            # The client never learns the session's URL.
            self.sessions.discard(session)
            raise

    def admit(
        self,
        sender: Sender,
        session_id: str,
        chunk: Chunk,
        *,
        length: int,
        request_id: str,
        now: int,
    ) -> None:
        """Make a request the session's active request, before its body is read.

        Raise the error that refuses the chunk, which has *length* bytes.
        """
        sessions = self.sessions
        with sessions.locked(sender, session_id, now=now) as (session, file):
            total = _total_size(session, chunk)
            _check(session, total, chunk, file, length)
            if session.upload_id is not None:
                return
            end = chunk.offset + length
            expires = sessions.expiry(sender, now=now)
            upload_request = sessions.upload_request(
                sender,
                replace(session, size=end if total is None else total, expires=expires),
                bytes_on_disk=chunk.offset,
            )
            admission = sessions.finaliser.admission
            with sessions.database.write() as connection:
                if session.size is None:
                    uploads.release(connection, session.id)
                    admission.admit(connection, sender.user, upload_request, now=now)
                else:
                    admission.admit_chunk(
                        connection, sender.user, upload_request, size=length, now=now
                    )
                upload_sessions.change(
                    connection,
                    session.id,
                    active_request=request_id,
                    active_request_expires=reserved_until(length, now=now),
                    expires=expires,
                    # Smaller than before if the disk has lost bytes.
                    synced=file.size,
                )

    def append(
        self,
        sender: Sender,
        session_id: str,
        chunk: Chunk,
        source: Path,
        *,
        request_id: str,
        now: int,
    ) -> Progress:
        """Append the chunk in the file *source*; finish the upload if it is complete.

        Raise LockedError if another request is the session's active request.
        """
        length = source.stat().st_size
        with (
            self.sessions.finaliser.slots.hold(length),
            self.sessions.locked(sender, session_id, now=now) as (session, file),
        ):
            total = _total_size(session, chunk)
            _check(session, total, chunk, file, length)
            active = session.active_request
            if session.upload_id is None and active not in {request_id, ""}:
                raise LockedError
            if chunk.checksum is not None:
                chunk.checksum.check(source)
            if session.upload_id is not None:
                return self.sessions.finish_if_complete(sender, session, file, now=now)
            sized = replace(session, size=total)
            try:
                file.append(source, is_whole=chunk.checksum is not None)
            except NoSpaceError:
                self._sync(sender, sized, file, now)
                raise
            return self._sync_and_finish(sender, sized, file, now)

    def keep_interrupted(
        self,
        sender: Sender,
        session_id: str,
        chunk: Chunk,
        source: Path | None,
        *,
        request_id: str,
        now: int,
    ) -> None:
        """Append the bytes of a chunk that were received before its connection broke.

        A chunk with a checksum is discarded.  Raise LockedError if another request is
        the session's active request.
        """
        if source is None or chunk.checksum is not None:
            self.sessions.end_request(session_id, request_id)
            return
        self.append(sender, session_id, chunk, source, request_id=request_id, now=now)

    def _sync_and_finish(
        self, sender: Sender, session: UploadSession, file: SessionFile, now: int
    ) -> Progress:
        """Sync the file; finish the upload if it is complete."""
        synced = self._sync(sender, session, file, now)
        return self.sessions.finish_if_complete(sender, synced, file, now=now)

    def _sync(
        self, sender: Sender, session: UploadSession, file: SessionFile, now: int
    ) -> UploadSession:
        """Sync the file, record its size in the catalog, and return the new session."""
        try:
            synced = file.sync()
        except (OSError, NoSpaceError):
            # (!) Drop the bytes: the kernel reports a failed write only once, and a
            #     second fsync would succeed.
            file.truncate_in_place(session.synced)
            raise
        changed = replace(
            session,
            active_request="",
            expires=self.sessions.expiry(sender, now=now),
            synced=synced,
        )
        with self.sessions.database.write() as connection:
            upload_sessions.change(
                connection,
                session.id,
                active_request=changed.active_request,
                size=changed.size,
                expires=changed.expires,
                synced=changed.synced,
            )
            uploads.extend(connection, session.id, expires=changed.expires)
        return changed


def _total_size(session: UploadSession, chunk: Chunk) -> int | None:
    """Return the upload's size in bytes; with a deferred length, the chunk may set it.

    Raise BadUploadError if the chunk's size is not the session's.
    """
    if session.size is not None and chunk.size not in {None, session.size}:
        raise BadUploadError("upload-length")
    return chunk.size if session.size is None else session.size


def _check(
    session: UploadSession,
    total: int | None,
    chunk: Chunk,
    file: SessionFile,
    length: int,
) -> None:
    """Raise an error unless *length* bytes fit at the chunk's offset.

    *total* is the upload's size in bytes, None if it is not known yet.
    """
    if session.concat not in {"", PARTIAL}:
        raise NotPermittedError("final-upload")
    offset = file.size if session.upload_id is None else session.size or 0
    if chunk.offset != offset:
        raise WrongOffsetError(offset)
    if total is not None and offset > total:
        raise BadUploadError("upload-length")
    if total is not None and offset + length > total:
        raise TooLargeError(total)
