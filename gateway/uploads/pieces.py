"""The pieces that a resumable upload comes in: admitted, appended, salvaged."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from gateway.catalog import partials
from gateway.catalog import uploads as catalog
from gateway.errors import (
    BadUploadError,
    LockedError,
    NoSpaceError,
    NotPermittedError,
    TooLargeError,
    WrongOffsetError,
)
from gateway.uploads.announcement import reserved_until
from gateway.uploads.tus import PARTIAL

if TYPE_CHECKING:
    from pathlib import Path

    from gateway.catalog.partials import Partial
    from gateway.storage.partials import PartialFile
    from gateway.uploads.resumable import Progress, Resumables
    from gateway.uploads.sender import Sender
    from gateway.uploads.tus import Checksum, Creation, Piece


@dataclass(frozen=True)
class Pieces:
    """Adds pieces to resumable uploads.

    When a method raises, the caller gives back the request's room and turn.

    A ``turn`` is the id of the request that brings a piece.  The newest that was
    admitted has it: a client that comes back over another line need not wait
    until the gateway notices that the first one is dead.  When that one is over,
    or gunicorn has been started anew, nobody has it: then the offset decides.
    """

    resumables: Resumables

    def begin(
        self,
        sender: Sender,
        creation: Creation,
        source: Path,
        checksum: Checksum | None,
        *,
        turn: str,
        now: int,
    ) -> Progress:
        """Create an upload whose first bytes came with the request, perhaps none."""
        size = source.stat().st_size
        if creation.size is not None and size > creation.size:
            raise TooLargeError(creation.size)
        if checksum is not None:
            checksum.check(source)
        with self.resumables.database.write() as connection:
            catalog.release(connection, turn)
            partial = self.resumables.create(
                connection,
                sender,
                creation,
                size=creation.size,
                now=now,
                is_known=not size,
                # With a body all of it was admitted, and later pieces will be.
                here=(creation.size or 0) if size else 0,
            )
        try:
            with self.resumables.held(sender, partial.id, now=now) as (_, file):
                if not size:
                    return self.resumables.settle(sender, partial, file, now=now)
                file.append(source, is_whole=checksum is not None)
                return self._settle(sender, partial, file, now)
        except Exception:
            # Its client will never learn its URL.
            self.resumables.give_up(partial)
            raise

    def admit(
        self,
        sender: Sender,
        partial_id: str,
        piece: Piece,
        *,
        length: int,
        turn: str,
        now: int,
    ) -> None:
        """Give a request its turn before its body is read, or raise why not."""
        resumables = self.resumables
        with resumables.held(sender, partial_id, now=now) as (partial, file):
            whole = _whole(partial, piece)
            _check(partial, whole, piece, file, length)
            if partial.upload_id is not None:
                return
            end = piece.offset + length
            expires = resumables.end(sender, now=now)
            coming = resumables.announcement(
                sender,
                replace(partial, size=end if whole is None else whole, expires=expires),
                here=piece.offset,
            )
            admission = resumables.finaliser.admission
            with resumables.database.write() as connection:
                if partial.size is None:
                    catalog.release(connection, partial.id)
                    admission.admit(connection, sender.user, coming, now=now)
                else:
                    admission.admit_piece(
                        connection, sender.user, coming, size=length, now=now
                    )
                partials.change(
                    connection,
                    partial.id,
                    turn=turn,
                    turn_expires=reserved_until(length, now=now),
                    expires=expires,
                    # Less than it was, if the disk has lost some.
                    synced=file.size,
                )

    def append(
        self,
        sender: Sender,
        partial_id: str,
        piece: Piece,
        source: Path,
        *,
        turn: str,
        now: int,
    ) -> Progress:
        """Add the piece that lies in *source*, and finish what is whole by it."""
        length = source.stat().st_size
        with (
            self.resumables.finaliser.ends.one(length),
            self.resumables.held(sender, partial_id, now=now) as (partial, file),
        ):
            whole = _whole(partial, piece)
            _check(partial, whole, piece, file, length)
            if partial.upload_id is None and partial.turn not in {turn, ""}:
                raise LockedError
            if piece.checksum is not None:
                piece.checksum.check(source)
            if partial.upload_id is not None:
                return self.resumables.settle(sender, partial, file, now=now)
            told = replace(partial, size=whole)
            try:
                file.append(source, is_whole=piece.checksum is not None)
            except NoSpaceError:
                self._note(sender, told, file, now)
                raise
            return self._settle(sender, told, file, now)

    def salvage(
        self,
        sender: Sender,
        partial_id: str,
        piece: Piece,
        source: Path | None,
        *,
        turn: str,
        now: int,
    ) -> None:
        """Keep what had come of a piece when its connection was cut.

        Nothing is kept of one with a checksum, nor of one that has lost its turn.
        """
        if source is None or piece.checksum is not None:
            self.resumables.end_turn(partial_id, turn)
            return
        self.append(sender, partial_id, piece, source, turn=turn, now=now)

    def _settle(
        self, sender: Sender, partial: Partial, file: PartialFile, now: int
    ) -> Progress:
        """Make what is there last, and finish what is whole by it."""
        noted = self._note(sender, partial, file, now)
        return self.resumables.settle(sender, noted, file, now=now)

    def _note(
        self, sender: Sender, partial: Partial, file: PartialFile, now: int
    ) -> Partial:
        """Bring the bytes to the disk, and write down that they are there."""
        try:
            synced = file.sync()
        except (OSError, NoSpaceError):
            # (!) The kernel tells of lost bytes once: a second try would succeed.
            file.drop(partial.synced)
            raise
        noted = replace(
            partial,
            turn="",
            expires=self.resumables.end(sender, now=now),
            synced=synced,
        )
        with self.resumables.database.write() as connection:
            partials.change(
                connection,
                partial.id,
                turn=noted.turn,
                size=noted.size,
                expires=noted.expires,
                synced=noted.synced,
            )
            catalog.extend(connection, partial.id, expires=noted.expires)
        return noted


def _whole(partial: Partial, piece: Piece) -> int | None:
    """Return the size of the whole, which a piece may be the first to tell."""
    if partial.size is not None and piece.size not in {None, partial.size}:
        raise BadUploadError("upload-length")
    return piece.size if partial.size is None else partial.size


def _check(
    partial: Partial, whole: int | None, piece: Piece, file: PartialFile, length: int
) -> None:
    """Raise what is wrong with *length* bytes more at the piece's offset."""
    if partial.concat not in {"", PARTIAL}:
        raise NotPermittedError("final-upload")
    offset = file.size if partial.upload_id is None else partial.size or 0
    if piece.offset != offset:
        raise WrongOffsetError(offset)
    if whole is not None and offset > whole:
        raise BadUploadError("upload-length")
    if whole is not None and offset + length > whole:
        raise TooLargeError(whole)
