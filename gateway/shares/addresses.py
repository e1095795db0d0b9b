"""Recipients as people write them: mail addresses and labels, checked once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gateway.catalog.recipients import NewRecipient
from gateway.errors import BadFieldsError
from gateway.mail_address import Mailbox
from gateway.shares.policy import is_unicode, one_line
from gateway.storage.names import visible

if TYPE_CHECKING:
    from collections.abc import Iterable

MAXIMUM_LABEL: Final = 100
_FAULTS: Final = 5


def shortened(address: str) -> str:
    """Return an address so that its owner knows it, and nobody learns it."""
    name, at, domain = address.rpartition("@")
    return f"{name[:1]}•••{at}{domain}"


def parse(addresses: Iterable[str], *, label: str = "") -> list[NewRecipient]:
    """Return a recipient for each address, each address once.

    Without any, one whose link is only copied.  Raise BadFieldsError that names what
    is no address.
    """
    clean: dict[str, str] = {}
    bad: list[str] = []
    for text in addresses:
        try:
            found = Mailbox.parse(text).address
        except ValueError as error:
            bad.append(f"{visible(text)[:100]!r}: {error}")
        else:
            # Nobody has two mailboxes that differ in case alone.
            clean.setdefault(found.casefold(), found)
    name = one_line(label)
    faults = {}
    if bad:
        more = f"; and {len(bad) - _FAULTS} more" if len(bad) > _FAULTS else ""
        faults["to"] = "; ".join(bad[:_FAULTS]) + more
    if len(name) > MAXIMUM_LABEL or not is_unicode(name):
        faults["label"] = f"must be text of at most {MAXIMUM_LABEL} characters"
    if faults:
        raise BadFieldsError(faults)
    if not clean:
        return [NewRecipient(label=name)]
    return [NewRecipient(address, name) for address in clean.values()]
