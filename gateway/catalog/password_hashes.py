"""What is stored of a password: argon2id, RFC 9106's low-memory profile.

argon2 takes a fifth of a second and 64 MiB.  It is computed while no transaction is
open: SQLite has one writer, who would keep all others waiting meanwhile.
"""

from __future__ import annotations

import threading
from functools import cache
from secrets import token_urlsafe
from typing import Final, NewType

from argon2 import PasswordHasher
from argon2.exceptions import VerificationError

#: The text that argon2 makes, parameters and salt included.
PasswordHash = NewType("PasswordHash", str)

MAXIMUM_LENGTH: Final = 1024
_hasher: Final = PasswordHasher()
#: One thread of a process hashes at a time: each hash takes 64 MiB and several cores.
_hashing: Final = threading.RLock()


def compute(password: str) -> PasswordHash:
    """Return the hash of *password*."""
    with _hashing:
        return PasswordHash(_hasher.hash(_bytes(password)))


def verifies(password_hash: str | None, password: str) -> bool:
    """Tell whether *password* is the one of that hash; without a hash it never is.

    Both take as long: the time does not tell whether there is a hash.
    """
    tried = _bytes(password[: MAXIMUM_LENGTH + 1])
    try:
        with _hashing:
            _hasher.verify(password_hash or _unknown(), tried)
    except VerificationError:
        return False
    return password_hash is not None


@cache
def _unknown() -> str:
    return _hasher.hash(token_urlsafe())


def _bytes(password: str) -> bytes:
    # A form or a terminal may give halves of surrogate pairs.
    return password.encode("utf-8", "surrogatepass")
