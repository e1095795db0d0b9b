"""The relay's replies and their meaning for a mail (RFC 5321, section 4.2)."""

from __future__ import annotations

import re
import smtplib
import ssl
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from gateway.errors import RelayError
from gateway.storage.names import visible

#: All valid reply codes.
REPLIES: Final = range(200, 600)
#: First digits of a code.
POSITIVE: Final = 2
PERMANENT: Final = 5
#: Codes.
READY: Final = 220
AUTHENTICATED: Final = 235
OK: Final = 250
CHALLENGE: Final = 334
START_INPUT: Final = 354
#: The lowest code of a refusal.
REFUSAL: Final = 400

_MAXIMUM_TEXT: Final = 500
_UNPRINTABLE: Final = re.compile(r"[\x00-\x20\x7f-\xa0]+")


class State(StrEnum):
    """The state of a mail after an attempt to send it."""

    ACCEPTED = "accepted"
    """The relay has accepted the mail."""
    REFUSED = "refused"
    """The relay has refused the mail permanently (5xx)."""
    LATER = "later"
    """The relay has not accepted the mail; a retry may succeed."""
    UNKNOWN = "unknown"
    """The whole mail was sent, but no reply was received: it may or may not arrive."""


@dataclass(frozen=True)
class Outcome:
    """The state of a mail, and the relay's reply as ``words``."""

    state: State
    words: str


class ConnectionLostError(smtplib.SMTPException):
    """The connection has ended, for the reason in the message."""


def expect(wanted: int, reply: tuple[int, bytes]) -> None:
    """Raise RelayError unless *reply* has the code *wanted*."""
    code, text = reply
    if code != wanted:
        raise RelayError(reply_text(code, text))


def refusal(code: int, text: bytes) -> Outcome:
    """Return the outcome of a mail for a reply that is not positive."""
    state = State.REFUSED if code // 100 == PERMANENT else State.LATER
    return Outcome(state, reply_text(code, text))


def reply_text(code: int, text: bytes) -> str:
    """Return a reply as one displayable line, without bidirectional controls."""
    line = visible(_UNPRINTABLE.sub(" ", text.decode(errors="replace")))
    return f"{code} {line}".strip()[:_MAXIMUM_TEXT]


def reason(error: Exception) -> str:
    """Return the cause of an error, without the text that smtplib and ssl add."""
    if isinstance(error, smtplib.SMTPResponseException):
        text = error.smtp_error
        # A str is not a reply but smtplib's own error: a line was too long.
        return reply_text(error.smtp_code, text) if isinstance(text, bytes) else text
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"invalid certificate: {error.verify_message}"
    if isinstance(error, ssl.SSLError) and error.reason:
        return f"TLS error: {error.reason.replace('_', ' ').lower()}"
    cause = error.__context__
    if isinstance(error, smtplib.SMTPServerDisconnected):
        return (
            reason(cause) if isinstance(cause, OSError) else "it closed the connection"
        )
    return getattr(error, "strerror", None) or str(error)
