"""A share as JSON: what API and command print."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final, Self, TypeVar

from pydantic import BaseModel, ConfigDict

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

#: A share without a title is named after so many of its items.
_NAMED: Final = 3
#: Percent.
_WHOLE: Final = 100
#: Shares that are read at once: databases limit the parameters of a query.
_BATCH: Final = 50
_FROZEN: Final = ConfigDict(frozen=True, use_attribute_docstrings=True)

R = TypeVar("R", "Item", "Recipient")


class RecipientState(StrEnum):
    """How far a recipient's download has come; links that have ended are ``over``."""

    UNOPENED = "unopened"
    OPENED = "opened"
    BEGUN = "begun"
    PARTLY = "partly"
    WHOLE = "whole"
    OVER = "over"


class ItemDescription(BaseModel):
    """An upload, or a file or folder of the files tree, that a share opens."""

    model_config = _FROZEN

    number: int
    """The number of the item; it is never reused within the share."""
    name: str
    upload: str | None
    """The id of the upload, or null for a path."""
    path: str | None
    """The path in the files tree, or null for an upload; a folder's ends in `/`."""
    size: int | None
    """Bytes of an upload; null for a deleted upload and for the files tree."""

    @classmethod
    def of(cls, item: Item) -> Self:
        """Return the description of *item*."""
        return cls(
            number=item.number,
            name=item.name,
            upload=item.upload_id,
            path=item.path,
            size=item.size,
        )


class RecipientDescription(BaseModel):
    """A recipient of a share, the recipient's link, and its downloads."""

    model_config = _FROZEN

    id: str
    address: str
    """The mail address; empty if the owner passes the link on."""
    label: str
    url: str
    """The link."""
    state: RecipientState
    opened: int | None
    """When the link was first opened."""
    begun: int | None
    """When a download was first started."""
    taken: int
    """Downloads that count against `max`, without those that were given back."""
    given_back: int
    """Downloads that were given back."""
    sent: int
    """Sent bytes."""
    percent: int
    """The sent percentage of the share, as of the last finished request."""
    scanned: int
    """Downloads that were probably made by a mail scanner; `taken` includes them."""
    mail: MailState
    mail_words: str
    """What the mail relay answered."""


class ShareDescription(BaseModel):
    """A share, as its owner sees it; times are Unix seconds."""

    model_config = _FROZEN

    id: str
    owner: str
    """The name of the user who created the share; empty for the operator."""
    title: str
    message: str
    lang: str
    """The language of the mails; empty means English."""
    state: State
    created: int
    not_before: int | None
    """When the share becomes valid; null means at once."""
    expires: int | None
    """When the share expires; null means never."""
    revoked: int | None
    max: int | None
    """Maximum downloads per link; null means no limit."""
    has_password: bool
    otp: bool
    """Whether each download needs a one-time code."""
    items: list[ItemDescription]
    recipients: list[RecipientDescription]


@dataclass(frozen=True, kw_only=True)
class DescribedShare:
    """A share with its items, recipients, and the last mail to each recipient.

    ``mails`` and ``progress`` have the ids of recipients as keys.  ``owner`` is the
    name of the user who made the share, empty for the operator.
    """

    share: Share
    owner: str
    items: list[Item]
    recipients: list[Recipient]
    mails: dict[str, Mail]
    progress: dict[str, list[Progress]]

    def state(self, recipient: Recipient, *, now: int) -> RecipientState:
        """Return the state of a recipient's download; an ended link is over.

        The download is whole if every item was sent completely; in a folder, only the
        requested files count.
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
        """Return the percentage that was sent, as of the last finished request."""
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
        """Tell whether the share has a folder: its files are not counted."""
        return any(item.is_folder for item in self.items)

    def whole_files(self, recipient: Recipient) -> int:
        """Return how many files were sent whole to a recipient."""
        return sum(file.is_whole for file in self.progress.get(recipient.id, []))

    @property
    def name(self) -> str:
        """The share's title or, without a title, the names of its items."""
        return _name(self.share, self.items)


@dataclass(frozen=True, kw_only=True)
class ShareSummary:
    """A share in a list; ``links`` and ``opened`` count its links and opened links."""

    share: Share
    owner: str
    name: str
    links: int
    opened: int


@dataclass(frozen=True)
class Descriptions:
    """Describes shares; ``base_url`` returns the public address of the gateway."""

    codes: ShareCodes
    base_url: Callable[[], str]

    def url(self, recipient: Recipient) -> str:
        """Return the URL of a recipient's link."""
        return self.codes.url(recipient, base=self.base_url())

    def of(self, described: DescribedShare, *, now: int) -> ShareDescription:
        """Return the description of a share; times are Unix seconds."""
        share = described.share
        # Read once: it may be in a file.
        base = self.base_url()
        return ShareDescription(
            id=share.id,
            owner=described.owner,
            title=share.title,
            message=share.message,
            lang=share.lang,
            state=share.state(now=now),
            created=share.created,
            not_before=share.not_before,
            expires=share.expires,
            revoked=share.revoked,
            max=share.max_downloads,
            has_password=share.password_hash is not None,
            otp=share.has_otp,
            items=[ItemDescription.of(item) for item in described.items],
            recipients=[
                self._recipient(described, each, base=base, now=now)
                for each in described.recipients
            ],
        )

    def _recipient(
        self, described: DescribedShare, recipient: Recipient, *, base: str, now: int
    ) -> RecipientDescription:
        mail = described.mails.get(recipient.id)
        return RecipientDescription(
            id=recipient.id,
            address=recipient.address,
            label=recipient.label,
            url=self.codes.url(recipient, base=base),
            state=described.state(recipient, now=now),
            opened=recipient.opened,
            begun=recipient.begun,
            taken=recipient.taken - recipient.given_back,
            given_back=recipient.given_back,
            sent=recipient.sent,
            percent=described.percent(recipient),
            scanned=recipient.scanned,
            mail=MailState.NONE if mail is None else mail.state,
            mail_words="" if mail is None else mail.words,
        )


def gather(connection: Connection, found: Sequence[Share]) -> list[DescribedShare]:
    """Read the items, recipients, mails and progress of shares."""
    return [each for some in _batches(found) for each in _gather(connection, some)]


def summarize(connection: Connection, found: Sequence[Share]) -> list[ShareSummary]:
    """Return the summaries of shares for a list, without reading recipients' rows."""
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
