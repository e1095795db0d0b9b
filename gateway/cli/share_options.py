"""Options that set the policy and the recipients of a share."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import IO, TYPE_CHECKING, Any, Final

import click

from gateway.cli.options import NO_EXPIRY, Id
from gateway.cli.times import DurationOrDateTime, timestamp
from gateway.shares.policy import MAXIMUM_DOWNLOADS, SharePolicy, hash_password

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime, timedelta

TO: Final = click.option(
    "--to",
    multiple=True,
    metavar="ADDRESS",
    help="Add a recipient with a separate link; repeatable.",
)
LABEL: Final = click.option(
    "--label", default="", help="Name for the recipients, visible only to you."
)
UPLOAD: Final = click.option(
    "--upload",
    "upload_ids",
    type=Id(),
    multiple=True,
    metavar="ID",
    help="Share this upload.",
)
_POLICY: Final = (
    click.option("--title", help="Title of the page and the mail."),
    click.option("--message", help="Message to the recipients."),
    click.option(
        "--message-file",
        type=click.File(encoding="utf-8"),
        help="Read the message from this file; - is stdin.",
    ),
    click.option("--lang", help="Language of the mail: en, de."),
    click.option(
        "--expires",
        type=DurationOrDateTime(),
        help="End the share then: 14d, 2030-01-31T18:00.",
    ),
    NO_EXPIRY,
    click.option(
        "--not-before",
        type=DurationOrDateTime(),
        help="Refuse downloads before then: 1d, 2030-01-31.",
    ),
    click.option(
        "--max",
        "max_downloads",
        type=click.IntRange(min=0, max=MAXIMUM_DOWNLOADS),
        metavar="N",
        help="Allow at most N downloads per link; 0 means no limit.",
    ),
    click.option(
        "--password",
        help="Require this password; - prompts for it, '' removes it.",
    ),
    click.option(
        "--otp/--no-otp",
        default=None,
        help="Require a one-time code, sent by mail, for each download.",
    ),
)


def policy_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options whose values are the fields of PolicyOptions."""
    for option in reversed(_POLICY):
        command = option(command)
    return command


@dataclass(frozen=True, kw_only=True)
class PolicyOptions:
    """The values of the policy options; None if an option is not given."""

    title: str | None
    message: str | None
    message_file: IO[str] | None
    lang: str | None
    expires: timedelta | datetime | None
    no_expiry: bool
    not_before: timedelta | datetime | None
    max_downloads: int | None
    password: str | None
    otp: bool | None

    def apply(self, policy: SharePolicy, *, now: int) -> SharePolicy:
        """Return *policy* with the given options applied.

        Prompts for a password if the option is ``-``.  Raise click.UsageError for
        options that exclude each other, BadFieldsError for a bad password.
        """
        if self.expires is not None and self.no_expiry:
            raise click.UsageError("give --expires or --no-expiry, not both")
        if self.message is not None and self.message_file is not None:
            raise click.UsageError("give --message or --message-file, not both")
        message = self.message
        if self.message_file is not None:
            message = _text(self.message_file)
        texts = {
            "title": self.title,
            "message": message,
            "lang": self.lang,
            "has_otp": self.otp,
        }
        changes: dict[str, Any] = {k: v for k, v in texts.items() if v is not None}
        if self.expires is not None:
            changes["expires"] = timestamp(self.expires, now=now)
        if self.no_expiry:
            changes["expires"] = None
        if self.not_before is not None:
            changes["not_before"] = timestamp(self.not_before, now=now)
        if self.max_downloads is not None:
            changes["max_downloads"] = self.max_downloads or None
        password = self.password
        if password == "-":  # noqa: S105
            password = click.prompt(
                "Password", hide_input=True, confirmation_prompt=True
            )
        if password is not None:
            changes["password_hash"] = hash_password(password) if password else None
        return replace(policy, **changes)


def _text(file: IO[str]) -> str:
    try:
        return file.read()
    except UnicodeDecodeError as error:
        raise click.UsageError("--message-file: is not valid UTF-8") from error
