"""What the forms of a share say, as values; the forms are on ``pages.shares``."""

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

#: When a share ends, in days from now; None is when its maker ends it.
LIVES: Final = {"1": 1, "7": 7, "14": 14, "30": 30, "365": 365, "": None}
DEFAULT_LIFE: Final = "14"
#: The choice that leaves the end as it is.
SAME: Final = "same"

_DAY: Final = 86_400
_MINUTE: Final = 60
_NUMBER: Final = re.compile(r"[0-9]{1,9}", re.ASCII)
#: Minutes that UTC is ahead of the browser, as its ``Date.getTimezoneOffset`` says.
_ZONE: Final = re.compile(r"-?[0-9]{1,3}", re.ASCII)
_BETWEEN: Final = re.compile(r"[,;\n\r]+")
#: A name before an address, as mail programs give it.
_QUOTED: Final = re.compile(r'"[^"]*"')
#: What the page calls the fields of the API.
_FIELDS: Final = {
    "items": "Files",
    "title": "Title",
    "message": "Message",
    "to": "Mail addresses",
    "label": "Name for the link",
    "not_before": "Opens",
    "expires": "Ends",
    "max": "Downloads of each link",
    "password": "Password",
    "otp": "Code by mail",
    "lang": "Language of the mail",
}


def languages() -> dict[str, str]:
    """Return the languages of mails, each with its own name."""
    return {code: Locale.parse(code).get_display_name() or code for code in codes()}


def policy(before: SharePolicy, *, now: int) -> SharePolicy:
    """Return *before* with what the form says.

    Raise BadFieldsError with every field that can't be read.
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
    """Return whom the form names; raise BadFieldsError for what is no address.

    They stand there as in ``a@example.com b@example.com``, or as mail programs give
    them: ``Bob <bob@example.com>, "C, D" <c@example.com>``.
    """
    found: list[str] = []
    for part in _BETWEEN.split(_QUOTED.sub("", request.form.get("to", ""))):
        found += [part] if "<" in part else part.split()
    return addresses.parse(found, label=request.form.get("label", ""))


def in_words(faults: dict[str, str]) -> dict[str, str]:
    """Return what is wrong with fields, with the names that the form has for them."""
    return {
        field: f"{_FIELDS.get(field, field)}: {fault}"
        for field, fault in faults.items()
    }


def _end(text: str, *, now: int) -> int | None:
    if text not in LIVES:
        raise BadFieldsError({"expires": "choose one of the times that are offered"})
    days = LIVES[text]
    return None if days is None else now + days * _DAY


def _limit(text: str) -> int | None:
    """Return how many downloads are permitted, None for any number."""
    if not text:
        return None
    if not _NUMBER.fullmatch(text):
        raise BadFieldsError({"max": "must be a whole number, or nothing"})
    return int(text) or None


def _moment(text: str, *, before: int | None) -> int | None:
    """Return the second of a local time in the zone that the form names, or in UTC.

    The field has no seconds: it means *before* if it names the same minute.
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
