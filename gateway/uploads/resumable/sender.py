"""The sender of a resumable upload, and when its upload sessions expire."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from gateway.catalog.drops import Drop
    from gateway.catalog.users import User

#: Maximum seconds that a drop link's upload session is kept: it counts against the
#: link's limits.
DROP_LIFETIME: Final = 86_400


@dataclass(frozen=True)
class Sender:
    """The future owner of the upload, and the drop link that it is sent to, if any."""

    user: User
    drop: Drop | None = None

    @property
    def drop_id(self) -> str | None:
        """The drop link's id, as the catalog stores it; None without a drop link."""
        return None if self.drop is None else self.drop.id

    def expiry(self, lifetime: int, *, now: int) -> int:
        """Return when (Unix seconds) an upload session expires if it is used *now*.

        *lifetime* is in seconds; a drop link's sessions live for at most
        DROP_LIFETIME, and no longer than the drop link.
        """
        if self.drop is None:
            return now + lifetime
        expires = now + min(lifetime, DROP_LIFETIME)
        return expires if self.drop.expires is None else min(expires, self.drop.expires)
