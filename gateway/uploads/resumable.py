"""Resumable uploads from their creation to their end, whatever breaks between.

The row is in the catalog, the bytes are in the store's ``partials``; what the row
says is synced is the offset.  Everything that changes one holds its file's lock
and reads the row again under it.
"""

from __future__ import annotations

from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from gateway.catalog import partials
from gateway.catalog import uploads as catalog
from gateway.catalog.partials import Partial
from gateway.errors import (
    DropOverError,
    NotPermittedError,
    NotServableError,
    PartialOverError,
    RefusedError,
    TooLargeError,
    TypeRefusedError,
)
from gateway.storage.blobs import is_id, new_id
from gateway.storage.names import DisplayName
from gateway.uploads.announcement import RESERVED_SECONDS, Announcement
from gateway.uploads.deletion import delete
from gateway.uploads.finalise import Arrival
from gateway.uploads.tus import PARTIAL

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection

    from gateway.catalog.database import Database
    from gateway.storage.media_types import MediaTypes
    from gateway.storage.partials import PartialFile, PartialFiles
    from gateway.uploads.finalise import Finaliser
    from gateway.uploads.sender import Sender
    from gateway.uploads.tus import Creation

#: What no later try can mend: such an upload is given up with all of its bytes.
HOPELESS: Final = (TypeRefusedError, TooLargeError, DropOverError)


@dataclass(frozen=True)
class Progress:
    """How far an upload has come, in bytes."""

    partial: Partial
    offset: int


