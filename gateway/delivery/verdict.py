"""The gateway's answer to one request: deliver, and how, or refuse, and why."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from math import ceil
from typing import TYPE_CHECKING, NamedTuple

from gateway.errors import RefusedError
from gateway.links import policy, signed_url
from gateway.links.claims import Presentation
from gateway.storage.media_types import MediaTypes, is_inert
from gateway.storage.paths import FilePath

if TYPE_CHECKING:
    from gateway.delivery.revocation_check import RevocationCheck
    from gateway.links import KeyRing
    from gateway.links.claims import Claims
    from gateway.storage.tree import FilesTree


class Source(StrEnum):
    """Where a delivered file lies."""

    FILES = "files"
    BLOBS = "blobs"


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """Send this file.

    ``target`` is its symlink-free path below ``source``, ``size`` its bytes,
    ``name`` what a browser saves it as, ``max_age`` the seconds that the client
    may keep it, ``rate`` bytes a second or None for full speed.  ``stands_until``
    is the Unix second from which the verdict holds no more, None if it holds for
    this request alone; from ``renew_from`` on one request asks anew, while others
    still go by this one.  ``ledger`` is what the ledger is told of it, in ASCII.
    """

    source: Source
    target: str
    size: int
    name: str
    is_inline: bool
    max_age: int
    rate: int | None
    stands_until: int | None = None
    renew_from: int | None = None
    ledger: str = ""


@dataclass(frozen=True)
class Refusal:
    """Send no file; the error tells why."""

    error: RefusedError


@dataclass(frozen=True)
class InlinePolicy:
    """Which media types browsers may show.

    ``opted_in`` are those that the operator lets them show although they could
    run script.
    """

    opted_in: frozenset[str] = frozenset()

    def allows(self, media_type: str) -> bool:
        """Tell whether *media_type* may be shown in the browser."""
        return is_inert(media_type) or media_type in self.opted_in


@dataclass(frozen=True)
class Begin:
    """Send a file of this lease, once it is noted that it is on its way."""

    lease_id: str
    delivery: Delivery


Verdict = Delivery | Begin | Refusal


class _Found(NamedTuple):
    source: Source
    target: str
    size: int
    media_type: str


@dataclass(frozen=True, kw_only=True)
class SignedURLJudge:
    """Judges requests for signed URLs.

    ``cache_cap`` bounds the seconds that a client may keep a file, ``ttl`` those
    that a verdict may be kept which is the same for every client.
    """

    ring: KeyRing
    tree: FilesTree
    types: MediaTypes
    standing: RevocationCheck
    cache_cap: int
    ttl: int
    inline: InlinePolicy

    def judge(self, token: str, raw_path: bytes, *, now: float, client: str) -> Verdict:
        """Judge one request; *raw_path* is percent-decoded, *now* Unix seconds.

        The signature is checked before anything else is looked at, so that
        without one nothing can be learnt of what lies in the tree, or was taken
        back.  Raise CatalogBusyError when the catalog does not answer in time.
        """
        try:
            path = FilePath.decode(raw_path)
            link = signed_url.verify(self.ring, token, path.text)
            claims = link.claims
            policy.check_key(link, now=now)
            policy.check(claims, now=now, client=client)
            self.standing.check(link, path.text)
            found = self._find(claims, path)
        except RefusedError as error:
            return Refusal(error)
        until = self._until(claims, now)
        return Delivery(
            source=found.source,
            target=found.target,
            size=found.size,
            name=claims.name or path.name,
            is_inline=claims.presentation is not Presentation.ATTACHMENT
            and self.inline.allows(found.media_type),
            max_age=self._max_age(claims, until),
            rate=claims.rate,
            **self._standing(claims, until),  # type: ignore[arg-type]
        )

    def _until(self, claims: Claims, now: float) -> int:
        """Return the second in which the verdict is over, at the latest."""
        until = max(int(now) + self.ttl, ceil(now))
        return until if claims.expires is None else min(until, claims.expires)

    def _standing(self, claims: Claims, until: int) -> dict[str, int]:
        if claims.networks or not self.ttl:
            return {}
        # Of a single second none is left for both.
        return {"stands_until": until, "renew_from": until - (self.ttl > 1)}

    def _max_age(self, claims: Claims, until: int) -> int:
        """Return what a client may keep that is sent just before *until*."""
        if claims.expires is None:
            return self.cache_cap
        return min(self.cache_cap, claims.expires - until)

    def _find(self, claims: Claims, path: FilePath) -> _Found:
        if claims.upload is not None:
            upload = self.standing.upload(claims.upload)
            return _Found(Source.BLOBS, upload.blob, upload.size, upload.media_type)
        found = self.tree.locate(path)
        media_type = self.types.of(found.path.name)
        return _Found(Source.FILES, found.path.text, found.size, media_type)
