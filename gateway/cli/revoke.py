"""``gateway revoke``: revoke signed URLs."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from gateway.catalog import revocations, uploads
from gateway.catalog.revocations import Revocation
from gateway.cli import times
from gateway.cli.catalog import open_catalog
from gateway.cli.options import JSON, Id
from gateway.cli.times import DateTime
from gateway.config import secret_files
from gateway.delivery import revocation_targets
from gateway.errors import MissingUploadError, SettingsError

if TYPE_CHECKING:
    from gateway.catalog.database import Database
    from gateway.config.settings import Settings
    from gateway.links import KeyRing


@click.command()
@click.argument("url", required=False)
@click.option(
    "--path",
    metavar="PATH",
    help="Revoke all links to PATH and below; '' means all links.",
)
@click.option(
    "--key", type=Id(), metavar="ID", help="Revoke all links that this key signed."
)
@click.option(
    "--upload", type=Id(), metavar="ID", help="Revoke all links to this upload."
)
@click.option(
    "--before",
    type=DateTime(),
    help="Revoke only links issued until then; default now.",
)
@click.option("--undo", is_flag=True, help="Undo the revocation.")
@click.option("--list", "is_listing", is_flag=True, help="List all revocations.")
@JSON
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
    """Revoke a signed URL, or many at once.

    Links that are signed after the revocation are valid. Sign a new link for a file
    that stays shared.
    """
    targets = [url, path, key, upload]
    if targets.count(None) != len(targets) - (0 if is_listing else 1):
        raise click.UsageError("give one of URL, --path, --key, --upload and --list")
    if before and (url or undo or is_listing):
        raise click.UsageError("--before needs --path, --key or --upload")
    if undo and is_listing:
        raise click.UsageError("--undo can't be used with --list")
    database, current = open_catalog()
    if is_listing:
        with database.read() as connection:
            listed = revocations.listing(connection)
        _print([vars(each) for each in listed] if as_json else None, listed)
        return
    now = times.now()
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
        stored = revocations.revoke(connection, new)
    _print(vars(stored) if as_json else None, [stored])


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
        raise SettingsError([secret_files.missing_fault("keys", current.data)])
    return current.keys


def _print(facts: object, listed: list[Revocation]) -> None:
    if facts is not None:
        click.echo(json.dumps(facts))
        return
    for each in listed:
        end = each.keep_until
        kept = "forever" if end is None else f"until {_date(end)}"
        click.echo(
            f"{each.subject}  issued until {_date(each.issued_until)}  kept {kept}"
        )


def _date(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
