"""Short random ids, in alphabets without letters that are easily confused."""

from __future__ import annotations

import secrets
from typing import Final

_ALPHABET: Final = "abcdefghijkmnpqrstuvwxyz23456789"
_LENGTH: Final = 12
#: Ids of codes are in Crockford's base32, like the rest of a code.
_CODE_ALPHABET: Final = "0123456789abcdefghjkmnpqrstvwxyz"
_CODE_LENGTH: Final = 16


def new_id() -> str:
    """Return a random id of 12 characters, 60 bits."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(_LENGTH))


def new_code_id() -> str:
    """Return a random id of 16 characters, 80 bits, for a code."""
    return "".join(secrets.choice(_CODE_ALPHABET) for _ in range(_CODE_LENGTH))


def is_id(text: str) -> bool:
    """Tell whether *text* has the form of an id from ``new_id``."""
    return len(text) == _LENGTH and set(text) <= set(_ALPHABET)
