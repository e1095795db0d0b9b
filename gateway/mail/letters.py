"""What each kind of mail says: facts become sentences in the reader's language."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from gateway.mail.languages import ENGLISH, language
from gateway.storage.names import visible

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gateway.mailbox import Mailbox

#: Characters of a title or a name that are shown.
_SHOWN: Final = 200
_FILES_SHOWN: Final = 20
_COLUMNS: Final = 72
#: Bytes of a word that stay together: a line of a mail has 998 (RFC 5321, 4.5.3.1.6).
_WORD: Final = 900


@dataclass(frozen=True, kw_only=True)
class Letter:
    """The sentences of a mail, in the order in which they are read.

    ``message`` has paragraphs, each of some lines.  ``key`` is what the reader needs, a
    link or a code, on a line of its own; it is a link if it has a ``button``.
    """

    to: Mailbox
    lang: str
    subject: str
    headline: str
    reply_to: Mailbox | None = None
    message: tuple[tuple[str, ...], ...] = ()
    items: tuple[str, ...] = ()
    call: str = ""
    key: str = ""
    button: str = ""
    notes: tuple[str, ...] = ()
    footer: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ShareMail:
    """A share link, for one recipient.

    ``files`` are names with their bytes, None for a folder; ``expires`` is in Unix
    seconds.  Without a ``sender_name`` the share comes from the ``site`` itself;
    replies go to ``reply_to``.  ``lang`` is a language tag (RFC 5646).
    """

    to: Mailbox
    link: str
    site: str
    files: tuple[tuple[str, int | None], ...]
    title: str = ""
    message: str = ""
    sender_name: str = ""
    reply_to: Mailbox | None = None
    expires: int | None = None
    has_password: bool = False
    lang: str = ENGLISH

    def letter(self) -> Letter:
        """Write it."""
        spoken = language(self.lang)
        _, ngettext = spoken.translations.gettext, spoken.translations.ngettext
        site, title = one_line(self.site), one_line(self.title)
        sender = one_line(self.sender_name) or site
        count, folder = len(self.files), _("folder")
        headline = ngettext(
            "{sender} sends you a file", "{sender} sends you {count} files", count
        ).format(sender=sender, count=count)
        items = [
            f"{one_line(name)} ({folder if size is None else spoken.size(size)})"
            for name, size in self.files[:_FILES_SHOWN]
        ]
        if count > _FILES_SHOWN:
            more = count - _FILES_SHOWN
            items.append(
                ngettext("and {count} more", "and {count} more", more).format(
                    count=more
                )
            )
        notes = []
        if self.expires is not None:
            until = spoken.moment(self.expires)
            notes.append(_("The link works until {moment}.").format(moment=until))
        if self.has_password:
            notes.append(
                _(
                    "You need a password, which {sender} tells you in another way."
                ).format(sender=sender)
            )
        notes.append(_("The link is meant for you alone. Please do not pass it on."))
        footer = []
        if sender != site:
            footer.append(
                _("{site} sent this mail for {sender}.").format(
                    site=site, sender=sender
                )
            )
        footer.append(
            _("Please do not reply to this mail.")
            if self.reply_to is None
            else _("Your reply goes to {sender}.").format(sender=sender)
        )
        return Letter(
            to=self.to,
            lang=spoken.code,
            reply_to=self.reply_to,
            subject=_("{sender} sends you: {title}").format(sender=sender, title=title)
            if title
            else headline,
            headline=headline,
            message=tuple(_paragraphs(self.message)),
            items=tuple(items),
            call=ngettext(
                "To get the file, open this link:",
                "To get the files, open this link:",
                count,
            ),
            key=self.link,
            button=ngettext("Get the file", "Get the files", count),
            notes=tuple(notes),
            footer=tuple(footer),
        )


@dataclass(frozen=True, kw_only=True)
class CodeMail:
    """A one-time code that somebody asked for on the page of a share link."""

    to: Mailbox
    code: str
    site: str
    minutes: int
    title: str = ""
    lang: str = ENGLISH

    def letter(self) -> Letter:
        """Write it."""
        spoken = language(self.lang)
        _, ngettext = spoken.translations.gettext, spoken.translations.ngettext
        title = one_line(self.title)
        return Letter(
            to=self.to,
            lang=spoken.code,
            subject=_("{code} is your code").format(code=self.code),
            headline=_("Your code for: {title}").format(title=title)
            if title
            else _("Your code"),
            call=_("Enter this code on the page of your link:"),
            key=self.code,
            notes=(
                ngettext(
                    "It works once, for {count} minute.",
                    "It works once, for {count} minutes.",
                    self.minutes,
                ).format(count=self.minutes),
                _("If you did not ask for a code, you need not do anything."),
            ),
            footer=(
                _("{site} sent this mail.").format(site=one_line(self.site)),
                _("Please do not reply to this mail."),
            ),
        )


@dataclass(frozen=True, kw_only=True)
class TestMail:
    """What ``gateway mail test`` sends."""

    __test__ = False  # pytest collects no tests here

    to: Mailbox
    site: str
    lang: str = ENGLISH

    def letter(self) -> Letter:
        """Write it."""
        spoken = language(self.lang)
        _ = spoken.translations.gettext
        site = one_line(self.site)
        return Letter(
            to=self.to,
            lang=spoken.code,
            subject=_("Test mail of {site}").format(site=site),
            headline=_("Mail of {site} arrives").format(site=site),
            notes=(_("An administrator sent this mail to try the mail relay."),),
            footer=(_("Please do not reply to this mail."),),
        )


def one_line(text: str) -> str:
    """Return a title or a name as it stands within a line."""
    text = " ".join(_words(text))
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"


def _paragraphs(text: str) -> Iterator[tuple[str, ...]]:
    """Yield a message's paragraphs, each in lines; a long word, as a link, is whole."""
    for line in text.strip().splitlines():
        words = [piece for word in _words(line) for piece in _pieces(word)]
        lines = textwrap.wrap(
            " ".join(words), _COLUMNS, break_long_words=False, break_on_hyphens=False
        )
        yield tuple(lines or [""])


def _pieces(word: str) -> Iterator[str]:
    """Yield *word* in pieces of at most _WORD bytes."""
    while len(word.encode()) > _WORD:
        fits = len(word.encode()[:_WORD].decode(errors="ignore"))
        yield word[:fits]
        word = word[fits:]
    yield word


def _words(text: str) -> Iterator[str]:
    # JSON may bring halves of surrogate pairs.
    words = text.encode(errors="replace").decode().split()
    return filter(None, map(visible, words))
