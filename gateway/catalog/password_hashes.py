"""Password hashes: argon2id with RFC 9106's low-memory profile.

argon2 takes a fifth of a second and 64 MiB.  It is computed while no transaction is
open: SQLite has one writer at a time, and all other writers would wait for the hash.
"""

from __future__ import annotations

import threading
from functools import cache
from secrets import token_urlsafe
from typing import Final, NewType

from argon2 import PasswordHasher
from argon2.exceptions import VerificationError

#: argon2's encoded hash, with its parameters and salt.
PasswordHash = NewType("PasswordHash", str)

MAXIMUM_LENGTH: Final = 1024
_hasher: Final = PasswordHasher()
#: One thread per process hashes at a time: each hash takes 64 MiB and several cores.
_hashing: Final = threading.RLock()


def compute(password: str) -> PasswordHash:
    """Return the hash of *password*."""
    with _hashing:
        return PasswordHash(_hasher.hash(_bytes(password)))


def verifies(password_hash: str | None, password: str) -> bool:
    """Tell whether *password* matches the hash; without a hash it never does.

    Both cases take the same time: the time does not reveal whether there is a hash.
    """
    encoded = _bytes(password[: MAXIMUM_LENGTH + 1])
    try:
        with _hashing:
            _hasher.verify(password_hash or _dummy_hash(), encoded)
    except VerificationError:
        return False
    return password_hash is not None


@cache
def _dummy_hash() -> str:
    return _hasher.hash(token_urlsafe())


def _bytes(password: str) -> bytes:
    # A form or a terminal may send lone surrogates.
    return password.encode("utf-8", "surrogatepass")
