"""The chunks that a resumable upload comes in: admitted, appended, salvaged."""

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
    """Adds chunks to resumable uploads.

    When a method raises, the caller gives back the request's room and request_id.

    A ``request_id`` is the id of the request that brings a chunk.  The newest that was
    admitted has it: a client that comes back over another line need not wait
    until the gateway notices that the first one is dead.  When that one is over,
    or gunicorn has been started anew, nobody has it: then the offset decides.
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
        """Create an upload whose first bytes came with the request, perhaps none."""
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
                # With a body all of it was admitted, and later chunks will be.
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
            # Its client will never learn its URL.
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
        """Give a request its request_id before its body is read, or raise why not."""
        sessions = self.sessions
        with sessions.locked(sender, session_id, now=now) as (session, file):
            whole = _whole(session, chunk)
            _check(session, whole, chunk, file, length)
            if session.upload_id is not None:
                return
            end = chunk.offset + length
            expires = sessions.expiry(sender, now=now)
            upload_request = sessions.upload_request(
                sender,
                replace(session, size=end if whole is None else whole, expires=expires),
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
                    # Less than it was, if the disk has lost some.
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
        """Add the chunk that lies in *source*, and finish what is whole by it."""
        length = source.stat().st_size
        with (
            self.sessions.finaliser.slots.hold(length),
            self.sessions.locked(sender, session_id, now=now) as (session, file),
        ):
            whole = _whole(session, chunk)
            _check(session, whole, chunk, file, length)
            active = session.active_request
            if session.upload_id is None and active not in {request_id, ""}:
                raise LockedError
            if chunk.checksum is not None:
                chunk.checksum.check(source)
            if session.upload_id is not None:
                return self.sessions.finish_if_complete(sender, session, file, now=now)
            told = replace(session, size=whole)
            try:
                file.append(source, is_whole=chunk.checksum is not None)
            except NoSpaceError:
                self._sync(sender, told, file, now)
                raise
            return self._sync_and_finish(sender, told, file, now)

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
        """Keep what had come of a chunk when its connection was cut.

        Nothing is kept of one with a checksum, nor of one that has lost its request_id.
        """
        if source is None or chunk.checksum is not None:
            self.sessions.end_request(session_id, request_id)
            return
        self.append(sender, session_id, chunk, source, request_id=request_id, now=now)

    def _sync_and_finish(
        self, sender: Sender, session: UploadSession, file: SessionFile, now: int
    ) -> Progress:
        """Make what is there last, and finish what is whole by it."""
        noted = self._sync(sender, session, file, now)
        return self.sessions.finish_if_complete(sender, noted, file, now=now)

    def _sync(
        self, sender: Sender, session: UploadSession, file: SessionFile, now: int
    ) -> UploadSession:
        """Bring the bytes to the disk, and write down that they are there."""
        try:
            synced = file.sync()
        except (OSError, NoSpaceError):
            # (!) The kernel tells of lost bytes once: a second try would succeed.
            file.truncate_in_place(session.synced)
            raise
        noted = replace(
            session,
            active_request="",
            expires=self.sessions.expiry(sender, now=now),
            synced=synced,
        )
        with self.sessions.database.write() as connection:
            upload_sessions.change(
                connection,
                session.id,
                active_request=noted.active_request,
                size=noted.size,
                expires=noted.expires,
                synced=noted.synced,
            )
            uploads.extend(connection, session.id, expires=noted.expires)
        return noted


def _whole(session: UploadSession, chunk: Chunk) -> int | None:
    """Return the size of the whole, which a chunk may be the first to tell."""
    if session.size is not None and chunk.size not in {None, session.size}:
        raise BadUploadError("upload-length")
    return chunk.size if session.size is None else session.size


def _check(
    session: UploadSession,
    whole: int | None,
    chunk: Chunk,
    file: SessionFile,
    length: int,
) -> None:
    """Raise what is wrong with *length* bytes more at the chunk's offset."""
    if session.concat not in {"", PARTIAL}:
        raise NotPermittedError("final-upload")
    offset = file.size if session.upload_id is None else session.size or 0
    if chunk.offset != offset:
        raise WrongOffsetError(offset)
    if whole is not None and offset > whole:
        raise BadUploadError("upload-length")
    if whole is not None and offset + length > whole:
        raise TooLargeError(whole)
