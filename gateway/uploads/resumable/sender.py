"""Who sends a resumable upload, and how long theirs are kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from gateway.catalog.drops import Drop
    from gateway.catalog.users import User

#: Seconds that one by a drop link is kept at most: it holds a place of the link's.
DROP_LIFETIME: Final = 86_400


@dataclass(frozen=True)
class Sender:
    """Whose upload it is, and the drop link that they came by."""

    user: User
    drop: Drop | None = None

    @property
    def drop_id(self) -> str | None:
        """The drop link's id, as the catalog has it."""
        return None if self.drop is None else self.drop.id

    def expiry(self, lifetime: int, *, now: int) -> int:
        """Return until when an upload that was heard of now is kept.

        *lifetime* is in seconds, for who came by no drop link.
        """
        if self.drop is None:
            return now + lifetime
        end = now + min(lifetime, DROP_LIFETIME)
        return end if self.drop.expires is None else min(end, self.drop.expires)
