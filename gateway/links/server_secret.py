"""The server secret: it signs sessions, forms and codes, and never leaves the gateway.

The key ring signs URLs only, so that a host that mints links can use its key for
nothing else.
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
    """The uses of the server secret; each has a separate salt."""

    SESSION = "accel-gateway.session.2"
    BROWSER = "accel-gateway.browser.1"
    DROP = "accel-gateway.drop.2"
    SHARE = "accel-gateway.share.1"
    LEASE = "accel-gateway.lease.1"
    ONE_TIME_CODE = "accel-gateway.one-time-code.1"


@dataclass(frozen=True)
class ServerSecret:
    """The server's secrets, newest first: the newest signs.

    Long-lived signatures, such as codes, verify with all secrets; signatures that last
    for hours, such as sessions, only with the newest.
    """

    secrets: tuple[str, ...] = field(repr=False)

    @classmethod
    def generate(cls) -> ServerSecret:
        """Generate a secret of 256 random bits."""
        return cls((random.token_urlsafe(32),))

    @classmethod
    def parse(cls, text: str) -> ServerSecret:
        """Parse ``secret,secret``, newest first; newlines separate secrets too.

        Raise KeyRingError with all faults: no secret, or a secret that is short (under
        32 bytes) or was copied from an example.
        """
        entries = [entry for entry in re.split(r"[,\s]+", text) if entry]
        faults = [
            f"secret {position}: {fault}"
            for position, secret in enumerate(entries, start=1)
            for fault in secret_faults(secret, "gateway secrets new")
        ]
        if not entries:
            faults.append("there is no secret")
        if faults:
            raise KeyRingError(faults)
        return cls(tuple(entries))

    def __str__(self) -> str:
        return ",".join(self.secrets)

    def rotated(self, *, forget: bool = False) -> ServerSecret:
        """Return a copy with a new first secret, without the others if *forget*."""
        older = () if forget else self.secrets
        return ServerSecret((*self.generate().secrets, *older))

    def key(self, use: Use) -> bytes:
        """Return the newest secret's key of 32 bytes for *use*."""
        return _key(self.secrets[0], use)

    def mac(self, use: Use, message: str) -> str:
        """Return the newest secret's MAC of *message*: 120 bits as 24 characters."""
        return _mac(self.key(use), message)

    def verifies(self, use: Use, message: str, mac: str, *, older: bool) -> bool:
        """Tell whether *mac* is valid for *message*; *older* secrets count if set."""
        accepted = self.secrets if older else self.secrets[:1]
        return any(
            hmac.compare_digest(
                _mac(_key(secret, use), message).encode(), mac.encode(errors="replace")
            )
            for secret in accepted
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
