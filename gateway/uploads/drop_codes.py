"""The codes of drop links: makes a drop link's URL, and finds the link of a code."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from gateway.catalog import drops
from gateway.errors import NotServableError
from gateway.links import codes
from gateway.links.server_secret import Use

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from gateway.catalog.drops import Drop
    from gateway.links import KeyRing
    from gateway.links.server_secret import ServerSecret

#: The path before the code in a drop link's URL.
PREFIX: Final = "/u/"


@dataclass(frozen=True)
class DropCodes:
    """Makes and verifies the codes of drop links.

    ``secret`` signs the codes; ``ring`` verifies codes from before the server secret
    was introduced.
    """

    secret: ServerSecret
    ring: KeyRing

    def of(self, drop: Drop) -> str | None:
        """Return the code of *drop*, or None if it has no valid code any more.

        This happens only to drop links from before the server secret was introduced.
        """
        if drop.code_id is None:
            return codes.mint_earlier(self.ring, drop.id)
        return codes.mint(self.secret, Use.DROP, drop.code_id)

    def url(self, drop: Drop, *, base: str) -> str | None:
        """Return the URL of *drop* below *base*, or None without a valid code."""
        code = self.of(drop)
        return None if code is None else f"{base}{PREFIX}{code}"

    def find(self, connection: Connection, code: str) -> Drop:
        """Return the drop link of *code*, in any state.

        Raise LinkError if the code's signature is wrong, NotServableError if there is
        no such drop link.
        """
        if codes.is_earlier(code):
            drop = drops.by_id(connection, codes.verify_earlier(self.ring, code))
            # (!) Without this check, a link key could sign codes of all drop links.
            if drop is not None and drop.code_id is not None:
                drop = None
        else:
            code_id = codes.verify(self.secret, Use.DROP, code)
            drop = drops.by_code_id(connection, code_id)
        if drop is None:
            raise NotServableError("no-drop-link")
        return drop
