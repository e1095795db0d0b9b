"""The policy of a share: its texts and limits, checked for pages, API and commands."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from gateway.catalog import password_hashes
from gateway.errors import BadFieldsError
from gateway.storage.names import visible

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gateway.catalog.password_hashes import PasswordHash
    from gateway.catalog.shares import Share

MAXIMUM_TITLE: Final = 200
MAXIMUM_MESSAGE: Final = 5000
MAXIMUM_DOWNLOADS: Final = 1_000_000
MINIMUM_PASSWORD: Final = 4
#: The end of the year 9999: every component can format times up to it.
MAXIMUM_TIME: Final = 253_402_300_799
#: The default lifetime of a share in seconds: two weeks.
LIFE: Final = 14 * 86_400

_LANG: Final = re.compile(r"|[a-z]{2,3}(-[A-Za-z0-9]{2,4})?", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class SharePolicy:
    """A share's texts and limits; None means no limit, or no password.

    ``max_downloads`` applies to each link; with ``has_otp`` each lease requires a
    one-time code; ``not_before`` and ``expires`` are Unix seconds; ``lang`` is the
    language of mails (an RFC 5646 tag), empty for English.
    """

    title: str = ""
    message: str = ""
    lang: str = ""
    max_downloads: int | None = None
    password_hash: PasswordHash | None = None
    has_otp: bool = False
    not_before: int | None = None
    expires: int | None = None

    @classmethod
    def of(cls, share: Share) -> SharePolicy:
        """Return the policy of a share."""
        fields = cls.__dataclass_fields__
        return cls(**{name: getattr(share, name) for name in fields})

    def checked(self, *, now: int, before: SharePolicy | None = None) -> SharePolicy:
        """Return the policy with cleaned texts; raise BadFieldsError with all faults.

        An expiry in the past is accepted if it is unchanged from *before*.
        """
        clean = SharePolicy(
            **{
                **vars(self),
                "title": one_line(self.title),
                "message": _lines(self.message),
            }
        )
        faults = dict(clean._faults(now, before or SharePolicy()))
        if faults:
            raise BadFieldsError(faults)
        return clean

    def _faults(self, now: int, before: SharePolicy) -> Iterator[tuple[str, str]]:
        for name, text, most in (
            ("title", self.title, MAXIMUM_TITLE),
            ("message", self.message, MAXIMUM_MESSAGE),
        ):
            if len(text) > most or not is_unicode(text):
                yield name, f"must be text of at most {most} characters"
        most = MAXIMUM_DOWNLOADS
        if self.max_downloads is not None and not 1 <= self.max_downloads <= most:
            yield "max", f"must be a whole number from 1 to {most}"
        if not _LANG.fullmatch(self.lang):
            yield "lang", "must be a language tag like en or de"
        begins, ends = self.not_before, self.expires
        is_future = ends is None or now < ends <= MAXIMUM_TIME
        if not is_future and ends != before.expires:
            yield "expires", "must be in the future, and before the year 10000"
        if begins is not None and not 1 <= begins <= MAXIMUM_TIME:
            yield "not_before", "must be after 1970 and before the year 10000"
        elif begins is not None and ends is not None and begins >= ends:
            yield "not_before", "must be before the expiry"


def hash_password(password: str) -> PasswordHash:
    """Hash a share's password; raise BadFieldsError for a bad length.

    (!) Never call this in a transaction: it takes a fifth of a second.
    """
    least, most = MINIMUM_PASSWORD, password_hashes.MAXIMUM_LENGTH
    if not least <= len(password) <= most:
        raise BadFieldsError({"password": f"must have {least} to {most} characters"})
    return password_hashes.compute(password)


def one_line(text: str) -> str:
    """Return *text* as one line of visible characters."""
    # visible() deletes line ends: without split() words would run together.
    one_line = visible(" ".join(text.split()))
    return " ".join(unicodedata.normalize("NFC", one_line).split())


def _lines(text: str) -> str:
    # visible() deletes tabs: without expandtabs() words would run together.
    lines = (visible(line.expandtabs(4)).rstrip() for line in text.splitlines())
    return unicodedata.normalize("NFC", "\n".join(lines).strip())


def is_unicode(text: str) -> bool:
    """Return whether *text* has no lone surrogates, so that it can be stored."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
