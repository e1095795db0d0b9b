"""Signed URLs: stateless links to one path, or one folder, under *files*.

``/s/<claims>.<mac>/<path>``: the MAC covers the claims and the path; with a folder
claim, only the folder's part of the path.  With an upload claim the link leads to that
upload, and its path is the name of the download.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, unquote, urlsplit

from gateway.errors import (
    BeyondKeyError,
    ClaimsError,
    ForgedLinkError,
    MalformedLinkError,
)
from gateway.links.claims import Claims
from gateway.links.keyring import Purpose

if TYPE_CHECKING:
    from gateway.links.keyring import KeyRing
    from gateway.links.restriction import Restriction

PREFIX: Final = "/s/"

# RFC 3986 pchar without the characters that mail clients and shells damage.
_SAFE_IN_PATH: Final = "/-._~"
#: The path of a base URL: no segment is empty or begins with a dot.
_BASE_PATH: Final = re.compile(r"(?:/[A-Za-z0-9][A-Za-z0-9._~-]*)*")


@dataclass(frozen=True)
class SignedURL:
    """A signed URL whose signature was verified: its claims and its MAC.

    The MAC's text identifies the link; caches and revocations are keyed by it.
    ``restriction`` is the restriction of its key, which the link meets.
    """

    claims: Claims
    mac: str
    restriction: Restriction | None = None


def mint(ring: KeyRing, claims: Claims, path: str) -> str:
    """Return the URL path ``/s/<token>/<path>``, percent-encoded.

    *path* is relative to the files tree and not encoded; with a folder claim
    it may name the folder itself, with a final ``/``, or anything in it.
    Raise ClaimsError if no request could ask for that path, if it lies outside the
    folder or if the key may not sign it, and UnknownKeyError if the key of the claims
    is not on the ring.
    """
    if not path and claims.depth != 0:
        raise ClaimsError("there is no path to sign")
    inner = path if claims.depth is None else path.removesuffix("/")
    if path and any(segment in {"", ".", ".."} for segment in inner.split("/")):
        raise ClaimsError(f"{path!r} is not a plain relative path")
    if "\x00" in path or _is_above(claims.depth, path):
        raise ClaimsError(f"{path!r} can't be signed")
    if claims.upload is not None and "/" in path:
        raise ClaimsError(
            f"{path!r} is not a file name: the path of a link to an upload is its name"
        )
    try:
        mac = ring.mac(
            Purpose.SIGNED_URL, claims.key_id, _message(str(claims), claims.depth, path)
        )
    except UnicodeEncodeError:
        raise ClaimsError(f"{path!r} is not valid Unicode") from None
    key = ring.key(claims.key_id)
    if key.restriction and key.restriction.fault(claims, _covered(claims.depth, path)):
        permitted = str(key.restriction)
        if claims.shared and not key.restriction.shared:
            permitted += ", and no shared links"
        raise ClaimsError(f"the key {key.id} may only sign {permitted}")
    return f"{PREFIX}{claims}.{mac}/{quote(path, safe=_SAFE_IN_PATH)}"


def verify(ring: KeyRing, token: str, path: str) -> SignedURL:
    """Check the signature of *token* over the decoded *path*.

    Raise MalformedLinkError, UnknownKeyError, ForgedLinkError or BeyondKeyError.
    Time and client are not checked here, but in ``policy``.
    """
    text, separator, mac = token.rpartition(".")
    if not separator:
        raise MalformedLinkError("no-mac")
    claims = Claims.parse(text)
    if _is_above(claims.depth, path):
        raise ForgedLinkError
    if claims.upload is not None and "/" in path:
        raise ForgedLinkError
    try:
        message = _message(text, claims.depth, path)
    except UnicodeEncodeError:  # a lone surrogate can't be signed
        raise ForgedLinkError from None
    if not ring.verifies(Purpose.SIGNED_URL, claims.key_id, message, mac):
        raise ForgedLinkError
    restriction = ring.key(claims.key_id).restriction
    if restriction is not None:
        fact = restriction.fault(claims, _covered(claims.depth, path))
        if fact is not None:
            raise BeyondKeyError(fact)
    return SignedURL(claims, mac, restriction)


def split(url: str) -> tuple[str, str]:
    """Return the token and the decoded path of a signed URL with any base URL.

    Raise MalformedLinkError for text that is not of the form ``/s/<token>/<path>``.
    """
    try:
        text = urlsplit(url).path
    except ValueError:
        raise MalformedLinkError("not-a-url") from None
    # The path of a base URL has no segment `s` (docs/links.md).
    base, prefix, link = text.partition(PREFIX)
    token, slash, rest = link.partition("/")
    if not prefix or not slash or not _BASE_PATH.fullmatch(base):
        raise MalformedLinkError("not-of-the-form-/s/token/path")
    try:
        return token, unquote(rest, errors="strict")
    except UnicodeDecodeError:
        raise MalformedLinkError("path-not-utf-8") from None


def _is_above(depth: int | None, path: str) -> bool:
    return depth is not None and path.count("/") < depth


def _message(claims: str, depth: int | None, path: str) -> bytes:
    return f"{claims}/{_covered(depth, path)}".encode()


def _covered(depth: int | None, path: str) -> str:
    if depth is None:
        return path
    return "".join(f"{part}/" for part in path.split("/")[:depth])
