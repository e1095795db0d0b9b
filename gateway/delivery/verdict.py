"""The verdict on one request: deliver (and how), or refuse (and why)."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING

from gateway.errors import RefusedError
from gateway.links import policy, signed_url
from gateway.links.claims import Presentation
from gateway.storage.content import blob_on_disk
from gateway.storage.media_types import MediaTypes, is_inert
from gateway.storage.paths import FilePath

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.delivery.revocation_check import RevocationCheck
    from gateway.links import KeyRing
    from gateway.links.claims import Claims
    from gateway.storage.content import Content
    from gateway.storage.files import Files


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """Send this file.

    ``content`` says where its bytes are, ``name`` is the name that a browser saves it
    as, ``max_age`` the seconds that the client may cache it, ``shared_max_age`` the
    seconds that shared caches may store it, ``rate`` bytes per second or None for full
    speed.
    ``valid_until`` is the Unix second in which the verdict becomes invalid, None if it
    is valid for this request only.  From ``renew_from`` on, one request asks for a new
    verdict, while other requests still use the old verdict.  ``ledger`` is the text for
    the ledger, in ASCII.
    """

    content: Content
    name: str
    is_inline: bool
    max_age: int
    rate: int | None
    shared_max_age: int = 0
    valid_until: int | None = None
    renew_from: int | None = None
    ledger: str = ""


@dataclass(frozen=True)
class Refusal:
    """Send no file; the error is the reason."""

    error: RefusedError


@dataclass(frozen=True)
class InlinePolicy:
    """Which media types browsers may show.

    ``opted_in`` are the types that the operator allows although they can contain
    script.
    """

    opted_in: frozenset[str] = frozenset()

    def allows(self, media_type: str) -> bool:
        """Tell whether *media_type* may be shown in the browser."""
        return is_inert(media_type) or media_type in self.opted_in


@dataclass(frozen=True)
class Begin:
    """Send a file of this lease once the start of the download is recorded."""

    lease_id: str
    delivery: Delivery


Verdict = Delivery | Begin | Refusal


@dataclass(frozen=True, kw_only=True)
class SignedURLJudge:
    """Judges requests for signed URLs.

    ``cache_cap`` is the maximum number of seconds that a client may cache a file,
    ``shared_cap`` that a shared cache may store the file of a shared link, and ``ttl``
    that nginx may cache a verdict that is the same for every client.  ``blob_content``
    says where nginx finds a blob of a size in bytes.
    """

    ring: KeyRing
    files: Files
    types: MediaTypes
    revocation_check: RevocationCheck
    cache_cap: int
    shared_cap: int
    ttl: int
    inline: InlinePolicy
    blob_content: Callable[[str, int], Content] = blob_on_disk

    def judge(self, target: bytes, *, now: float, client: str) -> Verdict:
        """Judge a request for *target*, ``<token>/<path>``.

        *target* is percent-decoded, *now* Unix seconds.

        The signature is checked before anything else, so that a request without a valid
        signature reveals nothing about existing files and revocations.  Raise
        CatalogBusyError if the catalog does not answer in time.
        """
        try:
            token, _, raw_path = target.partition(b"/")
            path = FilePath.decode(raw_path)
            link = signed_url.verify(self.ring, token.decode("latin-1"), path.text)
            claims = link.claims
            policy.check_key(link, now=now)
            policy.check(claims, now=now, client=client)
            self.revocation_check.check(link, path.text)
            content, media_type = self._find(claims, path)
        except RefusedError as error:
            return Refusal(error)
        until = self._until(claims, now)
        return Delivery(
            content=content,
            name=claims.name or path.name,
            is_inline=claims.presentation is not Presentation.ATTACHMENT
            and self.inline.allows(media_type),
            max_age=_lifetime(self.cache_cap, claims, until),
            shared_max_age=self._shared_max_age(claims, until),
            rate=claims.rate,
            **self._validity(claims, until),  # type: ignore[arg-type]
        )

    def _until(self, claims: Claims, now: float) -> int:
        """Return the second in which the verdict becomes invalid, at the latest."""
        until = max(int(now) + self.ttl, ceil(now))
        return until if claims.expires is None else min(until, claims.expires)

    def _validity(self, claims: Claims, until: int) -> dict[str, int]:
        if claims.networks or not self.ttl:
            return {}
        # A ttl of one second is too short: such a verdict is not renewed early.
        return {"valid_until": until, "renew_from": until - (self.ttl > 1)}

    def _shared_max_age(self, claims: Claims, until: int) -> int:
        # (!) nginx, as a shared cache, counts whole seconds from the answer's arrival,
        #     and uses its copy through the last one: without the second that is left
        #     out here, a copy may outlive the link.
        return _lifetime(self.shared_cap, claims, until + 1) if claims.shared else 0

    def _find(self, claims: Claims, path: FilePath) -> tuple[Content, str]:
        """Return a file's content and its media type."""
        if claims.upload is not None:
            upload = self.revocation_check.upload(claims.upload)
            return self.blob_content(upload.blob, upload.size), upload.media_type
        served = self.files.serve(path)
        return served.content, self.types.of(served.name)


def _lifetime(cap: int, claims: Claims, until: int) -> int:
    """Return the seconds for which a file that is sent just before *until* is fresh.

    They are at most *cap*, and end with the link.
    """
    if claims.expires is None:
        return cap
    return max(0, min(cap, claims.expires - until))
