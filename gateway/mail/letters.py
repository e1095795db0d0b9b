"""What each kind of mail says: facts become sentences in the reader's language."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from gateway.mail.languages import ENGLISH, language
from gateway.storage.names import visible

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gateway.mail.languages import Language
    from gateway.mail_address import Mailbox

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

    ``files`` are names with their bytes, None where they are not known; a folder's
    name ends in ``/``.  ``not_before`` and ``expires`` are Unix seconds.  Without a
    ``sender_name`` the share comes from the ``site`` itself; replies go to
    ``reply_to``.  ``lang`` is a language tag (RFC 5646).
    """

    to: Mailbox
    link: str
    site: str
    files: tuple[tuple[str, int | None], ...]
    title: str = ""
    message: str = ""
    sender_name: str = ""
    reply_to: Mailbox | None = None
    not_before: int | None = None
    expires: int | None = None
    has_password: bool = False
    has_otp: bool = False
    lang: str = ENGLISH

    def letter(self) -> Letter:
        """Write it."""
        spoken = language(self.lang)
        _, ngettext = spoken.translations.gettext, spoken.translations.ngettext
        count, title = len(self.files), one_line(self.title)
        headline = ngettext(
            "{sender} sends you a file", "{sender} sends you {count} files", count
        )
        if any(name.endswith("/") for name, _size in self.files):
            # Nobody counts the files of a folder.
            count, headline = 2, _("{sender} sends you files")
        headline = headline.format(sender=self._sender, count=count)
        subject = _("{sender} sends you: {title}")
        return Letter(
            to=self.to,
            lang=spoken.code,
            reply_to=self.reply_to,
            subject=subject.format(sender=self._sender, title=title)
            if title
            else headline,
            headline=headline,
            message=tuple(_paragraphs(self.message)),
            items=tuple(self._items(spoken)),
            call=ngettext(
                "To get the file, open this link:",
                "To get the files, open this link:",
                count,
            ),
            key=self.link,
            button=ngettext("Get the file", "Get the files", count),
            notes=tuple(self._notes(spoken)),
            footer=tuple(self._footer(spoken)),
        )

    @property
    def _sender(self) -> str:
        return one_line(self.sender_name) or one_line(self.site)

    def _items(self, spoken: Language) -> Iterator[str]:
        ngettext = spoken.translations.ngettext
        for name, size in self.files[:_FILES_SHOWN]:
            shown = one_line(name)
            yield shown if size is None else f"{shown} ({spoken.size(size)})"
        more = len(self.files) - _FILES_SHOWN
        if more > 0:
            text = ngettext("and {count} more", "and {count} more", more)
            yield text.format(count=more)

    def _notes(self, spoken: Language) -> Iterator[str]:
        _ = spoken.translations.gettext
        if self.not_before is not None:
            since = spoken.moment(self.not_before)
            yield _("The link works from {moment} on.").format(moment=since)
        if self.expires is not None:
            until = spoken.moment(self.expires)
            yield _("The link works until {moment}.").format(moment=until)
        if self.has_password:
            text = _("You need a password, which {sender} tells you in another way.")
            yield text.format(sender=self._sender)
        if self.has_otp:
            yield _(
                "You need a code, which is mailed to you when you ask for it there."
            )
        yield _("The link is meant for you alone. Please do not pass it on.")

    def _footer(self, spoken: Language) -> Iterator[str]:
        _ = spoken.translations.gettext
        site = one_line(self.site)
        if self._sender != site:
            text = _("{site} sent this mail for {sender}.")
            yield text.format(site=site, sender=self._sender)
        if self.reply_to is None:
            yield _("Please do not reply to this mail.")
        else:
            yield _("Your reply goes to {sender}.").format(sender=self._sender)


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
        words = [chunk for word in _words(line) for chunk in _chunks(word)]
        lines = textwrap.wrap(
            " ".join(words), _COLUMNS, break_long_words=False, break_on_hyphens=False
        )
        yield tuple(lines or [""])


def _chunks(word: str) -> Iterator[str]:
    """Yield *word* in chunks of at most _WORD bytes."""
    while len(word.encode()) > _WORD:
        fits = len(word.encode()[:_WORD].decode(errors="ignore"))
        yield word[:fits]
        word = word[fits:]
    yield word


def _words(text: str) -> Iterator[str]:
    # JSON may bring halves of surrogate pairs.
    words = text.encode(errors="replace").decode().split()
    return filter(None, map(visible, words))
