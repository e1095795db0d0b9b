"""Codes of share links, drop links and leases: an id of 16 characters and a MAC of 24.

The catalog stores what a code permits; the MAC rejects guesses without a query.  A code
is 40 characters of Crockford's base32, lower case, so that no character ends a link in
a mail or is confused with another character.

Codes from before the server secret was introduced are ``<id>.<mac>``, signed by a link
key; every key on the ring is tried.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from gateway.errors import ForgedLinkError, MalformedLinkError
from gateway.links.keyring import Purpose
from gateway.links.server_secret import MAC_LENGTH

if TYPE_CHECKING:
    from gateway.links.keyring import KeyRing
    from gateway.links.server_secret import ServerSecret, Use

_ID_LENGTH: Final = 16
_CODE: Final = re.compile(r"[0-9a-hjkmnp-tv-z]{40}", re.ASCII)
LENGTH: Final = _ID_LENGTH + MAC_LENGTH
_EARLIER: Final = re.compile(r"([a-z0-9]{1,32})\.([A-Za-z0-9_-]{22})", re.ASCII)
#: Letters that codes do not contain, with the digits that they are mistaken for.
_LOOKALIKES: Final = str.maketrans("oil", "011")


def canonical(text: str) -> str:
    """Return the canonical spelling of a code that was typed or put in capitals.

    (!) Codes are only looked up in this spelling: with other spellings, download limits
        and revocations that are keyed by the code could be bypassed.
    """
    return text.lower().translate(_LOOKALIKES)


def is_code(text: str) -> bool:
    """Tell whether *text* has the form of a code, whether it verifies or not."""
    return bool(_CODE.fullmatch(text) or is_earlier(text))


def mint(secret: ServerSecret, use: Use, code_id: str) -> str:
    """Return the code for the catalog's *code_id*."""
    return code_id + secret.mac(use, code_id)


def verify(secret: ServerSecret, use: Use, code: str) -> str:
    """Return the catalog's id in *code*.

    Raise MalformedLinkError for text that is not a code, ForgedLinkError for a code
    that no server secret has signed for this use.
    """
    if not _CODE.fullmatch(code):
        raise MalformedLinkError("not-a-code")
    code_id, mac = code[:_ID_LENGTH], code[_ID_LENGTH:]
    if not secret.verifies(use, code_id, mac, older=True):
        raise ForgedLinkError
    return code_id


def is_earlier(text: str) -> bool:
    """Tell whether *text* has the form of a code signed by a link key."""
    return _EARLIER.fullmatch(text) is not None


def mint_earlier(ring: KeyRing, catalog_id: str) -> str | None:
    """Return the code of a drop link from before the server secret.

    Return None if all keys on the ring are restricted: then no such code verifies.
    """
    key = ring.newest
    if key.restriction:
        return None
    return f"{catalog_id}.{ring.mac(Purpose.DROP, key.id, catalog_id.encode('ascii'))}"


def verify_earlier(ring: KeyRing, code: str) -> str:
    """Return the id in *code*, signed by a link key; raise as ``verify`` does."""
    match = _EARLIER.fullmatch(code)
    if match is None:
        raise MalformedLinkError("not-a-code")
    catalog_id, mac = match.groups()
    message = catalog_id.encode("ascii")
    # (!) A restricted key may sign URLs only.
    keys = [key.id for key in ring.keys if not key.restriction]
    if not any(ring.verifies(Purpose.DROP, key, message, mac) for key in keys):
        raise ForgedLinkError
    return catalog_id
