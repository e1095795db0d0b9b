"""The server secret: it signs what opens the gateway itself, and never leaves it.

Sessions, forms, share and drop codes are signed with it.  The key ring signs URLs and
nothing else, so that a host which mints links can do nothing else with its key.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets as random
from base64 import b32encode
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from typing import Final

from itsdangerous.signer import HMACAlgorithm, Signer

from gateway.errors import KeyRingError
from gateway.links.keyring import secret_faults

MAC_LENGTH: Final = 24
_MAC_BYTES: Final = 15
#: Crockford's base32, lower case: https://www.crockford.com/base32.html
ALPHABET: Final = "0123456789abcdefghjkmnpqrstvwxyz"
_RFC4648: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_TO_CROCKFORD: Final = str.maketrans(_RFC4648, ALPHABET)
_HMAC: Final = HMACAlgorithm(hashlib.sha256)


class Use(StrEnum):
    """What is signed with it; each use is a salt of its own."""

    SESSION = "accel-gateway.session.2"
    BROWSER = "accel-gateway.browser.1"
    DROP = "accel-gateway.drop.2"
    SHARE = "accel-gateway.share.1"
    LEASE = "accel-gateway.lease.1"
    ONE_TIME_CODE = "accel-gateway.one-time-code.1"


@dataclass(frozen=True)
class ServerSecret:
    """The server's secrets, newest first: the newest signs.

    What was handed out, as codes are, verifies with all of them; what lasts for hours,
    as sessions do, with the newest alone.
    """

    secrets: tuple[str, ...] = field(repr=False)

    @classmethod
    def generate(cls) -> ServerSecret:
        """Make one of 256 random bits."""
        return cls((random.token_urlsafe(32),))

    @classmethod
    def parse(cls, text: str) -> ServerSecret:
        """Read ``secret,secret``, newest first; newlines separate too.

        Raise KeyRingError with every fault: no secret, or one that is short (under 32
        bytes) or was copied from an example.
        """
        found = [entry for entry in re.split(r"[,\s]+", text) if entry]
        faults = [
            f"secret {position}: {fault}"
            for position, secret in enumerate(found, start=1)
            for fault in secret_faults(secret, "gateway secrets new")
        ]
        if not found:
            faults.append("there is no secret")
        if faults:
            raise KeyRingError(faults)
        return cls(tuple(found))

    def __str__(self) -> str:
        return ",".join(self.secrets)

    def rotated(self, *, forget: bool = False) -> ServerSecret:
        """Return the same with a new one in front, or with that one alone."""
        older = () if forget else self.secrets
        return ServerSecret((*self.generate().secrets, *older))

    def key(self, use: Use) -> bytes:
        """Return the newest secret's key of 32 bytes for *use*."""
        return _key(self.secrets[0], use)

    def mac(self, use: Use, message: str) -> str:
        """Return the newest secret's MAC of *message*: 120 bits as 24 characters."""
        return _mac(self.key(use), message)

    def verifies(self, use: Use, message: str, mac: str, *, older: bool) -> bool:
        """Tell whether *mac* was made for *message*, with *older* by any secret."""
        known = self.secrets if older else self.secrets[:1]
        return any(
            hmac.compare_digest(
                _mac(_key(secret, use), message).encode(), mac.encode(errors="replace")
            )
            for secret in known
        )


@lru_cache(maxsize=64)
def _key(secret: str, use: Use) -> bytes:
    signer = Signer(
        secret, salt=use.value, key_derivation="hmac", digest_method=hashlib.sha256
    )
    return signer.derive_key()


def _mac(key: bytes, message: str) -> str:
    digest = _HMAC.get_signature(key, message.encode())[:_MAC_BYTES]
    return b32encode(digest).decode("ascii").translate(_TO_CROCKFORD)
