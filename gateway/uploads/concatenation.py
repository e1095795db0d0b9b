"""Parts that came in parallel, put together into one upload."""

from __future__ import annotations

from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from gateway.catalog import partials
from gateway.catalog import uploads as catalog
from gateway.errors import (
    NotServableError,
    RefusedError,
    UnfinishedPartError,
)
from gateway.uploads.resumable import HOPELESS
from gateway.uploads.tus import PARTIAL

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from gateway.catalog.partials import Partial
    from gateway.storage.partials import PartialFile
    from gateway.uploads.resumable import Progress, Resumables
    from gateway.uploads.sender import Sender
    from gateway.uploads.tus import Creation


@dataclass(frozen=True)
class Concatenation:
    """Makes final uploads."""

    resumables: Resumables

    def make(self, sender: Sender, creation: Creation, *, now: int) -> Progress:
        """Make the final upload that *creation* names the parts of.

        The parts are used up by it.  Asked again, because the answer was lost,
        it is the same upload.  Raise UnfinishedPartError for a part that is not
        whole or used up, and what finalising raises.  Then the parts stay, unless
        what they make is never taken.
        """
        earlier = self._earlier(sender, creation, now)
        if earlier is not None:
            return self.resumables.look(sender, earlier.id, now=now)
        with ExitStack() as held:
            # In one order, so that two who want the same can't wait for each other.
            locked = {
                part: held.enter_context(self.resumables.held(sender, part, now=now))
                for part in sorted(creation.parts)
            }
            parts = [locked[part] for part in creation.parts]
            for part, file in parts:
                _check(part, file)
            size = sum(file.size for _, file in parts)
            held.enter_context(self.resumables.finaliser.ends.one(size))
            progress = self._put_together(sender, creation, parts, now)
            final = replace(
                progress.partial, expires=self.resumables.end(sender, now=now)
            )
            self._use_up(parts, final)
        return replace(progress, partial=final)

    def _earlier(self, sender: Sender, creation: Creation, now: int) -> Partial | None:
        with self.resumables.database.read() as connection:
            found = partials.by_concat(connection, sender.user.id, creation.concat)
        if found is None or found.upload_id is None:
            return None
        try:
            return self.resumables.find(sender, found.id, now=now)
        except RefusedError:
            return None

    def _put_together(
        self,
        sender: Sender,
        creation: Creation,
        parts: list[tuple[Partial, PartialFile]],
        now: int,
    ) -> Progress:
        resumables = self.resumables
        with resumables.database.write() as connection:
            # Their bytes are counted once, as the final upload's.
            for part, _ in parts:
                catalog.release(connection, part.id)
            final = resumables.create(
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
                resumables.give_up(part)
            raise
        except Exception:
            self._reserve_again(sender, [part for part, _ in parts])
            raise

    def _fill(
        self, sender: Sender, final: Partial, files: list[PartialFile], now: int
    ) -> Progress:
        try:
            with self.resumables.held(sender, final.id, now=now) as (held, whole):
                for file in files:
                    whole.append(file.path, is_whole=False)
                return self.resumables.settle(sender, held, whole, now=now)
        except Exception:
            self.resumables.give_up(final)
            raise

    def _reserve_again(self, sender: Sender, parts: list[Partial]) -> None:
        """Count parts for as long as they are kept, now or when the catalog answers."""

        def reserve(connection: Connection) -> None:
            for part in parts:
                current = partials.by_id(connection, part.id)
                if current is None or current.upload_id is not None:
                    # It was ended or used up meanwhile.
                    continue
                catalog.reserve(
                    connection,
                    sender.user,
                    reservation=part.id,
                    size=part.size or 0,
                    expires=current.expires,
                    drop_id=part.drop_id,
                    gateway=self.resumables.finaliser.admission.gateway,
                )

        self.resumables.database.make_sure(reserve)

    def _use_up(self, parts: list[tuple[Partial, PartialFile]], final: Partial) -> None:
        def finish(connection: Connection) -> None:
            for part, _ in parts:
                catalog.release(connection, part.id)
                partials.finish(connection, part.id, final.upload_id or "")
            partials.change(connection, final.id, expires=final.expires)

        # The final upload is stored, whatever is noted of its parts.
        self.resumables.database.attempt(finish)
        for _, file in parts:
            with suppress(OSError):  # housekeeping takes it
                file.remove()


def _check(part: Partial, file: PartialFile) -> None:
    if part.concat != PARTIAL:
        raise NotServableError("no-part")
    if part.upload_id is not None or file.size != part.size:
        raise UnfinishedPartError(part.id)
