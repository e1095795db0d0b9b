"""From a recipient to the URL of their link, from a lease to its own, and back.

And what is kept of a one-time code.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from gateway.links import codes
from gateway.links.server_secret import Use

if TYPE_CHECKING:
    from gateway.catalog.recipients import Recipient
    from gateway.links.server_secret import ServerSecret

#: What stands before the code of a share link in its URL.
LINK_PREFIX: Final = "/d/"
#: What stands before the code of a lease in the URL of a download.
LEASE_PREFIX: Final = "/l/"
#: The first segment of a download's path that a browser shows instead of saving it.
INLINE: Final = "open"


@dataclass(frozen=True)
class ShareCodes:
    """Makes and reads the codes of share links and leases; ``secret`` signs them."""

    secret: ServerSecret

    def path(self, recipient: Recipient) -> str:
        """Return the path of a recipient's link."""
        return LINK_PREFIX + codes.mint(self.secret, Use.SHARE, recipient.code_id)

    def url(self, recipient: Recipient, *, base: str) -> str:
        """Return the URL of a recipient's link, below *base*."""
        return base + self.path(recipient)

    def code_id(self, code: str) -> str:
        """Return the id of the recipient whose link's code it is.

        Raise MalformedLinkError or ForgedLinkError for any other text.
        """
        return codes.verify(self.secret, Use.SHARE, code)

    def one_time_mac(self, recipient: Recipient, digits: str) -> str:
        """Return what the catalog keeps of a recipient's one-time code.

        It ends with their address, and when the secret is rotated.
        """
        message = f"{recipient.id} {recipient.address} {digits}"
        return self.secret.mac(Use.ONE_TIME_CODE, message)

    def lease_code(self, lease_id: str) -> str:
        """Return the code of a lease."""
        return codes.mint(self.secret, Use.LEASE, lease_id)

    def lease_id(self, code: str) -> str:
        """Return the lease of a code; raise as ``code_id`` does."""
        return codes.verify(self.secret, Use.LEASE, code)


def lease_path(code: str, number: int, name: str, *, is_inline: bool = False) -> str:
    """Return the path of a leased download of item *number*.

    *name* is the item's, or the path of a file in a folder.
    """
    way = f"{INLINE}/" if is_inline else ""
    return f"{LEASE_PREFIX}{code}/{way}{number}/{quote(name)}"
