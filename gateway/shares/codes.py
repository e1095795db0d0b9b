"""The codes in URLs of share links and leases, and the MACs of one-time codes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from gateway.links import codes
from gateway.links.server_secret import Use

if TYPE_CHECKING:
    from gateway.catalog.recipients import Recipient
    from gateway.links.server_secret import ServerSecret

#: The path prefix of a share link, before its code.
LINK_PREFIX: Final = "/d/"
#: The path prefix of a leased download, before the code of the lease.
LEASE_PREFIX: Final = "/l/"
#: The path segment of a download that the browser shows instead of saving it.
INLINE: Final = "open"


@dataclass(frozen=True)
class ShareCodes:
    """Creates and verifies codes of share links and leases; ``secret`` signs them."""

    secret: ServerSecret

    def path(self, recipient: Recipient) -> str:
        """Return the path of a recipient's link."""
        return LINK_PREFIX + codes.mint(self.secret, Use.SHARE, recipient.code_id)

    def url(self, recipient: Recipient, *, base: str) -> str:
        """Return the URL of a recipient's link, below *base*."""
        return base + self.path(recipient)

    def code_id(self, code: str) -> str:
        """Verify the code of a share link, and return the recipient's ``code_id``.

        Raise MalformedLinkError or ForgedLinkError for any other text.
        """
        return codes.verify(self.secret, Use.SHARE, code)

    def one_time_mac(self, recipient: Recipient, digits: str) -> str:
        """Return the MAC of a recipient's one-time code, which the catalog stores.

        It becomes invalid if the address changes or the secret is rotated.
        """
        message = f"{recipient.id} {recipient.address} {digits}"
        return self.secret.mac(Use.ONE_TIME_CODE, message)

    def lease_code(self, lease_id: str) -> str:
        """Return the code of a lease."""
        return codes.mint(self.secret, Use.LEASE, lease_id)

    def lease_id(self, code: str) -> str:
        """Verify the code of a lease, and return its id; raise as ``code_id`` does."""
        return codes.verify(self.secret, Use.LEASE, code)


def lease_path(code: str, number: int, name: str, *, is_inline: bool = False) -> str:
    """Return the path of a leased download of item *number*, without the path prefix.

    *name* is the item's name, or the path of a file in an item that is a folder.
    """
    inline = f"{INLINE}/" if is_inline else ""
    return f"{LEASE_PREFIX}{code}/{inline}{number}/{quote(name)}"
