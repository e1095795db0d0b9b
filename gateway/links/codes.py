"""Short links to what the catalog knows: ``<id>.<mac>``.

Everything that such a link permits stands in the catalog; the MAC keeps guesses
out without a look at it.  No key id is spent on it: every key of the ring is
tried.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from gateway.errors import ForgedLinkError, MalformedLinkError
from gateway.links.keyring import Purpose

if TYPE_CHECKING:
    from gateway.links.keyring import KeyRing

#: What stands before a code in its URL.
PREFIXES: Final = {Purpose.DROP: "/u/"}
_CODE: Final = re.compile(r"([a-z0-9]{1,32})\.([A-Za-z0-9_-]{22})", re.ASCII)


def is_code(text: str) -> bool:
    """Tell whether *text* has the form of a code, genuine or not."""
    return _CODE.fullmatch(text) is not None


def mint(ring: KeyRing, purpose: Purpose, catalog_id: str) -> str:
    """Return the code of what the catalog knows by *catalog_id*."""
    mac = ring.mac(purpose, ring.newest.id, catalog_id.encode("ascii"))
    return f"{catalog_id}.{mac}"


def url(ring: KeyRing, purpose: Purpose, catalog_id: str, *, base: str) -> str:
    """Return the URL of what the catalog knows by *catalog_id*, below *base*."""
    return f"{base}{PREFIXES[purpose]}{mint(ring, purpose, catalog_id)}"


def verify(ring: KeyRing, purpose: Purpose, code: str) -> str:
    """Return the catalog's id that *code* was made for.

    Raise MalformedLinkError for text that is no code, ForgedLinkError for one
    that no key of the ring has made for this purpose.
    """
    match = _CODE.fullmatch(code)
    if match is None:
        raise MalformedLinkError("not-a-code")
    catalog_id, mac = match.groups()
    message = catalog_id.encode("ascii")
    if not any(ring.verifies(purpose, key.id, message, mac) for key in ring.keys):
        raise ForgedLinkError
    return catalog_id
