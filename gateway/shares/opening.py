"""What a share link opens: judged before anything of the share is shown."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from gateway.catalog import (
    leases,
    login_attempts,
    one_time_codes,
    outbox,
    password_hashes,
    recipients,
    shares,
    users,
)
from gateway.catalog.leases import NewLease
from gateway.catalog.shares import State
from gateway.errors import (
    CodeRequiredError,
    CodeUnavailableError,
    DisabledOwnerError,
    EarlyLinkError,
    ExpiredLinkError,
    LinkError,
    NotServableError,
    PasswordRequiredError,
    RevokedLinkError,
    ShareSpentError,
    WrongCodeError,
    WrongSharePasswordError,
)

if TYPE_CHECKING:
    from gateway.catalog.database import Database
    from gateway.catalog.recipients import Recipient
    from gateway.catalog.shares import Item, Share
    from gateway.catalog.users import User
    from gateway.shares.codes import ShareCodes

#: Digits of a one-time code.
DIGITS: Final = 6


@dataclass(frozen=True, kw_only=True)
class OpenShare:
    """A share that stands open to the recipient of one link.

    ``owner`` is the user who made it, None the operator.
    """

    share: Share
    recipient: Recipient
    items: list[Item]
    owner: User | None

    @property
    def sender(self) -> str:
        """The name of the user who made it, empty for the operator."""
        return self.owner.name if self.owner else ""

    def item(self, number: int) -> Item | None:
        """Return the item of that number, or None."""
        return next((item for item in self.items if item.number == number), None)

    @property
    def is_counted(self) -> bool:
        """Tell whether its downloads are."""
        return self.share.max_downloads is not None

    @property
    def left(self) -> int | None:
        """How many downloads of the link are not spent; None is any number."""
        most = self.share.max_downloads
        spent = self.recipient.taken - self.recipient.given_back
        return None if most is None else max(0, most - spent)

    @property
    def is_spent(self) -> bool:
        """Tell whether all downloads of the link are spent."""
        return self.left == 0

    @property
    def has_password(self) -> bool:
        """Tell whether it opens by a password."""
        return self.share.password_hash is not None

    @property
    def has_otp(self) -> bool:
        """Tell whether each lease needs a one-time code."""
        return self.share.has_otp


@dataclass(frozen=True)
class Openings:
    """Opens share links and gives leases, which last *lease_life* seconds.

    ``can_mail`` tells whether there is a relay for one-time codes.
    """

    database: Database
    codes: ShareCodes
    lease_life: int
    can_mail: bool

    def open(self, code: str, *, now: int) -> OpenShare:
        """Return what the link of a code opens.

        Raise LinkError for a code that was never made or is over, and NotServableError
        for one whose share was deleted.
        """
        code_id = self.codes.code_id(code)
        with self.database.read() as connection:
            recipient = recipients.by_code_id(connection, code_id)
            if recipient is None:
                raise NotServableError("no-share-link")
            share = shares.by_id(connection, recipient.share_id)
            assert share is not None  # noqa: S101 -- a foreign key says so
            owner = None
            if share.owner_id is not None:
                owner = users.by_id(connection, share.owner_id)
            items = shares.items_of(connection, [share.id])
        if recipient.revoked is not None:
            raise RevokedLinkError
        _check_open(share, now=now)
        if owner and owner.is_disabled:
            raise DisabledOwnerError
        return OpenShare(
            share=share,
            recipient=recipient,
            items=items,
            owner=owner,
        )

    def note_opened(self, opened: OpenShare, *, now: int) -> None:
        """Note that the page was shown, unless the catalog is busy."""
        if opened.recipient.opened is None:
            self.database.attempt(
                lambda c: recipients.note_opened(c, opened.recipient, now=now),
                alone=False,
            )

    def check_password(
        self, opened: OpenShare, password: str, *, network: str, now: int
    ) -> None:
        """Raise unless *password* is the share's, if it has one.

        That is PasswordRequiredError for none, WrongSharePasswordError for another one,
        TooManyAttemptsError for too many of a link and *network*.
        """
        if opened.share.password_hash is None:
            return
        if not password:
            raise PasswordRequiredError
        link = login_attempts.by_link(opened.recipient.id, network)
        with self.database.write() as connection:
            login_attempts.spend(connection, [link], now=now)
        if not password_hashes.verifies(opened.share.password_hash, password):
            raise WrongSharePasswordError
        with self.database.write() as connection:
            login_attempts.clear(connection, link)

    def mail_code(self, opened: OpenShare, *, now: int) -> None:
        """Have a new one-time code mailed to the recipient; an earlier one ends.

        Raise ShareSpentError if it would open nothing, TooManyCodesError if it comes
        too soon, CodeUnavailableError if none can be mailed.
        """
        if opened.is_spent:
            raise ShareSpentError
        recipient, owner = opened.recipient, opened.owner
        may_mail = self.can_mail and (owner is None or owner.may_send_mail)
        if not may_mail or not recipient.address:
            raise CodeUnavailableError
        digits = f"{secrets.randbelow(10**DIGITS):0{DIGITS}}"
        mac = self.codes.one_time_mac(recipient, digits)
        with self.database.write() as connection:
            one_time_codes.mail(
                connection, recipient, owner, code=digits, mac=mac, now=now
            )

    def awaits_code(self, opened: OpenShare, *, now: int) -> bool:
        """Tell whether the recipient has a one-time code that still works."""
        if not opened.has_otp:
            return False
        with self.database.read() as connection:
            return one_time_codes.tries_left(connection, opened.recipient, now=now) > 0

    def mailed(self, opened: OpenShare) -> int | None:
        """Return when the relay took the mail with the link, None if there was none."""
        if not opened.recipient.address:
            return None
        with self.database.read() as connection:
            return outbox.mailed(connection, opened.recipient)

    def is_of(self, lease: str, opened: OpenShare, *, now: int) -> bool:
        """Tell whether that is the code of a lease of this link, which stands."""
        try:
            lease_id = self.codes.lease_id(lease)
        except LinkError:
            return False
        with self.database.read() as connection:
            recipient_id = leases.recipient_of(connection, lease_id, now=now)
        return recipient_id == opened.recipient.id

    def lease(
        self,
        opened: OpenShare,
        *,
        otp: str,
        agent: str,
        is_scanner: bool,
        now: int,
    ) -> str:
        """Give a lease and return its code; it ends with the share at the latest.

        *otp* is the one-time code, without blanks, which the lease uses up if the share
        needs any.  *agent* is the browser's name, *is_scanner* says that it is probably
        none.

        Raise CodeRequiredError or WrongCodeError for no one-time code or another one,
        ShareBusyError or ShareSpentError if all downloads of the link are taken; then
        the code stays good.
        """
        if opened.has_otp and not otp:
            raise CodeRequiredError
        expires = now + self.lease_life
        if opened.share.expires is not None:
            expires = min(expires, opened.share.expires)
        new = NewLease(expires=expires, agent=agent, is_scanner=is_scanner)
        recipient = opened.recipient
        mac = self.codes.one_time_mac(recipient, otp)
        with self.database.write() as connection:
            if not opened.has_otp or one_time_codes.spend(
                connection, recipient, mac, now=now
            ):
                lease_id = leases.take(connection, recipient, new, now=now)
                return self.codes.lease_code(lease_id)
            left = one_time_codes.tries_left(connection, recipient, now=now)
        # Not in the transaction: a wrong code counts.
        raise WrongCodeError(left)


def _check_open(share: Share, *, now: int) -> None:
    state = share.state(now=now)
    if state is State.REVOKED:
        raise RevokedLinkError
    if state is State.EXPIRED:
        raise ExpiredLinkError(share.expires or 0)
    if state is State.EARLY:
        raise EarlyLinkError(share.not_before or 0)
