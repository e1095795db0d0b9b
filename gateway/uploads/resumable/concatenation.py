"""Parts that came in parallel, put together into one upload."""

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
from gateway.uploads.resumable.sessions import HOPELESS

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from gateway.catalog.upload_sessions import UploadSession
    from gateway.storage.session_files import SessionFile
    from gateway.uploads.resumable.protocol import Creation
    from gateway.uploads.resumable.sender import Sender
    from gateway.uploads.resumable.sessions import Progress, UploadSessions


@dataclass(frozen=True)
class Concatenation:
    """Makes final uploads."""

    sessions: UploadSessions

    def make(self, sender: Sender, creation: Creation, *, now: int) -> Progress:
        """Make the final upload that *creation* names the parts of.

        The parts are used up by it.  Asked again, because the answer was lost,
        it is the same upload.  Raise UnfinishedPartError for a part that is not
        whole or used up, and what finalising raises.  Then the parts stay, unless
        what they make is never taken.
        """
        earlier = self._earlier(sender, creation, now)
        if earlier is not None:
            return self.sessions.look(sender, earlier.id, now=now)
        with ExitStack() as held:
            # In one order, so that two who want the same can't wait for each other.
            locked = {
                part: held.enter_context(self.sessions.held(sender, part, now=now))
                for part in sorted(creation.parts)
            }
            parts = [locked[part] for part in creation.parts]
            for part, file in parts:
                _check(part, file)
            size = sum(file.size for _, file in parts)
            held.enter_context(self.sessions.finaliser.ends.one(size))
            progress = self._put_together(sender, creation, parts, now)
            final = replace(
                progress.session, expires=self.sessions.end(sender, now=now)
            )
            self._use_up(parts, final)
        return replace(progress, session=final)

    def _earlier(
        self, sender: Sender, creation: Creation, now: int
    ) -> UploadSession | None:
        with self.sessions.database.read() as connection:
            found = upload_sessions.by_concat(
                connection, sender.user.id, creation.concat
            )
        if found is None or found.upload_id is None:
            return None
        try:
            return self.sessions.find(sender, found.id, now=now)
        except RefusedError:
            return None

    def _put_together(
        self,
        sender: Sender,
        creation: Creation,
        parts: list[tuple[UploadSession, SessionFile]],
        now: int,
    ) -> Progress:
        sessions = self.sessions
        with sessions.database.write() as connection:
            # Their bytes are counted once, as the final upload's.
            for part, _ in parts:
                uploads.release(connection, part.id)
            final = sessions.create(
                connection,
                sender,
                creation,
                size=sum(file.size for _, file in parts),
                now=now,
                is_known=False,
            )
        try:
            return self._fill(sender, final, [file for _, file in parts], now)
        except HOPELESS:
            # (!) Kept, they could be copied again and again, and never be an upload.
            for part, _ in parts:
                sessions.give_up(part)
            raise
        except Exception:
            self._reserve_again(sender, [part for part, _ in parts])
            raise

    def _fill(
        self, sender: Sender, final: UploadSession, files: list[SessionFile], now: int
    ) -> Progress:
        try:
            with self.sessions.held(sender, final.id, now=now) as (held, whole):
                for file in files:
                    whole.append(file.path, is_whole=False)
                return self.sessions.settle(sender, held, whole, now=now)
        except Exception:
            self.sessions.give_up(final)
            raise

    def _reserve_again(self, sender: Sender, parts: list[UploadSession]) -> None:
        """Count parts for as long as they are kept, now or when the catalog answers."""

        def reserve(connection: Connection) -> None:
            for part in parts:
                current = upload_sessions.by_id(connection, part.id)
                if current is None or current.upload_id is not None:
                    # It was ended or used up meanwhile.
                    continue
                uploads.reserve(
                    connection,
                    sender.user,
                    reservation=part.id,
                    size=part.size or 0,
                    expires=current.expires,
                    drop_id=part.drop_id,
                    gateway=self.sessions.finaliser.admission.gateway,
                )

        self.sessions.database.write_or_defer(reserve)

    def _use_up(
        self, parts: list[tuple[UploadSession, SessionFile]], final: UploadSession
    ) -> None:
        def finish(connection: Connection) -> None:
            for part, _ in parts:
                uploads.release(connection, part.id)
                upload_sessions.finish(connection, part.id, final.upload_id or "")
            upload_sessions.change(connection, final.id, expires=final.expires)

        # The final upload is stored, whatever is noted of its parts.
        self.sessions.database.attempt(finish)
        for _, file in parts:
            with suppress(OSError):  # housekeeping takes it
                file.remove()


def _check(part: UploadSession, file: SessionFile) -> None:
    if part.concat != PARTIAL:
        raise NotServableError("no-part")
    if part.upload_id is not None or file.size != part.size:
        raise UnfinishedPartError(part.id)
