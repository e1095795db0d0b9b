"""A share as JSON: what API and command print."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from gateway.catalog import bookings, recipients, shares
from gateway.catalog.shares import State

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy import Connection

    from gateway.catalog.bookings import Progress
    from gateway.catalog.recipients import Recipient
    from gateway.catalog.shares import Item, Share
    from gateway.shares.codes import ShareCodes

#: Items whose names stand for a title.
_NAMED: Final = 3
#: Percent.
_WHOLE: Final = 100


class RecipientState(StrEnum):
    """How far a recipient has come."""

    UNOPENED = "unopened"
    OPENED = "opened"
    BEGUN = "begun"
    PARTLY = "partly"
    WHOLE = "whole"
    OVER = "over"


@dataclass(frozen=True, kw_only=True)
class DescribedShare:
    """A share with all that belongs to it."""

    share: Share
    items: list[Item]
    recipients: list[Recipient]
    progress: dict[str, list[Progress]]

    def state(self, recipient: Recipient, *, now: int) -> RecipientState:
        """Tell how far a recipient has come; a link that opens nothing more is over.

        One to whom every item was sent whole has it all; of a folder that is every file
        that was asked for.
        """
        is_over = self.share.state(now=now) in {State.EXPIRED, State.REVOKED}
        if is_over or recipient.revoked is not None:
            return RecipientState.OVER
        if recipient.sent or recipient.id in self.progress:
            is_whole = self.percent(recipient) == _WHOLE
            return RecipientState.WHOLE if is_whole else RecipientState.PARTLY
        if recipient.begun is not None:
            return RecipientState.BEGUN
        if recipient.opened is not None:
            return RecipientState.OPENED
        return RecipientState.UNOPENED

    def percent(self, recipient: Recipient) -> int:
        """Return how much of the share was sent, as of the last finished request."""
        files = self.progress.get(recipient.id, [])
        by_item = {
            item.number: [f for f in files if f.item == item.number]
            for item in self.items
        }
        if all(some and all(f.is_whole for f in some) for some in by_item.values()):
            return _WHOLE
        size = sum(
            sum(f.size for f in by_item[item.number]) or item.size or 0
            for item in self.items
        )
        done = sum(
            f.size if f.is_whole else f.covered
            for some in by_item.values()
            for f in some
        )
        return min(_WHOLE - 1, _WHOLE * done // max(1, size))

    @property
    def name(self) -> str:
        """Its title, or else the names of what it opens."""
        names = [item.name for item in self.items]
        more = ", …" if len(names) > _NAMED else ""
        return self.share.title or ", ".join(names[:_NAMED]) + more


@dataclass(frozen=True)
class Descriptions:
    """Describes shares; ``base_url`` tells the address that people use."""

    codes: ShareCodes
    base_url: Callable[[], str]

    def url(self, recipient: Recipient) -> str:
        """Return the URL of a recipient's link."""
        return self.codes.url(recipient, base=self.base_url())

    def facts(self, found: DescribedShare, *, now: int) -> dict[str, object]:
        """Return a share as JSON takes it; times are Unix seconds."""
        share = found.share
        return {
            "id": share.id,
            "title": share.title,
            "message": share.message,
            "lang": share.lang,
            "state": share.state(now=now),
            "created": share.created,
            "not_before": share.not_before,
            "expires": share.expires,
            "revoked": share.revoked,
            "max": share.max_downloads,
            "has_password": share.password_hash is not None,
            "items": [_item(item) for item in found.items],
            "recipients": [
                {
                    "id": each.id,
                    "address": each.address,
                    "label": each.label,
                    "url": self.url(each),
                    "state": found.state(each, now=now),
                    "opened": each.opened,
                    "begun": each.begun,
                    "taken": each.taken - each.given_back,
                    "given_back": each.given_back,
                    "sent": each.sent,
                    "percent": found.percent(each),
                    "scanned": each.scanned,
                }
                for each in found.recipients
            ],
        }


def gather(connection: Connection, found: Sequence[Share]) -> list[DescribedShare]:
    """Read what belongs to shares."""
    ids = [share.id for share in found]
    items = shares.items_of(connection, ids)
    links = recipients.of_shares(connection, ids)
    progress = bookings.progress(connection, ids)
    return [
        DescribedShare(
            share=share,
            items=[item for item in items if item.share_id == share.id],
            recipients=[link for link in links if link.share_id == share.id],
            progress=progress,
        )
        for share in found
    ]


def _item(item: Item) -> dict[str, object]:
    return {
        "number": item.number,
        "name": item.name,
        "upload": item.upload_id,
        "path": item.path,
        "size": item.size,
    }
