"""One SMTP connection to the relay: RFC 5321 with TLS (RFC 3207, 8314) and AUTH (4954).

Nothing but EHLO is said before TLS, unless the relay is on this machine.
"""

from __future__ import annotations

import io
import re
import smtplib
import ssl
from base64 import b64encode
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from gateway.config.mail_url import Security
from gateway.errors import RelayError
from gateway.mail.replies import (
    AGAIN,
    BEGIN,
    GOOD,
    LOGGED_IN,
    MORE,
    OK,
    READY,
    REPLIES,
    LostError,
    Outcome,
    Reader,
    State,
    expect,
    not_taken,
    reason,
    said,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from _typeshed import ReadableBuffer

    from gateway.config.mail_url import MailURL

    Hear = Callable[[str], object]

_GOODBYE_SECONDS: Final = 5
_BLANK: Final = "[blanked]"
_LEADING_DOT: Final = re.compile(rb"^\.", re.MULTILINE)


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


def begin(url: MailURL, patience: Patience, hear: Hear) -> Session:
    """Connect, begin TLS and log in, as *url* demands; raise RelayError."""
    hear(f"-- connecting to {url}")
    session = None
    try:
        kind = _TLSSession if url.security is Security.TLS else Session
        session = kind(url, patience, hear)
        session.introduce(url)
    except (OSError, RelayError) as error:
        if session is not None:
            session.leave()
        hear(f"-- {reason(error)}")
        raise RelayError(f"mail relay {url}: {reason(error)}") from None
    return session


class Session(smtplib.SMTP):
    """One connection.  Each wait is bounded, and each line is heard.

    Whatever becomes of the connection is a LostError.
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
        self._tell_of_tls()
        expect(OK, self.ehlo())
        if url.security is Security.STARTTLS:
            if not self.has_extn("starttls"):
                raise RelayError("it offers no STARTTLS, and nothing is sent without")
            expect(READY, self.starttls(context=ssl.create_default_context()))
            self._tell_of_tls()
            expect(OK, self.ehlo())
        if url.user:
            self._log_in(url.user, url.password)

    def _tell_of_tls(self) -> None:
        if isinstance(self.sock, ssl.SSLSocket):
            self._hear(f"-- {self.sock.version()}")

    def _log_in(self, user: str, password: str) -> None:
        plain = _base64(f"\0{user}\0{password}")
        # There are relays that repeat a command which they do not like.
        self._secrets = (password, plain, _base64(password))
        offered = self.esmtp_features.get("auth", "").upper().split()
        if "PLAIN" in offered:
            reply = self._say_secret(f"AUTH PLAIN {plain}", f"AUTH PLAIN {_BLANK}")
        elif "LOGIN" in offered:
            expect(MORE, self.docmd("AUTH", "LOGIN"))
            expect(MORE, self._say_secret(_base64(user), _BLANK))
            reply = self._say_secret(_base64(password), _BLANK)
        else:
            raise RelayError("it offers no login by PLAIN or LOGIN")
        expect(LOGGED_IN, reply)
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
        except LostError:
            return False
        if code != OK:
            self.leave()
        return code == OK

    def offer(self, sender: str, recipient: str) -> Outcome | None:
        """Begin a mail; return what became of it if it is not taken."""
        options = ["BODY=8BITMIME"] if self.has_extn("8bitmime") else []
        try:
            code, words = self.mail(sender, options)
            if code // 100 != GOOD:
                # Be it for ever: it is said of the operator's address, and the
                # operator may mend it before the mail is given up.
                return Outcome(State.LATER, said(code, words))
            code, words = self.rcpt(recipient)
        except LostError as error:
            return Outcome(State.LATER, str(error))
        return None if code // 100 == GOOD else not_taken(code, words)

    def deliver(self, content: bytes) -> Outcome:
        """Send the mail, and wait for the reply to the whole of it."""
        try:
            code, words = self.docmd("DATA")
        except LostError as error:
            return Outcome(State.LATER, str(error))
        if code != BEGIN:
            return not_taken(code, words)
        self._hear(f"C: (the mail, {len(content)} bytes)")
        try:
            self.send(_LEADING_DOT.sub(b"..", content) + b".\r\n")
            self._wait = self._patience.verdict
            code, words = self.getreply()
        except LostError as error:
            return Outcome(State.UNKNOWN, str(error))
        finally:
            self._wait = self._patience.reply
        if code // 100 == GOOD:
            return Outcome(State.ACCEPTED, said(code, words))
        if code < AGAIN:
            return Outcome(State.UNKNOWN, said(code, words))
        return not_taken(code, words)

    def leave(self) -> None:
        """Say goodbye, and end the connection."""
        self._wait = min(self._wait, _GOODBYE_SECONDS)
        if self.sock is not None:
            with suppress(LostError):
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
            raise LostError(reason(error)) from None

    def getreply(self) -> tuple[int, bytes]:
        """Return code and words of a reply."""
        if self.sock is None:
            raise LostError("the connection has ended")
        self.file = io.BufferedReader(Reader(self.sock, self._wait))
        try:
            code, words = super().getreply()
        except OSError as error:
            self.close()
            raise LostError(reason(error)) from None
        if code not in REPLIES:
            self.close()
            raise LostError("what it says is no SMTP")
        for secret in self._secrets:
            words = words.replace(secret.encode(), _BLANK.encode())
        for line in words.split(b"\n"):
            self._hear(f"S: {said(code, line)}")
        return code, words


class _TLSSession(Session, smtplib.SMTP_SSL):
    """One connection, of TLS from the start."""

    def __init__(self, url: MailURL, patience: Patience, hear: Hear) -> None:
        context = ssl.create_default_context()
        super().__init__(url, patience, hear, context=context)


def _literal(address: str) -> str:
    """Return what a client without a name of its own says in EHLO (RFC 5321, 4.1.3)."""
    address = address.partition("%")[0]
    return f"[IPv6:{address}]" if ":" in address else f"[{address}]"


def _base64(text: str) -> str:
    return b64encode(text.encode()).decode("ascii")
