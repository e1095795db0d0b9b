"""The languages of mails.

The texts in the code are English.  Each other language is a file,
``gateway/locale/<language>/LC_MESSAGES/messages.po``, which is compiled when it is
first read.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from gettext import GNUTranslations, NullTranslations
from pathlib import Path
from typing import Final

from babel import Locale
from babel.dates import format_date, format_time
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.units import format_unit

ENGLISH: Final = "en"
_LOCALES: Final = Path(__file__).resolve().parents[1] / "locale"
_MESSAGES: Final = "LC_MESSAGES/messages.po"
#: British formats, which international readers expect: 31 January 2030, 18:00.
_ENGLISH_LOCALE: Final = "en_GB"
_UNITS: Final = ("byte", "kilobyte", "megabyte", "gigabyte", "terabyte")
_STEP: Final = 1000


@dataclass(frozen=True)
class Language:
    """The texts of one language, and its formats of sizes and times."""

    code: str
    locale: Locale
    translations: NullTranslations

    def size(self, count: int) -> str:
        """Format *count* bytes in the largest unit that gives at least 1."""
        value, unit = float(count), 0
        while round(value, 1) >= _STEP and unit < len(_UNITS) - 1:
            value, unit = value / _STEP, unit + 1
        return format_unit(
            round(value, 1),
            f"digital-{_UNITS[unit]}",
            "long" if unit == 0 else "short",
            locale=self.locale,
        )

    def time(self, seconds: int) -> str:
        """Format a time (Unix seconds) to the minute, in UTC."""
        when = datetime.fromtimestamp(seconds, UTC)
        day = format_date(when, "long", locale=self.locale)
        return f"{day}, {format_time(when, 'short', locale=self.locale)} UTC"


@cache
def codes() -> tuple[str, ...]:
    """Return the codes of all languages, English first."""
    files = _LOCALES.glob(f"*/{_MESSAGES}")
    return (ENGLISH, *sorted(path.parent.parent.name for path in files))


def language(tag: str) -> Language:
    """Return the language of a tag (RFC 5646): ``de`` for ``de-AT``, or English."""
    code = tag.partition("-")[0]
    return _language(code if code in codes() else ENGLISH)


@cache
def _language(code: str) -> Language:
    if code == ENGLISH:
        return Language(code, Locale.parse(_ENGLISH_LOCALE), NullTranslations())
    with (_LOCALES / code / _MESSAGES).open("rb") as file:
        catalog = read_po(file, locale=code, abort_invalid=True)
    compiled = io.BytesIO()
    write_mo(compiled, catalog)
    compiled.seek(0)
    return Language(code, Locale.parse(code), GNUTranslations(compiled))
