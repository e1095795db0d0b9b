"""A letter becomes a mail: headers, a text and the same as HTML (RFC 5322, 2045)."""

from __future__ import annotations

from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from functools import cache
from typing import TYPE_CHECKING, Final

import css_inline
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from gateway.mail.letters import one_line

if TYPE_CHECKING:
    from gateway.mail.letters import Letter
    from gateway.mailbox import Mailbox

#: A longer line would be encoded, and a link in it cut (RFC 5321, 4.5.3.1.6).
_WHOLE_LINES: Final = SMTP.clone(max_line_length=998)


def compose(
    letter: Letter, *, sender: Mailbox, message_id: str, now: int
) -> EmailMessage:
    """Make the mail.

    ``message_id`` is the part before the @ of its Message-ID, *now* its date in Unix
    seconds.  Nothing in it is loaded from elsewhere.
    """
    mail = EmailMessage(_WHOLE_LINES)
    mail["From"] = _address(sender)
    mail["To"] = _address(letter.to)
    if letter.reply_to is not None:
        mail["Reply-To"] = _address(letter.reply_to)
    mail["Subject"] = _header(letter.subject)
    mail["Date"] = datetime.fromtimestamp(now, UTC)
    mail["Message-ID"] = f"<{message_id}@{sender.domain}>"
    # RFC 3834: out-of-office programs do not answer.
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(_templates().get_template("letter.txt").render(vars(letter)))
    page = _templates().get_template("letter.html").render(vars(letter))
    mail.add_alternative(
        css_inline.inline(page, load_remote_stylesheets=False), subtype="html"
    )
    return mail


def raw(mail: EmailMessage) -> bytes:
    """Return the bytes that SMTP sends, but for the dots (RFC 5321, 4.5.2).

    Headers are folded to 78 columns, bodies keep their lines.
    """
    return mail.as_bytes(policy=SMTP)


def _address(mailbox: Mailbox) -> Address:
    return Address(_header(mailbox.name), addr_spec=mailbox.wire)


def _header(text: str) -> str:
    # (!) The library would decode what looks like an encoded word (RFC 2047), line
    #     ends in it too, and those would begin a header.
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
