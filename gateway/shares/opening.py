"""Opens share links: checks them before the share is shown."""

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
    """A share that is open for the recipient of one link.

    ``owner`` is the user who created it, or None for the operator.
    """

    share: Share
    recipient: Recipient
    items: list[Item]
    owner: User | None

    @property
    def sender(self) -> str:
        """The name of the user who created the share, empty for the operator."""
        return self.owner.name if self.owner else ""

    def item(self, number: int) -> Item | None:
        """Return the item with this number, or None."""
        return next((item for item in self.items if item.number == number), None)

    @property
    def is_counted(self) -> bool:
        """Return whether the number of downloads is limited."""
        return self.share.max_downloads is not None

    @property
    def left(self) -> int | None:
        """The number of downloads left for the link; None means no limit."""
        limit = self.share.max_downloads
        spent = self.recipient.taken - self.recipient.given_back
        return None if limit is None else max(0, limit - spent)

    @property
    def is_spent(self) -> bool:
        """Return whether all downloads of the link are used up."""
        return self.left == 0

    @property
    def has_password(self) -> bool:
        """Return whether the share requires a password."""
        return self.share.password_hash is not None

    @property
    def has_otp(self) -> bool:
        """Return whether each lease requires a one-time code."""
        return self.share.has_otp


@dataclass(frozen=True)
class Openings:
    """Opens share links and issues leases for ``lease_life`` seconds.

    ``can_mail`` is whether a relay for one-time codes is set up.
    """

    database: Database
    codes: ShareCodes
    lease_life: int
    can_mail: bool

    def open(self, code: str, *, now: int) -> OpenShare:
        """Return the share of the link with this code.

        Raise LinkError for a code that is forged, expired, revoked or not yet valid,
        NotServableError if the share was deleted.
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
        """Record that the page was shown; skipped if the catalog is busy."""
        if opened.recipient.opened is None:
            self.database.attempt(
                lambda c: recipients.note_opened(c, opened.recipient, now=now),
                alone=False,
            )

    def check_password(
        self, opened: OpenShare, password: str, *, network: str, now: int
    ) -> None:
        """Raise an error unless *password* is correct or the share has no password.

        Raise PasswordRequiredError for an empty password, WrongSharePasswordError for
        a wrong password, TooManyAttemptsError for too many attempts per link and
        *network*.
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
        """Mail a new one-time code to the recipient; the previous code becomes invalid.

        Raise ShareSpentError if no downloads are left, TooManyCodesError if the last
        code is too recent, CodeUnavailableError if no code can be mailed.
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
        """Return whether the recipient has a one-time code that is still valid."""
        if not opened.has_otp:
            return False
        with self.database.read() as connection:
            return one_time_codes.tries_left(connection, opened.recipient, now=now) > 0

    def mailed(self, opened: OpenShare) -> int | None:
        """Return when the relay accepted the mail with the link, or None."""
        if not opened.recipient.address:
            return None
        with self.database.read() as connection:
            return outbox.mailed(connection, opened.recipient)

    def has_lease(self, opened: OpenShare, lease: str, *, now: int) -> bool:
        """Return whether *lease* is the code of a valid lease of this link."""
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
        """Issue a lease and return its code; it expires with the share at the latest.

        *otp* is the one-time code, without spaces, which the lease uses up if the share
        requires codes.  *agent* is the User-Agent; *is_scanner* is whether the client
        is probably a link scanner.

        Raise CodeRequiredError or WrongCodeError for a missing or wrong one-time code,
        ShareBusyError or ShareSpentError if all downloads of the link are taken; the
        one-time code then stays valid.
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
        # Raised after the transaction, which must commit the failed attempt.
        raise WrongCodeError(left)


def _check_open(share: Share, *, now: int) -> None:
    state = share.state(now=now)
    if state is State.REVOKED:
        raise RevokedLinkError
    if state is State.EXPIRED:
        raise ExpiredLinkError(share.expires or 0)
    if state is State.EARLY:
        raise EarlyLinkError(share.not_before or 0)
