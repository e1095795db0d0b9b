"""A share as JSON: what API and command print."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final, TypeVar

from gateway.catalog import bookings, outbox, recipients, shares, users
from gateway.catalog.outbox import MailState
from gateway.catalog.shares import State

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from sqlalchemy import Connection

    from gateway.catalog.bookings import Progress
    from gateway.catalog.outbox import Mail
    from gateway.catalog.recipients import Recipient
    from gateway.catalog.shares import Item, Share
    from gateway.shares.codes import ShareCodes

#: Items whose names stand for a title.
_NAMED: Final = 3
#: Percent.
_WHOLE: Final = 100
#: Shares that are read at once: a database takes so many parameters, and no more.
_BATCH: Final = 50

R = TypeVar("R", "Item", "Recipient")


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
    """A share with all that belongs to it; ``mails`` are the last, by recipient.

    ``owner`` is the name of the user who made it, empty for the operator.
    """

    share: Share
    owner: str
    items: list[Item]
    recipients: list[Recipient]
    mails: dict[str, Mail]
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
    def has_folder(self) -> bool:
        """Tell whether it opens a folder, of which nobody counts the files here."""
        return any(item.is_folder for item in self.items)

    def whole_files(self, recipient: Recipient) -> int:
        """Return how many files were sent whole to a recipient."""
        return sum(file.is_whole for file in self.progress.get(recipient.id, []))

    @property
    def name(self) -> str:
        """Its title, or else the names of what it opens."""
        return _name(self.share, self.items)


@dataclass(frozen=True, kw_only=True)
class ShareSummary:
    """A share as a list has it; ``links`` are all of its links, ``opened`` some."""

    share: Share
    owner: str
    name: str
    links: int
    opened: int


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
        # Read once: it may be in a file.
        base = self.base_url()
        return {
            "id": share.id,
            "owner": found.owner,
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
            "otp": share.has_otp,
            "items": [_item(item) for item in found.items],
            "recipients": [
                {
                    "id": each.id,
                    "address": each.address,
                    "label": each.label,
                    "url": self.codes.url(each, base=base),
                    "state": found.state(each, now=now),
                    "opened": each.opened,
                    "begun": each.begun,
                    "taken": each.taken - each.given_back,
                    "given_back": each.given_back,
                    "sent": each.sent,
                    "percent": found.percent(each),
                    "scanned": each.scanned,
                    **mail_facts(found.mails.get(each.id)),
                }
                for each in found.recipients
            ],
        }


def mail_facts(mail: Mail | None) -> dict[str, object]:
    """Return what became of a mail, and what the relay said."""
    if mail is None:
        return {"mail": MailState.NONE, "mail_words": ""}
    return {"mail": mail.state, "mail_words": mail.words}


def gather(connection: Connection, found: Sequence[Share]) -> list[DescribedShare]:
    """Read what belongs to shares."""
    return [each for some in _batches(found) for each in _gather(connection, some)]


def summarize(connection: Connection, found: Sequence[Share]) -> list[ShareSummary]:
    """Read what a list tells of shares, however many recipients they have."""
    return [each for some in _batches(found) for each in _summarize(connection, some)]


def _batches(found: Sequence[Share]) -> Iterator[Sequence[Share]]:
    return (found[start : start + _BATCH] for start in range(0, len(found), _BATCH))


def _summarize(
    connection: Connection, found: Sequence[Share]
) -> Iterator[ShareSummary]:
    ids = [share.id for share in found]
    items = _by_share(shares.items_of(connection, ids))
    links = recipients.counts(connection, ids)
    owners = _owners(connection, found)
    for share in found:
        all_, opened = links[share.id]
        yield ShareSummary(
            share=share,
            owner=owners[share.owner_id],
            name=_name(share, items[share.id]),
            links=all_,
            opened=opened,
        )


def _name(share: Share, items: Sequence[Item]) -> str:
    names = [item.name for item in items]
    more = ", …" if len(names) > _NAMED else ""
    return share.title or ", ".join(names[:_NAMED]) + more


def _owners(connection: Connection, found: Sequence[Share]) -> dict[int | None, str]:
    ids = {share.owner_id for share in found if share.owner_id is not None}
    names = users.names(connection, ids)
    return {None: "", **dict(names.items())}


def _gather(connection: Connection, found: Sequence[Share]) -> list[DescribedShare]:
    ids = [share.id for share in found]
    items = _by_share(shares.items_of(connection, ids))
    links = _by_share(recipients.of_shares(connection, ids))
    progress = bookings.progress(connection, ids)
    mails = outbox.latest(connection, ids)
    owners = _owners(connection, found)
    return [
        DescribedShare(
            share=share,
            owner=owners[share.owner_id],
            items=items[share.id],
            recipients=links[share.id],
            mails=mails,
            progress=progress,
        )
        for share in found
    ]


def _by_share(rows: Sequence[R]) -> dict[str, list[R]]:
    found: dict[str, list[R]] = defaultdict(list)
    for row in rows:
        found[row.share_id].append(row)
    return found


def _item(item: Item) -> dict[str, object]:
    return {
        "number": item.number,
        "name": item.name,
        "upload": item.upload_id,
        "path": item.path,
        "size": item.size,
    }
