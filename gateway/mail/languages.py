"""The languages of mails.

The texts in the code are English.  A further language is a file,
``gateway/locale/<language>/LC_MESSAGES/messages.po``, which is read as it is: there
is nothing to compile.
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
#: English as most of its readers abroad write it: 31 January 2030, 18:00.
_ENGLISH_LOCALE: Final = "en_GB"
_UNITS: Final = ("byte", "kilobyte", "megabyte", "gigabyte", "terabyte")
_STEP: Final = 1000


@dataclass(frozen=True)
class Language:
    """Texts, sizes and moments as people of one language read them."""

    code: str
    locale: Locale
    translations: NullTranslations

    def size(self, count: int) -> str:
        """Write bytes in the largest unit of which there is at least one."""
        value, unit = float(count), 0
        while round(value, 1) >= _STEP and unit < len(_UNITS) - 1:
            value, unit = value / _STEP, unit + 1
        return format_unit(
            round(value, 1),
            f"digital-{_UNITS[unit]}",
            "long" if unit == 0 else "short",
            locale=self.locale,
        )

    def moment(self, seconds: int) -> str:
        """Write a moment (Unix seconds) to the minute, in UTC."""
        when = datetime.fromtimestamp(seconds, UTC)
        day = format_date(when, "long", locale=self.locale)
        return f"{day}, {format_time(when, 'short', locale=self.locale)} UTC"


@cache
def codes() -> tuple[str, ...]:
    """Return the languages that there are, English first."""
    found = _LOCALES.glob(f"*/{_MESSAGES}")
    return (ENGLISH, *sorted(path.parent.parent.name for path in found))


def language(tag: str) -> Language:
    """Return the language of a tag (RFC 5646), ``de`` for ``de-AT``, else English."""
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
