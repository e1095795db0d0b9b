"""Short ids of what people and programs name: no letter is taken for another."""

from __future__ import annotations

import secrets
from typing import Final

_ALPHABET: Final = "abcdefghijkmnpqrstuvwxyz23456789"
_LENGTH: Final = 12


def new_id() -> str:
    """Return a random id of 12 characters, 60 bits."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(_LENGTH))


def is_id(text: str) -> bool:
    """Tell whether *text* has the form of such an id."""
    return len(text) == _LENGTH and set(text) <= set(_ALPHABET)
