"""What can be taken back, and what a request for a link comes under."""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING

from gateway.catalog import revocations
from gateway.errors import LinkError, NotServableError, RevocationError
from gateway.links import signed_url
from gateway.storage.paths import FilePath

if TYPE_CHECKING:
    from gateway.links import KeyRing
    from gateway.links.signed_url import SignedURL


def of_request(link: SignedURL, path: str) -> list[str]:
    """Return every subject that ends *link*, asked for *path*, when it is revoked."""
    claims = link.claims
    always = [
        revocations.of_url(link.mac),
        revocations.of_key(claims.key_id),
        revocations.of_path(""),
    ]
    if claims.upload is not None:
        # Its path is a name, which lies in no folder.
        return [*always, revocations.of_upload(claims.upload)]
    # A folder that the link covers is among the parents of what is asked for.
    parents = accumulate(path.split("/"), "{}/{}".format)
    return [*always, *map(revocations.of_path, parents)]


def verified(ring: KeyRing, url: str) -> SignedURL:
    """Return the link that *url* is, whatever its time.

    Raise RevocationError if it does not verify: it opens nothing as it is.
    """
    try:
        return signed_url.verify(ring, *signed_url.split(url))
    except LinkError as error:
        raise RevocationError(
            "this URL is not one that a key on the ring has signed "
            f"({error.reason}), so it opens nothing"
        ) from None


def of_path(text: str) -> str:
    """Return the subject of a path that somebody names; ``""`` is everything.

    Raise RevocationError if no link can lead there.
    """
    if not text:
        return revocations.of_path("")
    try:
        return revocations.of_path(FilePath.parse(text.removesuffix("/")).text)
    except NotServableError as error:
        raise RevocationError(
            f"no link leads to that path ({error.fact}); it is relative to the files, "
            "and not percent-encoded"
        ) from None


def of_key(ring: KeyRing, key_id: str) -> str:
    """Return the subject of a key; raise RevocationError if the ring lacks it."""
    if key_id not in {key.id for key in ring.keys}:
        raise RevocationError(
            f"no key {key_id!r} is on the ring, so nothing that it signed verifies"
        )
    return revocations.of_key(key_id)
