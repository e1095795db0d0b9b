"""Verdicts on leased downloads: ``/l/<lease>/[open/]<number>/<path>``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, Final

from gateway.delivery.verdict import Begin, Delivery, Refusal
from gateway.errors import (
    DisabledOwnerError,
    EarlyLinkError,
    EndedLeaseError,
    ExpiredLinkError,
    NotServableError,
    RefusedError,
    RevokedLinkError,
)
from gateway.shares.ledger import SharedFile

if TYPE_CHECKING:
    from gateway.catalog.leases import LeasedItem, LeasedItems
    from gateway.delivery.verdict import InlinePolicy, Verdict
    from gateway.shares.codes import ShareCodes
    from gateway.shares.items import Items

#: ``open`` is ``codes.INLINE``.
_TARGET: Final = re.compile(r"(?:(open)/)?([1-9][0-9]{0,5})/(.+)", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class LeaseJudge:
    """Judges requests for leased downloads.

    ``cache_cap`` is the maximum ``max-age`` for clients, ``ttl`` the seconds for which
    nginx may cache a verdict.
    """

    codes: ShareCodes
    leased: LeasedItems
    items: Items
    inline: InlinePolicy
    cache_cap: int
    ttl: int

    def judge(self, target: bytes, *, now: float, client: str) -> Verdict:
        """Judge a request for *target*, ``<lease>/[open/]<number>/<path>``.

        *target* is percent-decoded, *now* Unix seconds.

        While a lease holds no slot yet, the verdict is Begin, which is never cached:
        each request must first try to start the download.
        Raise CatalogBusyError if the catalog does not answer in time.
        """
        del client
        try:
            token, _, path = target.partition(b"/")
            lease_id = self.codes.lease_id(token.decode("latin-1"))
            match = _TARGET.fullmatch(_decoded(path))
            if match is None:
                raise NotServableError("not-an-item")
            item = self.leased.find(lease_id, int(match[2]))
            if item is None:
                raise NotServableError("no-lease")
            _check_valid(item, now=now)
            found = self.items.find(item.item, match[3])
        except RefusedError as error:
            return Refusal(error)
        until = min(max(int(now) + self.ttl, ceil(now)), item.expires)
        caching = {"valid_until": until, "renew_from": until - (self.ttl > 1)}
        is_cached = self.ttl and item.holds_slot
        delivery = Delivery(
            content=found.content,
            name=found.name,
            is_inline=match[1] is not None and self.inline.allows(found.media_type),
            max_age=min(self.cache_cap, item.expires - until),
            rate=None,
            ledger=SharedFile(
                share=item.item.share_id,
                recipient=item.recipient_id,
                lease=lease_id,
                item=item.item.number,
                size=found.content.size,
                path=match[3] if item.item.is_folder else "",
            ).text,
            **(caching if is_cached else {}),
        )
        return delivery if item.holds_slot else Begin(lease_id, delivery)


def _decoded(raw_path: bytes) -> str:
    """Decode a path; ``Items`` checks whether it is served.

    The name of an upload is cosmetic, and may begin with a dot.
    """
    try:
        return raw_path.decode()
    except UnicodeDecodeError:
        raise NotServableError("not-utf-8") from None


def _check_valid(leased: LeasedItem, *, now: float) -> None:
    if leased.is_revoked:
        raise RevokedLinkError
    if leased.is_ended:
        raise EndedLeaseError
    if now >= leased.expires:
        raise ExpiredLinkError(leased.expires)
    if leased.not_before is not None and now < leased.not_before:
        raise EarlyLinkError(leased.not_before)
    if leased.is_owner_disabled:
        raise DisabledOwnerError
