"""The key ring: signing keys, newest first, each with an id."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property, lru_cache
from typing import Final

from itsdangerous.signer import Signer, SigningAlgorithm

from gateway.errors import KeyRingError, UnknownKeyError
from gateway.links.restriction import Restriction

MINIMUM_SECRET_BYTES: Final = 32
MAC_BYTES: Final = 16
# 16 bytes leave two bits for the last character: only four letters are canonical.
_MAC: Final = re.compile(r"[A-Za-z0-9_-]{21}[AQgw]", re.ASCII)
#: A key's id, on the ring and in the claims of each link.
KEY_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,16}", re.ASCII)
_PLACEHOLDER = re.compile(
    r"change.?me|example|insert|placeholder|replace|secret.?key|your.?(key|secret)",
    re.IGNORECASE,
)
_MINIMUM_DISTINCT_CHARACTERS: Final = 10
_BAD_RESTRICTION: Final = (
    "its restriction is not of the form prefix=reports/&max-life=604800&only=files"
)


class Purpose(StrEnum):
    """The purposes of a MAC; each has a separate salt.

    A MAC made for one purpose never verifies for another.  DROP is for drop links from
    before the server secret was introduced.
    """

    SIGNED_URL = "accel-gateway.signed-url.1"
    DROP = "accel-gateway.drop.1"


class _Hmac128(SigningAlgorithm):
    """HMAC-SHA-256 truncated to 16 bytes (RFC 2104 section 5).

    This gives 22 base64url characters.  The last character carries two bits, so that a
    link never ends in ``-`` or ``_``, which mail clients cut off.
    """

    def get_signature(self, key: bytes, value: bytes) -> bytes:
        return hmac.digest(key, value, "sha256")[:MAC_BYTES]


@dataclass(frozen=True)
class Key:
    """One signing key: a public id and a secret of at least 32 bytes.

    ``restriction`` limits the links that the key may sign; None means no limit.
    """

    id: str
    secret: str = field(repr=False)
    restriction: Restriction | None = None

    @classmethod
    def generate(cls, restriction: Restriction | None = None) -> Key:
        """Generate a key of 256 random bits with a random id."""
        key_id = "".join(
            secrets.choice("abcdefghjkmnpqrstuvwxyz23456789") for _ in range(6)
        )
        return cls(key_id, secrets.token_urlsafe(32), restriction)

    def __str__(self) -> str:
        restriction = f"?{self.restriction}" if self.restriction else ""
        return f"{self.id}{restriction}:{self.secret}"


@dataclass(frozen=True)
class KeyRing:
    """The keys that sign and verify, newest first.

    The newest key signs, and all keys verify.  Removing a key invalidates every link
    that it has signed.  A restricted key is meant for another host: it signs only if
    all keys on the ring are restricted.
    """

    keys: tuple[Key, ...]

    @classmethod
    def parse(cls, text: str) -> KeyRing:
        """Parse ``id:secret,id:secret``, newest first; newlines separate keys too.

        A restricted key is ``id?restriction:secret``.  Raise KeyRingError with
        all faults: no key, a bad or repeated id, an invalid restriction, a secret that
        is short (under 32 bytes) or was copied from an example.
        """
        entries = [entry for entry in re.split(r"[,\s]+", text) if entry]
        faults: list[str] = []
        keys: list[Key] = []
        for position, entry in enumerate(entries, start=1):
            name, separator, secret = entry.partition(":")
            if not separator:
                # The entry may be a bare secret: it must not be in the message.
                faults.append(f"key {position} is not of the form id:secret")
                continue
            key_id, mark, text = name.partition("?")
            restriction = None
            if mark:
                try:
                    restriction = Restriction.parse(text)
                except ValueError:
                    # The id may be a secret too: it must not be in the message.
                    faults.append(f"key {position}: {_BAD_RESTRICTION}")
            keys.append(Key(key_id, secret, restriction))
            faults.extend(f"key {position}: {fault}" for fault in _faults(keys[-1]))
        # An invalid id may be a secret: only valid ids may be in messages.
        ids = [key.id for key in keys if KEY_ID.fullmatch(key.id)]
        faults.extend(
            f"key id {key_id!r} is used twice"
            for key_id in sorted({i for i in ids if ids.count(i) > 1})
        )
        if not entries:
            faults.append("there is no key")
        if faults:
            raise KeyRingError(faults)
        return cls(tuple(keys))

    @cached_property
    def newest(self) -> Key:
        """The key that signs: the newest unrestricted key, or else the newest key."""
        return next((key for key in self.keys if not key.restriction), self.keys[0])

    def __str__(self) -> str:
        return ",".join(str(key) for key in self.keys)

    def mac(self, purpose: Purpose, key_id: str, message: bytes) -> str:
        """Return the 22-character MAC of *message* under one key.

        Raise UnknownKeyError if no key on the ring has that id.
        """
        return _signer(self.key(key_id), purpose).get_signature(message).decode("ascii")

    def verifies(self, purpose: Purpose, key_id: str, message: bytes, mac: str) -> bool:
        """Tell whether *mac* is the canonical MAC text for *message*.

        itsdangerous decodes leniently: it accepts other last characters, padding and
        stray bytes.  So any text that is not the canonical encoding of 16 bytes is
        refused first.  Raise UnknownKeyError if no key on the ring has that id.
        """
        signer = _signer(self.key(key_id), purpose)
        return bool(_MAC.fullmatch(mac)) and signer.verify_signature(message, mac)

    @cached_property
    def _by_id(self) -> dict[str, Key]:
        return {key.id: key for key in self.keys}

    def key(self, key_id: str) -> Key:
        """Return the key with that id; raise UnknownKeyError if there is none."""
        try:
            return self._by_id[key_id]
        except KeyError:
            raise UnknownKeyError(key_id) from None


def _faults(key: Key) -> list[str]:
    faults = []
    if not KEY_ID.fullmatch(key.id):
        faults.append("its id must be 1 to 16 letters, digits, '-' or '_'")
    return faults + secret_faults(key.secret, "gateway keys new")


def secret_faults(secret: str, command: str) -> list[str]:
    """Return why *secret* can't be used; *command* generates a valid one."""
    try:
        length = len(secret.encode())
    except UnicodeEncodeError:  # the environment had bytes that are not UTF-8
        return ["its secret is not UTF-8"]
    if length < MINIMUM_SECRET_BYTES:
        return [f"its secret has {length} bytes, the minimum is {MINIMUM_SECRET_BYTES}"]
    distinct = len(set(secret))
    if _PLACEHOLDER.search(secret) or distinct < _MINIMUM_DISTINCT_CHARACTERS:
        return [f"its secret is an example; generate one with: {command}"]
    return []


class _DerivedSigner(Signer):
    """A Signer that derives its key only once; the salted key never changes."""

    def __init__(self, key: Key, purpose: Purpose) -> None:
        super().__init__(
            key.secret,
            salt=purpose.value,
            key_derivation="hmac",
            digest_method=hashlib.sha256,
            algorithm=_Hmac128(),
        )
        self._derived = super().derive_key()

    def derive_key(self, secret_key: str | bytes | None = None) -> bytes:
        del secret_key  # the signer has exactly one
        return self._derived


@lru_cache(maxsize=1024)
def _signer(key: Key, purpose: Purpose) -> Signer:
    return _DerivedSigner(key, purpose)
