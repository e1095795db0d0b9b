"""The operator's mail relay: one connection for many mails, and what became of each.

RFC 5321 with STARTTLS (RFC 3207), or TLS from the start (RFC 8314), and AUTH (RFC
4954).  Nothing but EHLO is said before TLS, unless the relay is on this machine.
"""

from __future__ import annotations

import io
import re
import smtplib
import ssl
import time
from base64 import b64encode
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, Self

from gateway.errors import RelayError
from gateway.mail_url import Security

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from _typeshed import ReadableBuffer, WriteableBuffer

    from gateway.mail_url import MailURL

    Hear = Callable[[str], object]

#: Replies (RFC 5321, section 4.2.3): their first digit, and some in full.
_REPLIES: Final = range(200, 600)
_GOOD: Final = 2
_NEVER: Final = 5
_READY: Final = 220
_LOGGED_IN: Final = 235
_OK: Final = 250
_MORE: Final = 334
_BEGIN: Final = 354
_AGAIN: Final = 400

_MAXIMUM_REPLY: Final = 2**16
_MAXIMUM_WORDS: Final = 500
_GOODBYE_SECONDS: Final = 5
_BLANK: Final = "[blanked]"
_UNPRINTABLE: Final = re.compile(r"[\x00-\x20\x7f-\xa0]+")
_LEADING_DOT: Final = re.compile(rb"^\.", re.MULTILINE)


class State(StrEnum):
    """What became of a mail."""

    ACCEPTED = "accepted"
    """The relay has taken it."""
    REFUSED = "refused"
    """The relay will never take it (5xx)."""
    LATER = "later"
    """The relay has not taken it; it may be offered again."""
    UNKNOWN = "unknown"
    """All of it was sent and no reply came: it may or may not arrive."""


@dataclass(frozen=True)
class Outcome:
    """What became of a mail, and the relay's ``words``."""

    state: State
    words: str


@dataclass(frozen=True)
class Patience:
    """Seconds that the relay gets.

    ``reply`` is for connecting, for each reply, however slowly its bytes come, and to
    take a mail's bytes.
    ``verdict`` is for the reply to a whole mail, which many relays scan before they
    take it: after that time nobody knows what became of it (RFC 5321, 4.5.3.2.6).
    """

    reply: float = 60
    verdict: float = 600


@dataclass
class Relay:
    """Sends mails of the address ``sender``; a context manager.

    ``hear`` gets each line of the dialogue as it comes, with the credentials blanked.
    """

    url: MailURL
    sender: str
    patience: Patience = field(default_factory=Patience)
    hear: Hear = str
    _session: _Session | None = field(default=None, init=False)

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
            self._session = _begin(self.url, self.patience, self.hear)
        return self._session.offer(self.sender, recipient)

    def deliver(self, content: bytes) -> Outcome:
        """Send the mail that was offered just before; its lines end with CRLF."""
        if self._session is None:
            raise ValueError("the mail was not offered")
        return self._session.deliver(content)


class _LostError(smtplib.SMTPException):
    """The connection has ended, for the reason given."""


def _begin(url: MailURL, patience: Patience, hear: Hear) -> _Session:
    """Connect, begin TLS and log in, as *url* demands; raise RelayError."""
    hear(f"-- connecting to {url}")
    session = None
    try:
        kind = _TLSSession if url.security is Security.TLS else _Session
        session = kind(url, patience, hear)
        session.introduce(url)
    except (OSError, RelayError) as error:
        if session is not None:
            session.leave()
        hear(f"-- {_reason(error)}")
        raise RelayError(f"mail relay {url}: {_reason(error)}") from None
    return session


