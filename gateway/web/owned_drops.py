"""Drop links in requests: checks whether the sender may use a drop link.

The rules themselves are in ``gateway/uploads/drop_links.py``, without HTTP.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gateway.catalog.tokens import Scope
from gateway.uploads import drop_links
from gateway.uploads.description import DropDescription

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.catalog.database import Database
    from gateway.catalog.drops import Drop
    from gateway.uploads.drop_codes import DropCodes
    from gateway.uploads.drop_policy import DropPolicy
    from gateway.web.auth.identity import Identities, Identity


@dataclass(frozen=True)
class Drops:
    """Creates and revokes drop links for an identity.

    ``base_url`` returns the gateway's public URL.
    """

    database: Database
    identities: Identities
    codes: DropCodes
    base_url: Callable[[], str]
    clock: Callable[[], float]

    def url(self, drop: Drop) -> str | None:
        """Return the URL of a drop link, or None if it has no valid code any more."""
        return self.codes.url(drop, base=self.base_url())

    def describe(self, drop: Drop, owner: str) -> DropDescription:
        """Return the description of a drop link; *owner* is the name of its maker."""
        now = int(self.clock())
        return DropDescription.of(drop, owner=owner, url=self.url(drop), now=now)

    def new(self, identity: Identity, policy: DropPolicy) -> Drop:
        """Create a drop link for uploads to *identity*'s user.

        Raise NotPermittedError without the scope ``share``.
        """
        identity.require(Scope.SHARE)
        return drop_links.create(
            self.database, identity.user, policy, now=int(self.clock())
        )

    def end(self, identity: Identity, drop_id: str) -> Drop:
        """Revoke a drop link of *identity*'s user, or of any user for an admin.

        Raise NotServableError for any other drop link, NotPermittedError without the
        scope ``share``.
        """
        identity.require(Scope.SHARE)
        return drop_links.revoke(
            self.database,
            drop_id,
            owner=identity.owner_filter,
            now=int(self.clock()),
        )
