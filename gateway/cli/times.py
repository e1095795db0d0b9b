"""The commands' clock, and durations and times as options take them."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import click

from gateway.config import quantities


def now() -> int:
    """Return the current time in Unix seconds."""
    return int(time.time())  # noqa: TID251


def timestamp(value: timedelta | datetime, *, now: int) -> int:
    """Return the Unix seconds of a time, or of a duration counted from *now*."""
    if isinstance(value, timedelta):
        return now + int(value.total_seconds())
    return int(value.timestamp())


def day(seconds: int | None, *, default: str) -> str:
    """Format the UTC date of a Unix time, or return *default* for None."""
    return default if seconds is None else f"{datetime.fromtimestamp(seconds, UTC):%F}"


class Duration(click.ParamType[timedelta]):
    """``45s``, ``90m``, ``12h``, ``7d``, ``2w``, or a sum of them: ``1h30m``."""

    name = "duration"

    def convert(
        self,
        value: str | timedelta,
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> timedelta:
        """Parse the text, or fail with the accepted forms."""
        if isinstance(value, timedelta):
            return value
        try:
            return quantities.duration(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


class DateTime(click.ParamType[datetime]):
    """An ISO 8601 date or date and time, in UTC if it has no zone."""

    name = "time"

    def convert(
        self,
        value: str | datetime,
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> datetime:
        """Parse the text, or fail with the accepted form."""
        if isinstance(value, datetime):
            return value
        try:
            parsed = datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is not a time like 2030-01-31T18:00", param, ctx)
        return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


class DurationOrDateTime(click.ParamType[timedelta | datetime]):
    """A duration counted from now, or a time."""

    name = "duration|time"

    def convert(
        self,
        value: str | timedelta | datetime,
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> timedelta | datetime:
        """Parse the text as a duration if it has that form, else as a time."""
        if isinstance(value, str) and not quantities.is_duration(value):
            if "-" not in value:
                self.fail(
                    f"{value!r} is neither a duration like 7d nor a time like "
                    "2030-01-31T18:00",
                    param,
                    ctx,
                )
            return DateTime().convert(value, param, ctx)
        if isinstance(value, datetime):
            return value
        return Duration().convert(value, param, ctx)