class _Session(smtplib.SMTP):
    """One connection.  Each wait is bounded, and each line is heard.

    Whatever becomes of the connection is a _LostError.
    """

    def __init__(
        self,
        url: MailURL,
        patience: Patience,
        hear: Hear,
        **more: Any,  # noqa: ANN401 -- what smtplib.SMTP_SSL takes besides
    ) -> None:
        self._patience, self._hear = patience, hear
        self._wait = patience.reply
        self._secrets: tuple[str, ...] = ()
        # (!) Without a name smtplib asks DNS for this machine's, however long it takes.
        super().__init__(
            url.host,
            url.port,
            local_hostname=_literal("127.0.0.1"),
            timeout=patience.reply,
            **more,
        )

    def introduce(self, url: MailURL) -> None:
        """Say EHLO, begin TLS and log in; raise RelayError if it is refused."""
        if self.sock is not None:
            self.local_hostname = _literal(self.sock.getsockname()[0])
        _expect(_OK, self.ehlo())
        if url.security is Security.STARTTLS:
            if not self.has_extn("starttls"):
                raise RelayError("it offers no STARTTLS, and nothing is sent without")
            _expect(_READY, self.starttls(context=ssl.create_default_context()))
            _expect(_OK, self.ehlo())
        if url.user:
            self._log_in(url.user, url.password)

    def _log_in(self, user: str, password: str) -> None:
        plain = _base64(f"\0{user}\0{password}")
        # There are relays that repeat a command which they do not like.
        self._secrets = (password, plain, _base64(password))
        offered = self.esmtp_features.get("auth", "").upper().split()
        if "PLAIN" in offered:
            reply = self._say_secret(f"AUTH PLAIN {plain}", f"AUTH PLAIN {_BLANK}")
        elif "LOGIN" in offered:
            _expect(_MORE, self.docmd("AUTH", "LOGIN"))
            _expect(_MORE, self._say_secret(_base64(user), _BLANK))
            reply = self._say_secret(_base64(password), _BLANK)
        else:
            raise RelayError("it offers no login by PLAIN or LOGIN")
        _expect(_LOGGED_IN, reply)
        self._secrets = ()

    def _say_secret(self, line: str, shown: str) -> tuple[int, bytes]:
        self._hear(f"C: {shown}")
        self.send(f"{line}\r\n")
        return self.getreply()

    def starts_anew(self) -> bool:
        """Tell whether the connection is still good, for another mail."""
        if self.sock is None:
            return False
        try:
            code, _ = self.rset()
        except _LostError:
            return False
        if code != _OK:
            self.leave()
        return code == _OK

    def offer(self, sender: str, recipient: str) -> Outcome | None:
        """Begin a mail; return what became of it if it is not taken."""
        options = ["BODY=8BITMIME"] if self.has_extn("8bitmime") else []
        try:
            code, words = self.mail(sender, options)
            if code // 100 != _GOOD:
                # Be it for ever: it is said of the operator's address, and the
                # operator may mend it before the mail is given up.
                return Outcome(State.LATER, _said(code, words))
            code, words = self.rcpt(recipient)
        except _LostError as error:
            return Outcome(State.LATER, str(error))
        return None if code // 100 == _GOOD else _not_taken(code, words)

    def deliver(self, content: bytes) -> Outcome:
        """Send the mail, and wait for the reply to the whole of it."""
        try:
            code, words = self.docmd("DATA")
        except _LostError as error:
            return Outcome(State.LATER, str(error))
        if code != _BEGIN:
            return _not_taken(code, words)
        self._hear(f"C: (the mail, {len(content)} bytes)")
        try:
            self.send(_LEADING_DOT.sub(b"..", content) + b".\r\n")
            self._wait = self._patience.verdict
            code, words = self.getreply()
        except _LostError as error:
            return Outcome(State.UNKNOWN, str(error))
        finally:
            self._wait = self._patience.reply
        if code // 100 == _GOOD:
            return Outcome(State.ACCEPTED, _said(code, words))
        if code < _AGAIN:
            return Outcome(State.UNKNOWN, _said(code, words))
        return _not_taken(code, words)

    def leave(self) -> None:
        """Say goodbye, and end the connection."""
        self._wait = min(self._wait, _GOODBYE_SECONDS)
        with suppress(_LostError):
            self.docmd("QUIT")
        self.close()

    def putcmd(self, cmd: str, args: str = "") -> None:
        """Send a command."""
        self._hear(f"C: {cmd} {args}".rstrip())
        super().putcmd(cmd, args)

    def send(self, s: ReadableBuffer | str) -> None:
        """Send bytes."""
        try:
            if self.sock is not None:
                self.sock.settimeout(self._wait)
            super().send(s)
        except OSError as error:
            raise _LostError(_reason(error)) from None

    def getreply(self) -> tuple[int, bytes]:
        """Return code and words of a reply."""
        if self.sock is None:
            raise _LostError("the connection has ended")
        self.file = io.BufferedReader(_Reader(self.sock, self._wait))
        try:
            code, words = super().getreply()
        except OSError as error:
            self.close()
            raise _LostError(_reason(error)) from None
        if code not in _REPLIES:
            self.close()
            raise _LostError("what it says is no SMTP")
        for secret in self._secrets:
            words = words.replace(secret.encode(), _BLANK.encode())
        for line in words.split(b"\n"):
            self._hear(f"S: {_said(code, line)}")
        return code, words


class _TLSSession(_Session, smtplib.SMTP_SSL):
    """One connection, of TLS from the start."""

    def __init__(self, url: MailURL, patience: Patience, hear: Hear) -> None:
        context = ssl.create_default_context()
        super().__init__(url, patience, hear, context=context)


class _Reader(io.RawIOBase):
    """Reads a reply from a socket, for *seconds* in all and up to a size."""

    def __init__(self, sock: socket.socket, seconds: float) -> None:
        self._sock, self._seconds = sock, seconds
        self._deadline = time.monotonic() + seconds
        self._room = _MAXIMUM_REPLY

    def readable(self) -> bool:
        """Tell that it can be read."""
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Read what comes next."""
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError(self._late())
        if self._room <= 0:
            raise OSError("its reply has no end")
        self._sock.settimeout(left)
        try:
            count = self._sock.recv_into(buffer)
        except TimeoutError:
            raise TimeoutError(self._late()) from None
        self._room -= count
        return count

    def _late(self) -> str:
        return f"no reply within {self._seconds:g} seconds"


def _expect(wanted: int, reply: tuple[int, bytes]) -> None:
    code, words = reply
    if code != wanted:
        raise RelayError(_said(code, words))


def _not_taken(code: int, words: bytes) -> Outcome:
    state = State.REFUSED if code // 100 == _NEVER else State.LATER
    return Outcome(state, _said(code, words))


def _said(code: int, words: bytes) -> str:
    """Return a reply as one line for people."""
    text = _UNPRINTABLE.sub(" ", words.decode(errors="replace"))
    return f"{code} {text}".strip()[:_MAXIMUM_WORDS]


def _reason(error: Exception) -> str:
    """Return what went wrong, without what smtplib and ssl say around it."""
    if isinstance(error, smtplib.SMTPResponseException):
        words = error.smtp_error
        return _said(error.smtp_code, words if isinstance(words, bytes) else b"")
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not good: {error.verify_message}"
    cause = error.__context__
    if isinstance(error, smtplib.SMTPServerDisconnected):
        return _reason(cause) if isinstance(cause, OSError) else "it has hung up"
    return getattr(error, "strerror", None) or str(error)


def _literal(address: str) -> str:
    """Return what a client without a name of its own says in EHLO (RFC 5321, 4.1.3)."""
    address = address.partition("%")[0]
    return f"[IPv6:{address}]" if ":" in address else f"[{address}]"


def _base64(text: str) -> str:
    return b64encode(text.encode()).decode("ascii")
