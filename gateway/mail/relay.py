"""The operator's mail relay: one connection for many mails."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from gateway.mail.session import Timeouts, connect

if TYPE_CHECKING:
    from gateway.config.mail_url import MailURL
    from gateway.mail.replies import Outcome
    from gateway.mail.session import LineCallback, Session


@dataclass
class Relay:
    """Sends mails from the address ``sender``; a context manager.

    ``on_line`` is called with each line of the dialogue, without the credentials.
    """

    url: MailURL
    sender: str
    timeouts: Timeouts = field(default_factory=Timeouts)
    on_line: LineCallback = str
    _session: Session | None = field(default=None, init=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._session is not None:
            self._session.disconnect()
            self._session = None

    def send(self, recipient: str, content: bytes) -> Outcome:
        """Send a mail and return the outcome; raise RelayError as ``offer`` does."""
        return self.offer(recipient) or self.deliver(content)

    def offer(self, recipient: str) -> Outcome | None:
        """Begin a mail to an address (in ASCII); return the outcome if it is refused.

        Return None if the relay accepts the address: then call ``deliver``.  Raise
        RelayError if the connection or the login fails.
        """
        if self._session is None or not self._session.reset():
            self._session = None
            self._session = connect(self.url, self.timeouts, self.on_line)
        return self._session.offer(self.sender, recipient)

    def deliver(self, content: bytes) -> Outcome:
        """Send the content of the mail offered last; its lines end with CRLF."""
        if self._session is None:
            raise ValueError("the mail was not offered")
        return self._session.deliver(content)
