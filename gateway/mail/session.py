"""One SMTP connection to the relay: RFC 5321 with TLS (RFC 3207, 8314) and AUTH (4954).

Before TLS only EHLO is sent, unless the relay is on this machine.
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

from gateway.bounded_reader import BoundedReader
from gateway.config.mail_url import Security
from gateway.errors import RelayError
from gateway.mail.replies import (
    AUTHENTICATED,
    CHALLENGE,
    OK,
    POSITIVE,
    READY,
    REFUSAL,
    REPLIES,
    START_INPUT,
    ConnectionLostError,
    Outcome,
    State,
    expect,
    reason,
    refusal,
    reply_text,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from _typeshed import ReadableBuffer

    from gateway.config.mail_url import MailURL

    LineCallback = Callable[[str], object]

_QUIT_SECONDS: Final = 5
_MAXIMUM_REPLY: Final = 2**16
_BLANK: Final = "[blanked]"
_LEADING_DOT: Final = re.compile(rb"^\.", re.MULTILINE)


@dataclass(frozen=True)
class Timeouts:
    """Timeouts for the relay, in seconds.

    ``reply`` limits connecting, each whole reply, and each send of a mail's bytes.
    ``verdict`` limits the reply to a whole mail, which many relays scan before they
    accept it: after a timeout the mail's state is unknown (RFC 5321, 4.5.3.2.6).
    """

    reply: float = 60
    verdict: float = 600


def connect(url: MailURL, timeouts: Timeouts, on_line: LineCallback) -> Session:
    """Connect, start TLS and log in, as *url* requires; raise RelayError."""
    on_line(f"-- connecting to {url}")
    session = None
    try:
        kind = _TLSSession if url.security is Security.TLS else Session
        session = kind(url, timeouts, on_line)
        session.handshake(url)
    except (OSError, RelayError) as error:
        if session is not None:
            session.disconnect()
        on_line(f"-- {reason(error)}")
        raise RelayError(f"mail relay {url}: {reason(error)}") from None
    return session


class Session(smtplib.SMTP):
    """One connection, with bounded waits and a callback for each line.

    Every failure of the connection is a ConnectionLostError.
    """

    def __init__(
        self,
        url: MailURL,
        timeouts: Timeouts,
        on_line: LineCallback,
        **extra: Any,  # noqa: ANN401 -- further arguments of smtplib.SMTP_SSL
    ) -> None:
        self._timeouts, self._on_line = timeouts, on_line
        self._wait = timeouts.reply
        self._secrets: tuple[str, ...] = ()
        # (!) Without local_hostname, smtplib looks up this machine's name in DNS,
        #     without a time limit.
        super().__init__(
            url.host,
            url.port,
            local_hostname=_literal("127.0.0.1"),
            timeout=timeouts.reply,
            **extra,
        )

    def handshake(self, url: MailURL) -> None:
        """Send EHLO, start TLS and log in; raise RelayError if the relay refuses."""
        if self.sock is not None:
            self.local_hostname = _literal(self.sock.getsockname()[0])
        self._log_tls()
        expect(OK, self.ehlo())
        if url.security is Security.STARTTLS:
            if not self.has_extn("starttls"):
                raise RelayError("it does not offer STARTTLS, which is required")
            expect(READY, self.starttls(context=ssl.create_default_context()))
            self._log_tls()
            expect(OK, self.ehlo())
        if url.user:
            self._log_in(url.user, url.password)

    def _log_tls(self) -> None:
        if isinstance(self.sock, ssl.SSLSocket):
            self._on_line(f"-- {self.sock.version()}")

    def _log_in(self, user: str, password: str) -> None:
        plain = _base64(f"\0{user}\0{password}")
        # Some relays repeat the command in an error reply.
        self._secrets = (password, plain, _base64(password))
        offered = self.esmtp_features.get("auth", "").upper().split()
        if "PLAIN" in offered:
            reply = self._send_secret(f"AUTH PLAIN {plain}", f"AUTH PLAIN {_BLANK}")
        elif "LOGIN" in offered:
            expect(CHALLENGE, self.docmd("AUTH", "LOGIN"))
            expect(CHALLENGE, self._send_secret(_base64(user), _BLANK))
            reply = self._send_secret(_base64(password), _BLANK)
        else:
            raise RelayError("it does not offer AUTH PLAIN or LOGIN")
        expect(AUTHENTICATED, reply)
        self._secrets = ()

    def _send_secret(self, line: str, shown: str) -> tuple[int, bytes]:
        self._on_line(f"C: {shown}")
        self.send(f"{line}\r\n")
        return self.getreply()

    def reset(self) -> bool:
        """Send RSET; return whether the connection is ready for another mail."""
        if self.sock is None:
            return False
        try:
            code, _ = self.rset()
        except ConnectionLostError:
            return False
        if code != OK:
            self.disconnect()
        return code == OK

    def offer(self, sender: str, recipient: str) -> Outcome | None:
        """Send MAIL and RCPT; return the outcome if the relay refuses, else None."""
        options = ["BODY=8BITMIME"] if self.has_extn("8bitmime") else []
        try:
            code, text = self.mail(sender, options)
            if code // 100 != POSITIVE:
                # Even a 5xx is temporary here: it concerns the operator's address.  The
                # operator may correct it before the mail is given up.
                return Outcome(State.LATER, reply_text(code, text))
            code, text = self.rcpt(recipient)
        except ConnectionLostError as error:
            return Outcome(State.LATER, str(error))
        return None if code // 100 == POSITIVE else refusal(code, text)

    def deliver(self, content: bytes) -> Outcome:
        """Send the content with DATA, and wait for the reply to the whole mail."""
        try:
            code, text = self.docmd("DATA")
        except ConnectionLostError as error:
            return Outcome(State.LATER, str(error))
        if code != START_INPUT:
            return refusal(code, text)
        self._on_line(f"C: (the mail, {len(content)} bytes)")
        try:
            self.send(_LEADING_DOT.sub(b"..", content) + b".\r\n")
            self._wait = self._timeouts.verdict
            code, text = self.getreply()
        except ConnectionLostError as error:
            return Outcome(State.UNKNOWN, str(error))
        finally:
            self._wait = self._timeouts.reply
        if code // 100 == POSITIVE:
            return Outcome(State.ACCEPTED, reply_text(code, text))
        if code < REFUSAL:
            return Outcome(State.UNKNOWN, reply_text(code, text))
        return refusal(code, text)

    def disconnect(self) -> None:
        """Send QUIT and close the connection."""
        self._wait = min(self._wait, _QUIT_SECONDS)
        if self.sock is not None:
            with suppress(ConnectionLostError):
                self.docmd("QUIT")
        self.close()

    def putcmd(self, cmd: str, args: str = "") -> None:
        """Send a command."""
        self._on_line(f"C: {cmd} {args}".rstrip())
        super().putcmd(cmd, args)

    def send(self, s: ReadableBuffer | str) -> None:
        """Send bytes."""
        try:
            if self.sock is not None:
                self.sock.settimeout(self._wait)
            super().send(s)
        except OSError as error:
            raise ConnectionLostError(reason(error)) from None

    def getreply(self) -> tuple[int, bytes]:
        """Read a reply; return its code and text."""
        if self.sock is None:
            raise ConnectionLostError("the connection has ended")
        self.file = io.BufferedReader(
            BoundedReader(self.sock, self._wait, size=_MAXIMUM_REPLY, what="reply")
        )
        try:
            code, text = super().getreply()
        except OSError as error:
            self.close()
            raise ConnectionLostError(reason(error)) from None
        if code not in REPLIES:
            self.close()
            raise ConnectionLostError("its reply is not SMTP")
        for secret in self._secrets:
            text = text.replace(secret.encode(), _BLANK.encode())
        for line in text.split(b"\n"):
            self._on_line(f"S: {reply_text(code, line)}")
        return code, text


class _TLSSession(Session, smtplib.SMTP_SSL):
    """One connection with TLS from the start."""

    def __init__(self, url: MailURL, timeouts: Timeouts, on_line: LineCallback) -> None:
        context = ssl.create_default_context()
        super().__init__(url, timeouts, on_line, context=context)


def _literal(address: str) -> str:
    """Return the address literal for EHLO of a client without a host name.

    RFC 5321, section 4.1.3.
    """
    address = address.partition("%")[0]
    return f"[IPv6:{address}]" if ":" in address else f"[{address}]"


def _base64(text: str) -> str:
    return b64encode(text.encode()).decode("ascii")
