"""Revocation targets: of a request for a link, and of a request to revoke links."""

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
    """Return every revocation target that covers *link*, requested for *path*."""
    claims = link.claims
    always = [
        revocations.of_url(link.mac),
        revocations.of_key(claims.key_id),
        revocations.of_path(""),
    ]
    if claims.upload is not None:
        # The path of a link to an upload is only a name: no folder covers it.
        return [*always, revocations.of_upload(claims.upload)]
    # The folder of a folder link is among the parents of the requested path.
    parents = accumulate(path.split("/"), "{}/{}".format)
    return [*always, *map(revocations.of_path, parents)]


def verified(ring: KeyRing, url: str) -> SignedURL:
    """Return the verified link of *url*, expired or not.

    Raise RevocationError if the URL does not verify: it does not work in any case.
    """
    try:
        return signed_url.verify(ring, *signed_url.split(url))
    except LinkError as error:
        raise RevocationError(
            f"no key on the ring has signed this URL ({error.reason}), so it opens "
            "nothing"
        ) from None


def of_path(text: str) -> str:
    """Return the revocation target of a path; ``""`` means all links.

    Raise RevocationError if no link can lead to the path.
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
    """Return the revocation target of a key.

    Raise RevocationError if the key is not on the ring.
    """
    if key_id not in {key.id for key in ring.keys}:
        raise RevocationError(
            f"the key {key_id!r} is not on the ring, so no link that it signed verifies"
        )
    return revocations.of_key(key_id)
