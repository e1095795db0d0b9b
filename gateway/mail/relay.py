"""The operator's mail relay: one connection for many mails."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from gateway.mail.session import Patience, begin

if TYPE_CHECKING:
    from gateway.config.mail_url import MailURL
    from gateway.mail.replies import Outcome
    from gateway.mail.session import Hear, Session


@dataclass
class Relay:
    """Sends mails of the address ``sender``; a context manager.

    ``hear`` gets each line of the dialogue as it comes, with the credentials blanked.
    """

    url: MailURL
    sender: str
    patience: Patience = field(default_factory=Patience)
    hear: Hear = str
    _session: Session | None = field(default=None, init=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._session is not None:
            self._session.leave()
            self._session = None

    def send(self, recipient: str, content: bytes) -> Outcome:
        """Offer a mail and deliver it; raise RelayError as ``offer`` does."""
        return self.offer(recipient) or self.deliver(content)

    def offer(self, recipient: str) -> Outcome | None:
        """Ask whether the relay takes a mail to an address (in ASCII).

        Return None if it does: then ``deliver`` it.  Raise RelayError if the relay
        can't be reached or does not let the gateway in.
        """
        if self._session is None or not self._session.starts_anew():
            self._session = None
            self._session = begin(self.url, self.patience, self.hear)
        return self._session.offer(self.sender, recipient)

    def deliver(self, content: bytes) -> Outcome:
        """Send the mail that was offered just before; its lines end with CRLF."""
        if self._session is None:
            raise ValueError("the mail was not offered")
        return self._session.deliver(content)
