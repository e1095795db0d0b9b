"""``gateway revoke``: take links back."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from gateway.catalog import revocations, uploads
from gateway.catalog.revocations import Revocation
from gateway.cli import moments
from gateway.cli.catalog import open_catalog
from gateway.cli.moments import Moment
from gateway.config import settings
from gateway.delivery import revocation_targets
from gateway.errors import MissingUploadError, SettingsError

if TYPE_CHECKING:
    from gateway.catalog.database import Database
    from gateway.config.settings import Settings
    from gateway.links import KeyRing


@click.command()
@click.argument("url", required=False)
@click.option("--path", help="Every link to PATH or below it; '' is every link.")
@click.option("--key", help="Every link that the key of this id signed.")
@click.option("--upload", metavar="ID", help="Every link to this upload.")
@click.option(
    "--before",
    type=Moment(),
    help="Only links issued until then (ISO 8601); without, until now.",
)
@click.option("--undo", is_flag=True, help="Let the links be good again.")
@click.option("--list", "is_listing", is_flag=True, help="List what is revoked.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def revoke(
    *,
    url: str | None,
    path: str | None,
    key: str | None,
    upload: str | None,
    before: datetime | None,
    undo: bool,
    is_listing: bool,
    as_json: bool,
) -> None:
    """Take the signed URL back, or many at once.

    Links issued afterwards are good: sign anew what is to stay shared.
    """
    named = [url, path, key, upload]
    if named.count(None) != len(named) - (0 if is_listing else 1):
        raise click.UsageError("give one of URL, --path, --key, --upload and --list")
    if before and (url or undo or is_listing):
        raise click.UsageError("--before fits --path, --key and --upload")
    if undo and is_listing:
        raise click.UsageError("--undo needs to know what")
    database, current = open_catalog()
    if is_listing:
        with database.read() as connection:
            found = revocations.listing(connection)
        _print([vars(one) for one in found] if as_json else None, found)
        return
    now = moments.now()
    until = now if before is None else int(before.timestamp())
    new = (
        _of_url(_ring(current), url, now)
        if url is not None
        else Revocation(
            subject=_subject(database, current, path=path, key=key, upload=upload),
            issued_until=until,
            created=now,
            keep_until=None,
        )
    )
    with database.write(may_use_reserve=not undo, alone=False) as connection:
        if undo:
            revocations.undo(connection, new.subject)
            return
        made = revocations.revoke(connection, new)
    _print(vars(made) if as_json else None, [made])


def _of_url(ring: KeyRing, url: str, now: int) -> Revocation:
    link = revocation_targets.verified(ring, url)
    return Revocation(
        subject=revocations.of_url(link.mac),
        issued_until=link.claims.issued,
        created=now,
        keep_until=link.claims.expires,
    )


def _subject(
    database: Database,
    current: Settings,
    *,
    path: str | None,
    key: str | None,
    upload: str | None,
) -> str:
    if path is not None:
        return revocation_targets.of_path(path)
    if key is not None:
        return revocation_targets.of_key(_ring(current), key)
    with database.read() as connection:
        if upload is None or uploads.by_id(connection, upload) is None:
            raise MissingUploadError(upload or "")
    return revocations.of_upload(upload)


def _ring(current: Settings) -> KeyRing:
    if current.keys is None:
        raise SettingsError([settings.missing_fault("keys", current.data)])
    return current.keys


def _print(facts: object, found: list[Revocation]) -> None:
    if facts is not None:
        click.echo(json.dumps(facts))
        return
    for one in found:
        kept = (
            "for ever" if one.keep_until is None else f"until {_date(one.keep_until)}"
        )
        click.echo(
            f"{one.subject}  issued until {_date(one.issued_until)}  kept {kept}"
        )


def _date(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
