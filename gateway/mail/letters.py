"""The text of each kind of mail, in the recipient's language."""

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

#: Maximum characters of a title or a name; the rest is cut.
_MAXIMUM_LINE: Final = 200
_MAXIMUM_FILES: Final = 20
_COLUMNS: Final = 72
#: Maximum bytes of a word; a line has at most 998 (RFC 5321, 4.5.3.1.6).
_MAXIMUM_WORD: Final = 900


@dataclass(frozen=True, kw_only=True)
class Letter:
    """The texts of a mail, in the order in which they appear.

    ``message`` has paragraphs, each a tuple of lines.  ``key`` is the link or the code,
    on a separate line; it is a link if ``button`` is set.
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

    ``files`` are names and sizes in bytes, None if unknown; a folder's name ends in
    ``/``.  ``not_before`` and ``expires`` are Unix seconds.  Without a ``sender_name``
    the ``site`` is the sender; replies go to ``reply_to``.  ``lang`` is a language tag
    (RFC 5646).
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
        """Return the texts of the mail."""
        lang = language(self.lang)
        _, ngettext = lang.translations.gettext, lang.translations.ngettext
        count, title = len(self.files), one_line(self.title)
        headline = ngettext(
            "{sender} sends you a file", "{sender} sends you {count} files", count
        )
        if any(name.endswith("/") for name, _size in self.files):
            # The files in a folder are not counted.
            count, headline = 2, _("{sender} sends you files")
        headline = headline.format(sender=self._sender, count=count)
        subject = _("{sender} sends you: {title}")
        return Letter(
            to=self.to,
            lang=lang.code,
            reply_to=self.reply_to,
            subject=subject.format(sender=self._sender, title=title)
            if title
            else headline,
            headline=headline,
            message=tuple(_paragraphs(self.message)),
            items=tuple(self._items(lang)),
            call=ngettext(
                "To get the file, open this link:",
                "To get the files, open this link:",
                count,
            ),
            key=self.link,
            button=ngettext("Get the file", "Get the files", count),
            notes=tuple(self._notes(lang)),
            footer=tuple(self._footer(lang)),
        )

    @property
    def _sender(self) -> str:
        return one_line(self.sender_name) or one_line(self.site)

    def _items(self, lang: Language) -> Iterator[str]:
        ngettext = lang.translations.ngettext
        for name, size in self.files[:_MAXIMUM_FILES]:
            shown = one_line(name)
            yield shown if size is None else f"{shown} ({lang.size(size)})"
        more = len(self.files) - _MAXIMUM_FILES
        if more > 0:
            text = ngettext("and {count} more", "and {count} more", more)
            yield text.format(count=more)

    def _notes(self, lang: Language) -> Iterator[str]:
        _ = lang.translations.gettext
        if self.not_before is not None:
            since = lang.time(self.not_before)
            yield _("The link works from {moment}.").format(moment=since)
        if self.expires is not None:
            until = lang.time(self.expires)
            yield _("The link works until {moment}.").format(moment=until)
        if self.has_password:
            text = _("You need a password. {sender} will send it to you separately.")
            yield text.format(sender=self._sender)
        if self.has_otp:
            yield _("You need a code. Request it by mail on the page of this link.")
        yield _("This link is only for you. Please do not forward it.")

    def _footer(self, lang: Language) -> Iterator[str]:
        _ = lang.translations.gettext
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
    """A one-time code that was requested on the page of a share link."""

    to: Mailbox
    code: str
    site: str
    minutes: int
    title: str = ""
    lang: str = ENGLISH

    def letter(self) -> Letter:
        """Return the texts of the mail."""
        lang = language(self.lang)
        _, ngettext = lang.translations.gettext, lang.translations.ngettext
        title = one_line(self.title)
        return Letter(
            to=self.to,
            lang=lang.code,
            subject=_("{code} is your code").format(code=self.code),
            headline=_("Your code for: {title}").format(title=title)
            if title
            else _("Your code"),
            call=_("Enter this code on the page of your link:"),
            key=self.code,
            notes=(
                ngettext(
                    "It works once and expires in {count} minute.",
                    "It works once and expires in {count} minutes.",
                    self.minutes,
                ).format(count=self.minutes),
                _("If you did not request a code, you can ignore this mail."),
            ),
            footer=(
                _("{site} sent this mail.").format(site=one_line(self.site)),
                _("Please do not reply to this mail."),
            ),
        )


@dataclass(frozen=True, kw_only=True)
class TestMail:
    """The test mail of ``gateway mail test``."""

    __test__ = False  # not a test class for pytest

    to: Mailbox
    site: str
    lang: str = ENGLISH

    def letter(self) -> Letter:
        """Return the texts of the mail."""
        lang = language(self.lang)
        _ = lang.translations.gettext
        site = one_line(self.site)
        return Letter(
            to=self.to,
            lang=lang.code,
            subject=_("Test mail from {site}").format(site=site),
            headline=_("Mail from {site} arrives").format(site=site),
            notes=(_("An administrator sent this mail to test the mail relay."),),
            footer=(_("Please do not reply to this mail."),),
        )


def one_line(text: str) -> str:
    """Return a title or a name as one line of visible characters, cut if long."""
    text = " ".join(_words(text))
    return text if len(text) <= _MAXIMUM_LINE else f"{text[: _MAXIMUM_LINE - 1]}…"


def _paragraphs(text: str) -> Iterator[tuple[str, ...]]:
    """Yield the paragraphs of a message as wrapped lines; long links are not split."""
    for line in text.strip().splitlines():
        words = [part for word in _words(line) for part in _split(word)]
        lines = textwrap.wrap(
            " ".join(words), _COLUMNS, break_long_words=False, break_on_hyphens=False
        )
        yield tuple(lines or [""])


def _split(word: str) -> Iterator[str]:
    """Yield *word* in parts of at most _MAXIMUM_WORD bytes."""
    while len(word.encode()) > _MAXIMUM_WORD:
        fits = len(word.encode()[:_MAXIMUM_WORD].decode(errors="ignore"))
        yield word[:fits]
        word = word[fits:]
    yield word


def _words(text: str) -> Iterator[str]:
    # Text from JSON may contain lone surrogates.
    words = text.encode(errors="replace").decode().split()
    return filter(None, map(visible, words))
