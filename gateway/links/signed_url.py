"""Signed URLs: stateless links to one path, or one folder, under *files*.

``/s/<claims>.<mac>/<path>``: the MAC covers the claims and the path, or with a
folder claim the folder's part of the path.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from gateway.errors import ClaimsError, ForgedLinkError, MalformedLinkError
from gateway.links.claims import Claims
from gateway.links.keyring import Purpose

if TYPE_CHECKING:
    from gateway.links.keyring import KeyRing

PREFIX: Final = "/s/"

# RFC 3986 pchar without what mail clients and shells damage.
_SAFE_IN_PATH: Final = "/-._~"


@dataclass(frozen=True)
class SignedURL:
    """A signed URL whose signature was verified: its claims and its MAC.

    The MAC's text identifies the link; caches and revocations are keyed by it.
    """

    claims: Claims
    mac: str


def mint(ring: KeyRing, claims: Claims, path: str) -> str:
    """Return the URL path ``/s/<token>/<path>``, percent-encoded.

    *path* is relative to the files tree and not encoded; with a folder claim
    it may name the folder itself, with a final ``/``, or anything in it.
    Raise ClaimsError if no request could ever ask for that path, and
    UnknownKeyError if the ring lacks the claims' key.
    """
    inner = path.rstrip("/") if claims.depth is not None else path
    segments = inner.split("/") if inner else []
    if not segments and claims.depth != 0:
        raise ClaimsError("there is no path to sign")
    if any(segment in {"", ".", ".."} for segment in segments):
        raise ClaimsError(f"{path!r} is not a plain relative path")
    if "\x00" in path or (claims.depth is not None and claims.depth > len(segments)):
        raise ClaimsError(f"{path!r} can't be signed")
    try:
        mac = ring.mac(
            Purpose.SIGNED_URL, claims.key_id, _message(str(claims), claims.depth, path)
        )
    except UnicodeEncodeError:
        raise ClaimsError(f"{path!r} is not valid Unicode") from None
    return f"{PREFIX}{claims}.{mac}/{quote(path, safe=_SAFE_IN_PATH)}"


def verify(ring: KeyRing, token: str, path: str) -> SignedURL:
    """Check the signature of *token* over the decoded *path*.

    Raise MalformedLinkError, UnknownKeyError or ForgedLinkError.  Time and
    client are not looked at here: that is ``policy``'s.
    """
    text, separator, mac = token.rpartition(".")
    if not separator:
        raise MalformedLinkError("no-mac")
    claims = Claims.parse(text)
    if claims.depth is not None and path.count("/") < claims.depth:
        raise ForgedLinkError
    message = _message(text, claims.depth, path)
    if not ring.verifies(Purpose.SIGNED_URL, claims.key_id, message, mac):
        raise ForgedLinkError
    return SignedURL(claims, mac)


def _message(claims: str, depth: int | None, path: str) -> bytes:
    if depth is None:
        covered = path
    else:
        covered = "".join(f"{part}/" for part in path.split("/")[:depth])
    return f"{claims}/{covered}".encode()
