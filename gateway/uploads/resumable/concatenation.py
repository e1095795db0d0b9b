"""tus concatenation: makes a final upload out of partial uploads."""

from __future__ import annotations

from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from gateway.catalog import upload_sessions, uploads
from gateway.errors import (
    NotServableError,
    RefusedError,
    UnfinishedPartError,
)
from gateway.uploads.resumable.protocol import PARTIAL
from gateway.uploads.resumable.sessions import PERMANENT_ERRORS

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from gateway.catalog.upload_sessions import UploadSession
    from gateway.storage.session_files import SessionFile
    from gateway.uploads.resumable.protocol import Creation
    from gateway.uploads.resumable.sender import Sender
    from gateway.uploads.resumable.sessions import Progress, UploadSessions


@dataclass(frozen=True)
class Concatenation:
    """Concatenates partial uploads into final uploads."""

    sessions: UploadSessions

    def concatenate(self, sender: Sender, creation: Creation, *, now: int) -> Progress:
        """Create the final upload from the partial uploads that *creation* names.

        The partial uploads are used up.  A repeated request, for example after a lost
        answer, returns the same upload.  Raise UnfinishedPartError if a partial upload
        is incomplete or used up, or an error of finalising.  After an error the partial
        uploads are kept, unless the final upload can never be accepted.
        """
        earlier = self._earlier(sender, creation, now)
        if earlier is not None:
            return self.sessions.progress(sender, earlier.id, now=now)
        with ExitStack() as held:
            # Lock in sorted order: requests for the same partial uploads can't
            # deadlock.
            locked = {
                partial_id: held.enter_context(
                    self.sessions.locked(sender, partial_id, now=now)
                )
                for partial_id in sorted(creation.partial_ids)
            }
            partials = [locked[partial_id] for partial_id in creation.partial_ids]
            for partial, file in partials:
                _check(partial, file)
            size = sum(file.size for _, file in partials)
            held.enter_context(self.sessions.finaliser.slots.hold(size))
            progress = self._create_final(sender, creation, partials, now)
            final = replace(
                progress.session, expires=self.sessions.expiry(sender, now=now)
            )
            self._use_up(partials, final)
        return replace(progress, session=final)

    def _earlier(
        self, sender: Sender, creation: Creation, now: int
    ) -> UploadSession | None:
        with self.sessions.database.read() as connection:
            session = upload_sessions.by_concat(
                connection, sender.user.id, creation.concat
            )
        if session is None or session.upload_id is None:
            return None
        try:
            return self.sessions.find(sender, session.id, now=now)
        except RefusedError:
            return None

    def _create_final(
        self,
        sender: Sender,
        creation: Creation,
        partials: list[tuple[UploadSession, SessionFile]],
        now: int,
    ) -> Progress:
        sessions = self.sessions
        with sessions.database.write() as connection:
            # Count the bytes only once, for the final upload.
            for partial, _ in partials:
                uploads.release(connection, partial.id)
            final = sessions.create(
                connection,
                sender,
                creation,
                size=sum(file.size for _, file in partials),
                now=now,
                is_url_known=False,
            )
        try:
            return self._copy(sender, final, [file for _, file in partials], now)
        except PERMANENT_ERRORS:
            # (!) Discard them: otherwise they could be copied again and again without
            #     ever becoming an upload.
            for partial, _ in partials:
                sessions.discard(partial)
            raise
        except Exception:
            self._reserve_again(sender, [partial for partial, _ in partials])
            raise

    def _copy(
        self, sender: Sender, final: UploadSession, files: list[SessionFile], now: int
    ) -> Progress:
        """Copy the partial uploads' *files* into the final upload, and finish it."""
        try:
            with self.sessions.locked(sender, final.id, now=now) as (session, target):
                for file in files:
                    target.append(file.path, is_whole=False)
                return self.sessions.finish_if_complete(
                    sender, session, target, now=now
                )
        except Exception:
            self.sessions.discard(final)
            raise

    def _reserve_again(self, sender: Sender, partials: list[UploadSession]) -> None:
        """Reserve space for partial uploads, now or as soon as the catalog answers.

        The reservations last until the partial uploads expire.
        """

        def reserve(connection: Connection) -> None:
            for partial in partials:
                current = upload_sessions.by_id(connection, partial.id)
                if current is None or current.upload_id is not None:
                    # Terminated or used up by another request.
                    continue
                uploads.reserve(
                    connection,
                    sender.user,
                    reservation=partial.id,
                    size=partial.size or 0,
                    expires=current.expires,
                    drop_id=partial.drop_id,
                    gateway=self.sessions.finaliser.admission.gateway,
                )

        self.sessions.database.write_or_defer(reserve)

    def _use_up(
        self, partials: list[tuple[UploadSession, SessionFile]], final: UploadSession
    ) -> None:
        """Record in the catalog that *final* has used up *partials*; delete files."""

        def finish(connection: Connection) -> None:
            for partial, _ in partials:
                uploads.release(connection, partial.id)
                upload_sessions.finish(connection, partial.id, final.upload_id or "")
            upload_sessions.change(connection, final.id, expires=final.expires)

        # The final upload is stored, even if this update fails.
        self.sessions.database.attempt(finish)
        for _, file in partials:
            with suppress(OSError):  # housekeeping deletes it
                file.remove()


def _check(partial: UploadSession, file: SessionFile) -> None:
    if partial.concat != PARTIAL:
        raise NotServableError("no-part")
    if partial.upload_id is not None or file.size != partial.size:
        raise UnfinishedPartError(partial.id)
