"""Parses recipients: mail addresses and labels, as users type them."""

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
#: Invalid addresses that an error message quotes.
_QUOTED: Final = 5


def shortened(address: str) -> str:
    """Mask an address: its owner recognizes it, and others don't learn it."""
    name, at, domain = address.rpartition("@")
    return f"{name[:1]}•••{at}{domain}"


def parse(addresses: Iterable[str], *, label: str = "") -> list[NewRecipient]:
    """Return one recipient for each distinct address.

    Without addresses, return one recipient without an address, whose link can only be
    copied.  Raise BadFieldsError that quotes invalid addresses.
    """
    clean: dict[str, str] = {}
    bad: list[str] = []
    for text in addresses:
        try:
            address = Mailbox.parse(text).address
        except ValueError as error:
            bad.append(f"{visible(text)[:100]!r}: {error}")
        else:
            # Addresses that differ only in case are the same mailbox in practice.
            clean.setdefault(address.casefold(), address)
    name = one_line(label)
    faults = {}
    if bad:
        more = f"; and {len(bad) - _QUOTED} more" if len(bad) > _QUOTED else ""
        faults["to"] = "; ".join(bad[:_QUOTED]) + more
    if len(name) > MAXIMUM_LABEL or not is_unicode(name):
        faults["label"] = f"must be text of at most {MAXIMUM_LABEL} characters"
    if faults:
        raise BadFieldsError(faults)
    if not clean:
        return [NewRecipient(label=name)]
    return [NewRecipient(address, name) for address in clean.values()]
