"""Resumable uploads from their creation to their end, whatever breaks between.

The session's row is in the catalog, its bytes are in the store's ``upload-sessions``;
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
    RefusedError,
    TooLargeError,
    TypeRefusedError,
    UploadSessionOverError,
)
from gateway.storage.blobs import is_id, new_id
from gateway.storage.names import DisplayName
from gateway.uploads.deletion import delete
from gateway.uploads.finalise import Arrival
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

#: What no later try can mend: such an upload is given up with all of its bytes.
HOPELESS: Final = (TypeRefusedError, TooLargeError, DropOverError)


@dataclass(frozen=True)
class Progress:
    """How far an upload has come, in bytes."""

    session: UploadSession
    offset: int


@dataclass(frozen=True)
class UploadSessions:
    """Creates, finds, finishes and ends resumable uploads.

    ``life`` is for how many seconds one is kept after it was last heard of.
    """

    database: Database
    files: SessionFiles
    finaliser: Finaliser
    types: MediaTypes
    life: int

    def create(
        self,
        connection: Connection,
        sender: Sender,
        creation: Creation,
        *,
        size: int | None,
        now: int,
        is_known: bool = True,
        here: int = 0,
    ) -> UploadSession:
        """Reserve room for an upload and write it down, or raise why not.

        One that is not *is_known* to its client before more is done ends soon,
        unless it is heard of.  *here* bytes need no room on the disk any more.
        *connection* is in a write transaction.
        """
        end = self.end(sender, now=now)
        session = UploadSession(
            id=new_id(),
            owner_id=sender.user.id,
            drop_id=sender.drop_id,
            name=creation.name.text,
            size=size,
            metadata=creation.metadata,
            concat=creation.concat,
            created=now,
            expires=end if is_known else min(end, now + RESERVED_SECONDS),
        )
        coming = self.upload_request(
            sender, session, is_named=creation.is_named, here=here
        )
        self.finaliser.admission.admit(connection, sender.user, coming, now=now)
        upload_sessions.add(connection, session)
        return session

    def end(self, sender: Sender, *, now: int) -> int:
        """Return until when an upload of theirs that was heard of now is kept."""
        return sender.end(self.life, now=now)

    def upload_request(
        self,
        sender: Sender,
        session: UploadSession,
        *,
        is_named: bool = True,
        here: int = 0,
    ) -> UploadRequest:
        """Return what is to be reserved for *session*."""
        is_typed = is_named and session.concat != PARTIAL
        return UploadRequest(
            reservation=session.id,
            # What is to be told later comes with a chunk, which is admitted then.
            size=session.size or 0,
            media_type=self.types.of(session.name) if is_typed else None,
            expires=session.expires,
            drop=sender.drop,
            here=here,
        )

    def find(self, sender: Sender, session_id: str, *, now: int) -> UploadSession:
        """Return a session of *sender*.

        Raise NotServableError if there is none, UploadSessionOverError if it is over.
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
        return session

    @contextmanager
    def held(
        self, sender: Sender, session_id: str, *, now: int, is_over: bool = False
    ) -> Iterator[tuple[UploadSession, SessionFile]]:
        """Give the upload as it stands, with its file locked and cut to its offset.

        The file of one that *is_over* stays as it is: cutting may need room.
        Raise LockedError, NoSpaceError, and what ``find`` raises.
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
            elif not is_over:
                file.keep(session.synced)
            yield session, file

    def look(self, sender: Sender, session_id: str, *, now: int) -> Progress:
        """Return how far an upload is; one that is whole is finished first.

        So an upload whose last request died between its last byte and its
        answer is not lost.  Another request may be at work on the upload: until
        its bytes are on the disk they don't count.
        (!) No lock is taken for that: the request that brings the bytes would be
            refused.  Raise LockedError if the upload is just being finished.
        """
        session = self.find(sender, session_id, now=now)
        if session.upload_id is not None:
            return _finished(session)
        is_whole = session.concat != PARTIAL and session.synced == session.size
        if not is_whole and self.files.size(session_id) >= session.synced:
            return Progress(session, session.synced)
        with self.held(sender, session_id, now=now) as (session, file):
            return self.settle(sender, session, file, now=now)

    def settle(
        self, sender: Sender, session: UploadSession, file: SessionFile, *, now: int
    ) -> Progress:
        """Make an upload of *session* if all of it is there; return how far it is.

        Raise what finalising raises.  Then nothing has changed and it can be
        tried again, unless that is hopeless: such a one is removed.
        """
        if session.upload_id is not None:
            return _finished(session)
        if session.concat == PARTIAL or file.size != session.size:
            return Progress(session, file.size)
        arrival = Arrival(
            source=file.path,
            name=DisplayName(session.name),
            reservation=session.id,
            drop=sender.drop,
            idempotency_key=f"tus:{session.id}",
            session_id=session.id,
        )
        try:
            upload = self.finaliser.finalise(sender.user, arrival, now=now)
        except HOPELESS:
            self.give_up(session)
            raise
        with suppress(OSError):  # stored all the same: housekeeping takes the rest
            file.remove()
        return _finished(replace(session, upload_id=upload.id, active_request=""))

    def terminate(self, sender: Sender, session_id: str, *, now: int) -> None:
        """End an upload and give back its room; a finished one is deleted.

        Who came by a drop link can't take back what its maker has: that raises
        NotPermittedError.
        """
        with self.held(sender, session_id, now=now, is_over=True) as (session, _):
            is_stored = session.upload_id is not None and session.concat != PARTIAL
            if is_stored and sender.drop is not None:
                raise NotPermittedError("finished")
            self.forget(session, may_use_reserve=True)
        if is_stored:
            delete(self.database, self.finaliser.store, session.upload_id or "")

    def forget(self, session: UploadSession, *, may_use_reserve: bool = False) -> None:
        """Strike an unfinished upload out, row first."""
        with self.database.write(may_use_reserve=may_use_reserve) as connection:
            _delete(connection, session)
        self.files.path(session.id).unlink(missing_ok=True)

    def give_up(self, session: UploadSession) -> None:
        """Forget an upload that nobody can finish, now or as soon as can be."""
        self.database.write_or_defer(lambda connection: _delete(connection, session))
        # Without its file a row promises nothing: no client will ask for it.
        self.files.path(session.id).unlink(missing_ok=True)

    def end_request(self, session_id: str, request_id: str) -> None:
        """Note that a request has come to nothing, now or when the catalog answers."""
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
