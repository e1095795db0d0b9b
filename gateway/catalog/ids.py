"""Short ids of what people and programs name: no letter is taken for another."""

from __future__ import annotations

import secrets
from typing import Final

_ALPHABET: Final = "abcdefghijkmnpqrstuvwxyz23456789"
_LENGTH: Final = 12
#: Those of codes, in Crockford's base32 as all of a code is.
_CODE_ALPHABET: Final = "0123456789abcdefghjkmnpqrstvwxyz"
_CODE_LENGTH: Final = 16


def new_id() -> str:
    """Return a random id of 12 characters, 60 bits."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(_LENGTH))


def new_code_id() -> str:
    """Return a random id for a code, of 16 characters, 80 bits."""
    return "".join(secrets.choice(_CODE_ALPHABET) for _ in range(_CODE_LENGTH))


def is_id(text: str) -> bool:
    """Tell whether *text* has the form of such an id."""
    return len(text) == _LENGTH and set(text) <= set(_ALPHABET)