@dataclass(frozen=True)
class Resumables:
    """Creates, finds, finishes and ends resumable uploads.

    ``life`` is for how many seconds one is kept after it was last heard of.
    """

    database: Database
    files: PartialFiles
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
    ) -> Partial:
        """Reserve room for an upload and write it down, or raise why not.

        One that is not *is_known* to its client before more is done ends soon,
        unless it is heard of.  *here* bytes need no room on the disk any more.
        *connection* is in a write transaction.
        """
        end = self.end(sender, now=now)
        partial = Partial(
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
        coming = self.announcement(
            sender, partial, is_named=creation.is_named, here=here
        )
        self.finaliser.admission.admit(connection, sender.user, coming, now=now)
        partials.add(connection, partial)
        return partial

    def end(self, sender: Sender, *, now: int) -> int:
        """Return until when an upload of theirs that was heard of now is kept."""
        return sender.end(self.life, now=now)

    def announcement(
        self,
        sender: Sender,
        partial: Partial,
        *,
        is_named: bool = True,
        here: int = 0,
    ) -> Announcement:
        """Return what is to be reserved for *partial*."""
        is_typed = is_named and partial.concat != PARTIAL
        return Announcement(
            reservation=partial.id,
            # What is to be told later comes with a piece, which is admitted then.
            size=partial.size or 0,
            media_type=self.types.of(partial.name) if is_typed else None,
            expires=partial.expires,
            drop=sender.drop,
            here=here,
        )

    def find(self, sender: Sender, partial_id: str, *, now: int) -> Partial:
        """Return the sender's upload; raise NotServableError or PartialOverError."""
        if not is_id(partial_id):
            raise NotServableError("no-upload")
        with self.database.read() as connection:
            partial = partials.by_id(connection, partial_id)
        if partial is None:
            raise NotServableError("no-upload")
        if (partial.owner_id, partial.drop_id) != (sender.user.id, sender.drop_id):
            raise NotServableError("not-owner")
        if now >= partial.expires:
            raise PartialOverError(partial.expires)
        return partial

    @contextmanager
    def held(
        self, sender: Sender, partial_id: str, *, now: int, is_over: bool = False
    ) -> Iterator[tuple[Partial, PartialFile]]:
        """Give the upload as it stands, with its file locked and cut to its offset.

        The file of one that *is_over* stays as it is: cutting may need room.
        Raise LockedError, NoSpaceError, and what ``find`` raises.
        """
        self.find(sender, partial_id, now=now)
        with self.files.lock(partial_id) as file:
            try:
                partial = self.find(sender, partial_id, now=now)
            except RefusedError:
                file.remove()
                raise
            if partial.upload_id is not None:
                file.remove()
            elif not is_over:
                file.keep(partial.synced)
            yield partial, file

    def look(self, sender: Sender, partial_id: str, *, now: int) -> Progress:
        """Return how far an upload is; one that is whole is finished first.

        So an upload whose last request died between its last byte and its
        answer is not lost.  Another request may be at work on the upload: until
        its bytes are on the disk they don't count.
        (!) No lock is taken for that: the request that brings the bytes would be
            refused.  Raise LockedError if the upload is just being finished.
        """
        partial = self.find(sender, partial_id, now=now)
        if partial.upload_id is not None:
            return _finished(partial)
        is_whole = partial.concat != PARTIAL and partial.synced == partial.size
        if not is_whole and self.files.size(partial_id) >= partial.synced:
            return Progress(partial, partial.synced)
        with self.held(sender, partial_id, now=now) as (partial, file):
            return self.settle(sender, partial, file, now=now)

    def settle(
        self, sender: Sender, partial: Partial, file: PartialFile, *, now: int
    ) -> Progress:
        """Make an upload of *partial* if all of it is there; return how far it is.

        Raise what finalising raises.  Then nothing has changed and it can be
        tried again, unless that is hopeless: such a one is removed.
        """
        if partial.upload_id is not None:
            return _finished(partial)
        if partial.concat == PARTIAL or file.size != partial.size:
            return Progress(partial, file.size)
        arrival = Arrival(
            source=file.path,
            name=DisplayName(partial.name),
            reservation=partial.id,
            drop=sender.drop,
            idempotency_key=f"tus:{partial.id}",
            partial_id=partial.id,
        )
        try:
            upload = self.finaliser.finalise(sender.user, arrival, now=now)
        except HOPELESS:
            self.give_up(partial)
            raise
        with suppress(OSError):  # stored all the same: housekeeping takes the rest
            file.remove()
        return _finished(replace(partial, upload_id=upload.id, turn=""))

    def terminate(self, sender: Sender, partial_id: str, *, now: int) -> None:
        """End an upload and give back its room; a finished one is deleted.

        Who came by a drop link can't take back what its maker has: that raises
        NotPermittedError.
        """
        with self.held(sender, partial_id, now=now, is_over=True) as (partial, _):
            is_stored = partial.upload_id is not None and partial.concat != PARTIAL
            if is_stored and sender.drop is not None:
                raise NotPermittedError("finished")
            self.forget(partial, may_use_reserve=True)
        if is_stored:
            delete(self.database, self.finaliser.store, partial.upload_id or "")

    def forget(self, partial: Partial, *, may_use_reserve: bool = False) -> None:
        """Strike an unfinished upload out, row first."""
        with self.database.write(may_use_reserve=may_use_reserve) as connection:
            _strike_out(connection, partial)
        self.files.path(partial.id).unlink(missing_ok=True)

    def give_up(self, partial: Partial) -> None:
        """Forget an upload that nobody can finish, now or as soon as can be."""
        self.database.make_sure(lambda connection: _strike_out(connection, partial))
        # Without its file a row promises nothing: no client will ask for it.
        self.files.path(partial.id).unlink(missing_ok=True)

    def end_turn(self, partial_id: str, turn: str) -> None:
        """Note that a request has come to nothing, now or when the catalog answers."""
        self.database.make_sure(
            lambda connection: partials.end_turn(connection, partial_id, turn)
        )


def _strike_out(connection: Connection, partial: Partial) -> None:
    partials.remove(connection, partial.id)
    catalog.release(connection, partial.id)


def _finished(partial: Partial) -> Progress:
    return Progress(partial, partial.size or 0)
