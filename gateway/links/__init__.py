"""Sign and verify links: no Flask, no database, no environment.

A site that only mints links needs :class:`LinkSigner` and nothing else; it imports only
itsdangerous and the standard library.
"""

from gateway.errors import ClaimsError
from gateway.links.claims import Claims
from gateway.links.keyring import Key, KeyRing
from gateway.links.signer import LinkSigner

__all__ = ["Claims", "ClaimsError", "Key", "KeyRing", "LinkSigner"]
