"""Parse the forms of a share (``pages.shares``) into typed values."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from babel import Locale
from flask import request

from gateway.errors import BadFieldsError
from gateway.mail.languages import codes
from gateway.shares import addresses
from gateway.shares.policy import hash_password

if TYPE_CHECKING:
    from gateway.catalog.recipients import NewRecipient
    from gateway.shares.policy import SharePolicy

#: The lifetimes that the forms offer, in days; None is no expiry.
LIFETIMES: Final = {"1": 1, "7": 7, "14": 14, "30": 30, "365": 365, "": None}
DEFAULT_LIFETIME: Final = "14"
#: The choice that does not change the expiry.
SAME: Final = "same"

_DAY: Final = 86_400
_MINUTE: Final = 60
_NUMBER: Final = re.compile(r"[0-9]{1,9}", re.ASCII)
#: Minutes that UTC is ahead of local time (JavaScript's ``Date.getTimezoneOffset``).
_ZONE: Final = re.compile(r"-?[0-9]{1,3}", re.ASCII)
_SEPARATORS: Final = re.compile(r"[,;\n\r]+")
#: A quoted display name before an address.
_QUOTED: Final = re.compile(r'"[^"]*"')
#: The labels of the form, by the fields of the API.
_LABELS: Final = {
    "items": "Files",
    "title": "Title",
    "message": "Message",
    "to": "Email addresses",
    "label": "Link name",
    "not_before": "Available from",
    "expires": "Expires",
    "max": "Maximum downloads per link",
    "password": "Password",
    "otp": "One-time code",
    "lang": "Language of the email",
}


def languages() -> dict[str, str]:
    """Return the languages of mails: their codes and native names."""
    return {code: Locale.parse(code).get_display_name() or code for code in codes()}


def policy(before: SharePolicy, *, now: int) -> SharePolicy:
    """Return *before* with the changes in the form.

    Raise BadFieldsError with every invalid field.
    """
    fields = request.form
    values: dict[str, Any] = {
        name: fields[name] for name in ("title", "message", "lang") if name in fields
    }
    faults: dict[str, str] = {}
    for field, name, read in (
        ("life", "expires", lambda text: _end(text, now=now)),
        ("max", "max_downloads", _limit),
        (
            "not_before",
            "not_before",
            lambda text: _moment(text, before=before.not_before),
        ),
    ):
        text = fields.get(field, SAME).strip()
        if text == SAME:
            continue
        try:
            values[name] = read(text)
        except BadFieldsError as error:
            faults |= error.faults
    if fields.get("otp") or fields.get("no_otp"):
        values["has_otp"] = bool(fields.get("otp"))
    try:
        if fields.get("password"):
            values["password_hash"] = hash_password(fields["password"])
        elif fields.get("no_password"):
            values["password_hash"] = None
    except BadFieldsError as error:
        faults |= error.faults
    if faults:
        raise BadFieldsError(faults)
    return replace(before, **values)


def recipients() -> list[NewRecipient]:
    """Return the recipients in the form; raise BadFieldsError for an invalid address.

    Addresses are separated by blanks (``a@example.com b@example.com``), or written as
    in mail programs: ``Bob <bob@example.com>, "C, D" <c@example.com>``.
    """
    texts: list[str] = []
    for part in _SEPARATORS.split(_QUOTED.sub("", request.form.get("to", ""))):
        texts += [part] if "<" in part else part.split()
    return addresses.parse(texts, label=request.form.get("label", ""))


def messages(faults: dict[str, str]) -> dict[str, str]:
    """Return the error messages of fields, with the form's labels."""
    return {
        field: f"{_LABELS.get(field, field)}: {fault}"
        for field, fault in faults.items()
    }


def _end(text: str, *, now: int) -> int | None:
    if text not in LIFETIMES:
        raise BadFieldsError({"expires": "choose one of the options"})
    days = LIFETIMES[text]
    return None if days is None else now + days * _DAY


def _limit(text: str) -> int | None:
    """Return the maximum number of downloads, None for no limit."""
    if not text:
        return None
    if not _NUMBER.fullmatch(text):
        raise BadFieldsError({"max": "must be a whole number or empty"})
    return int(text) or None


def _moment(text: str, *, before: int | None) -> int | None:
    """Return the Unix time of a local time in the form's time zone, or in UTC.

    The field has no seconds.  If it names the minute of *before*, return *before*: the
    field was not changed.
    """
    if not text:
        return None
    zone = request.form.get("zone", "")
    minutes = int(zone) if _ZONE.fullmatch(zone) else 0
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC) + timedelta(minutes=minutes)
        second = int(moment.timestamp())
    except (OverflowError, ValueError):
        raise BadFieldsError({"not_before": "must be a date and a time"}) from None
    is_same = before is not None and second == before - before % _MINUTE
    return before if is_same else second
