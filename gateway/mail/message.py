"""Composes a mail from a letter: headers, text and HTML (RFC 5322, RFC 2045)."""

from __future__ import annotations

from datetime import UTC, datetime
from email import message_from_string
from email.header import Header
from email.policy import SMTP
from email.utils import format_datetime, quote
from functools import cache
from typing import TYPE_CHECKING, Final

import css_inline
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from gateway.mail.letters import one_line

if TYPE_CHECKING:
    from email.message import EmailMessage

    from gateway.mail.letters import Letter
    from gateway.mail_address import Mailbox

#: A longer line would be encoded, and a link in it split (RFC 5321, 4.5.3.1.6).
_WHOLE_LINES: Final = SMTP.clone(max_line_length=998)
_COLUMNS: Final = 76
#: (!) If the library refolds headers, some lose a space.
_AS_WRITTEN: Final = SMTP.clone(refold_source="none")


def compose(
    letter: Letter, *, sender: Mailbox, message_id: str, now: int
) -> EmailMessage:
    """Return *letter* as a mail.

    *message_id* is the part of the Message-ID before the @, *now* the date in Unix
    seconds.  The HTML loads no remote content.
    """
    headers = {
        "From": _address("From", sender),
        "To": _address("To", letter.to),
        "Subject": _words("Subject", _plain(letter.subject)),
        "Date": format_datetime(datetime.fromtimestamp(now, UTC)),
        "Message-ID": f"<{message_id}@{sender.domain}>",
        # RFC 3834: auto-responders do not answer.
        "Auto-Submitted": "auto-generated",
    }
    if letter.reply_to is not None:
        headers["Reply-To"] = _address("Reply-To", letter.reply_to)
    head = "".join(f"{name}: {text}\r\n" for name, text in headers.items())
    mail = message_from_string(f"{head}\r\n", policy=_WHOLE_LINES)
    mail.set_content(_templates().get_template("letter.txt").render(vars(letter)))
    page = _templates().get_template("letter.html").render(vars(letter))
    mail.add_alternative(
        css_inline.inline(page, load_remote_stylesheets=False), subtype="html"
    )
    return mail


def raw(mail: EmailMessage) -> bytes:
    """Return the bytes for SMTP, before dot-stuffing (RFC 5321, 4.5.2)."""
    return mail.as_bytes(policy=_AS_WRITTEN)


def _address(header: str, mailbox: Mailbox) -> str:
    name = _plain(mailbox.name)
    if not name:
        return mailbox.wire
    # Few mail clients accept a folded quoted string.
    display_name = f'"{quote(name)}"' if name.isascii() else _words(header, name)
    line = f"{display_name} <{mailbox.wire}>"
    fits = len(header) + len(": ") + len(line) <= _COLUMNS
    return line if fits else f"{display_name}\r\n <{mailbox.wire}>"


def _words(header: str, text: str) -> str:
    """Encode plain text for a header, folded at 76 columns (RFC 2047)."""
    charset = "us-ascii" if text.isascii() else "utf-8"
    return Header(text, charset, header_name=header).encode(linesep="\r\n")


def _plain(text: str) -> str:
    # (!) Mail clients would decode text that looks like an encoded word, including
    #     line ends in it; some clients decode twice.
    return one_line(text).replace("=?", "= ?")


@cache
def _templates() -> Environment:
    return Environment(
        loader=PackageLoader("gateway.mail"),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
