"""What a relay answers, and what that means for a mail (RFC 5321, section 4.2)."""

from __future__ import annotations

import io
import re
import smtplib
import ssl
import time
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from gateway.errors import RelayError
from gateway.storage.names import visible

if TYPE_CHECKING:
    import socket

    from _typeshed import WriteableBuffer

#: Replies: which numbers there are, first digits, and some in full.
REPLIES: Final = range(200, 600)
GOOD: Final = 2
NEVER: Final = 5
READY: Final = 220
LOGGED_IN: Final = 235
OK: Final = 250
MORE: Final = 334
BEGIN: Final = 354
AGAIN: Final = 400

_MAXIMUM_REPLY: Final = 2**16
_MAXIMUM_WORDS: Final = 500
_UNPRINTABLE: Final = re.compile(r"[\x00-\x20\x7f-\xa0]+")


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


class LostError(smtplib.SMTPException):
    """The connection has ended, for the reason given."""


class Reader(io.RawIOBase):
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


def expect(wanted: int, reply: tuple[int, bytes]) -> None:
    """Raise RelayError for any other reply."""
    code, words = reply
    if code != wanted:
        raise RelayError(said(code, words))


def not_taken(code: int, words: bytes) -> Outcome:
    """Return what becomes of a mail by a reply that is no good one."""
    state = State.REFUSED if code // 100 == NEVER else State.LATER
    return Outcome(state, said(code, words))


def said(code: int, words: bytes) -> str:
    """Return a reply as one line for people, in which nothing is turned around."""
    text = visible(_UNPRINTABLE.sub(" ", words.decode(errors="replace")))
    return f"{code} {text}".strip()[:_MAXIMUM_WORDS]


def reason(error: Exception) -> str:
    """Return what went wrong, without what smtplib and ssl say around it."""
    if isinstance(error, smtplib.SMTPResponseException):
        words = error.smtp_error
        # smtplib's own are no reply: a line was too long.
        return said(error.smtp_code, words) if isinstance(words, bytes) else words
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not good: {error.verify_message}"
    if isinstance(error, ssl.SSLError) and error.reason:
        return f"TLS fails: {error.reason.replace('_', ' ').lower()}"
    cause = error.__context__
    if isinstance(error, smtplib.SMTPServerDisconnected):
        return reason(cause) if isinstance(cause, OSError) else "it has hung up"
    return getattr(error, "strerror", None) or str(error)
