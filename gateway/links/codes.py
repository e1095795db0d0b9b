"""Short links to what the catalog knows: an id of 16 characters and a MAC of 24.

Everything that such a link permits stands in the catalog; the MAC keeps guesses
out without a look at it.  A code is 40 characters of Crockford's base32, lower case,
so that nothing in it ends a link in a mail or is taken for another letter.

Codes that were made before there was a server secret are ``<id>.<mac>``, and signed by
link keys, of which every one is tried.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from gateway.errors import ForgedLinkError, MalformedLinkError
from gateway.links.keyring import Purpose

if TYPE_CHECKING:
    from gateway.links.keyring import KeyRing
    from gateway.links.server_secret import ServerSecret, Use

_ID_LENGTH: Final = 16
_CODE: Final = re.compile(r"[0-9a-hjkmnp-tv-z]{40}", re.ASCII)
_EARLIER: Final = re.compile(r"([a-z0-9]{1,32})\.([A-Za-z0-9_-]{22})", re.ASCII)


def is_code(text: str) -> bool:
    """Tell whether *text* has the form of a code, genuine or not."""
    return bool(_CODE.fullmatch(text) or is_earlier(text))


def mint(secret: ServerSecret, use: Use, code_id: str) -> str:
    """Return the code of what the catalog knows by *code_id*."""
    return code_id + secret.mac(use, code_id)


def verify(secret: ServerSecret, use: Use, code: str) -> str:
    """Return the catalog's id that *code* was made for.

    Raise MalformedLinkError for text that is no code, ForgedLinkError for one
    that no server secret has made for this use.
    """
    if not _CODE.fullmatch(code):
        raise MalformedLinkError("not-a-code")
    code_id, mac = code[:_ID_LENGTH], code[_ID_LENGTH:]
    if not secret.verifies(use, code_id, mac, older=True):
        raise ForgedLinkError
    return code_id


def is_earlier(text: str) -> bool:
    """Tell whether *text* has the form of a code that a link key has signed."""
    return _EARLIER.fullmatch(text) is not None


def mint_earlier(ring: KeyRing, catalog_id: str) -> str | None:
    """Return the code of a drop link that was made before the server secret.

    On a ring whose keys are all restricted no code of it verifies, and it is None.
    """
    key = ring.newest
    if key.restriction:
        return None
    return f"{catalog_id}.{ring.mac(Purpose.DROP, key.id, catalog_id.encode('ascii'))}"


def verify_earlier(ring: KeyRing, code: str) -> str:
    """Return the id that a link key has made *code* for; raise as ``verify`` does."""
    match = _EARLIER.fullmatch(code)
    if match is None:
        raise MalformedLinkError("not-a-code")
    catalog_id, mac = match.groups()
    message = catalog_id.encode("ascii")
    # (!) A restricted key signs nothing but URLs.
    keys = [key.id for key in ring.keys if not key.restriction]
    if not any(ring.verifies(Purpose.DROP, key, message, mac) for key in keys):
        raise ForgedLinkError
    return catalog_id
