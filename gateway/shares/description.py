"""A share as JSON: what API and command print."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from gateway.catalog import recipients, shares
from gateway.catalog.shares import State

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy import Connection

    from gateway.catalog.recipients import Recipient
    from gateway.catalog.shares import Item, Share
    from gateway.shares.codes import ShareCodes

#: Items whose names stand for a title.
_NAMED: Final = 3


class RecipientState(StrEnum):
    """How far a recipient has come."""

    UNOPENED = "unopened"
    OPENED = "opened"
    BEGUN = "begun"
    OVER = "over"


@dataclass(frozen=True, kw_only=True)
class DescribedShare:
    """A share with all that belongs to it."""

    share: Share
    items: list[Item]
    recipients: list[Recipient]

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
                    "state": recipient_state(share, each, now=now),
                    "opened": each.opened,
                    "begun": each.begun,
                    "taken": each.taken - each.given_back,
                    "given_back": each.given_back,
                    "sent": each.sent,
                }
                for each in found.recipients
            ],
        }


def recipient_state(share: Share, recipient: Recipient, *, now: int) -> RecipientState:
    """Tell how far a recipient has come; a link that opens nothing more is over."""
    is_over = share.state(now=now) in {State.EXPIRED, State.REVOKED}
    if is_over or recipient.revoked is not None:
        return RecipientState.OVER
    if recipient.begun is not None:
        return RecipientState.BEGUN
    if recipient.opened is not None:
        return RecipientState.OPENED
    return RecipientState.UNOPENED


def gather(connection: Connection, found: Sequence[Share]) -> list[DescribedShare]:
    """Read what belongs to shares."""
    ids = [share.id for share in found]
    items = shares.items_of(connection, ids)
    links = recipients.of_shares(connection, ids)
    return [
        DescribedShare(
            share=share,
            items=[item for item in items if item.share_id == share.id],
            recipients=[link for link in links if link.share_id == share.id],
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
