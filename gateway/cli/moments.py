"""The commands' clock; durations and moments on the command line."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import click

from gateway.config import quantities


def now() -> int:
    """Return the present in seconds since the epoch."""
    return int(time.time())  # noqa: TID251


class Duration(click.ParamType[timedelta]):
    """``45s``, ``90m``, ``12h``, ``7d``, ``2w``, or several: ``1h30m``."""

    name = "duration"

    def convert(
        self,
        value: str | timedelta,
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> timedelta:
        """Read the text, or fail with the forms that are known."""
        if isinstance(value, timedelta):
            return value
        try:
            return quantities.duration(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


class Moment(click.ParamType[datetime]):
    """ISO 8601, in UTC if no zone is given."""

    name = "moment"

    def convert(
        self,
        value: str | datetime,
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> datetime:
        """Read the text, or fail with the form that is known."""
        if isinstance(value, datetime):
            return value
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is no moment like 2030-01-31T18:00", param, ctx)
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


class DurationOrMoment(click.ParamType[timedelta | datetime]):
    """A duration from now, or a moment."""

    name = "duration|moment"

    def convert(
        self,
        value: str | timedelta | datetime,
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> timedelta | datetime:
        """Read the text as a duration if it looks like one."""
        if isinstance(value, str) and not quantities.is_duration(value):
            if "-" not in value:
                self.fail(
                    f"{value!r} is neither a duration like 7d nor a moment like "
                    "2030-01-31T18:00",
                    param,
                    ctx,
                )
            return Moment().convert(value, param, ctx)
        if isinstance(value, datetime):
            return value
        return Duration().convert(value, param, ctx)
