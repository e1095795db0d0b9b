"""``gateway drops``: links that let others upload to a user without an account."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from gateway.catalog import drops, users
from gateway.cli import times
from gateway.cli.catalog import open_catalog
from gateway.cli.links import base_url_and_keys
from gateway.cli.options import JSON, LIMIT, NO_EXPIRY, USER, Id, Size
from gateway.cli.times import DurationOrDateTime, timestamp
from gateway.config import secret_files
from gateway.errors import MissingDropError, NotServableError, SettingsError
from gateway.uploads import drop_links
from gateway.uploads.description import DropDescription
from gateway.uploads.drop_codes import DropCodes
from gateway.uploads.drop_policy import MAXIMUM_UPLOADS, DropPolicy

if TYPE_CHECKING:
    from datetime import datetime, timedelta


@click.group("drops")
def group() -> None:
    """Manage drop links, which let others upload without an account."""


@group.command("new")
@click.argument("user")
@click.option("--title", default="", help="Title that tells senders what to upload.")
@click.option(
    "--max-uploads",
    type=click.IntRange(min=1, max=MAXIMUM_UPLOADS),
    metavar="N",
    help=f"Accept at most N files in total; default {drops.UPLOADS}.",
)
@click.option("--max-size", type=Size(), help="Limit the size of a file: 500M, 1G.")
@click.option(
    "--max-total",
    type=Size(),
    help="Limit the total size of the stored files; default 100G.",
)
@click.option(
    "--type",
    "types",
    multiple=True,
    metavar="TYPE",
    help="Accept only this media type: image/*, application/pdf; repeatable.",
)
@click.option(
    "--expires",
    type=DurationOrDateTime(),
    help="End the link then: 7d, 2030-01-31T18:00.",
)
@NO_EXPIRY
@JSON
def new(
    *,
    user: str,
    title: str,
    max_uploads: int | None,
    max_size: int | None,
    max_total: int | None,
    types: tuple[str, ...],
    expires: timedelta | datetime | None,
    no_expiry: bool,
    as_json: bool,
) -> None:
    """Create a drop link for uploads to USER and print its URL.

    --expires or --no-expiry is required.
    """
    if (expires is None) != no_expiry:
        raise click.UsageError("give either --expires or --no-expiry")
    now = times.now()
    policy = DropPolicy.of(
        title=title,
        max_uploads=max_uploads,
        max_size=max_size,
        max_total=max_total,
        types=types,
        expires=None if expires is None else timestamp(expires, now=now),
        now=now,
    )
    database, current = open_catalog()
    base_url, ring = base_url_and_keys(current)
    if current.secret is None:
        raise SettingsError([secret_files.missing_fault("secret", current.data)])
    with database.read() as connection:
        owner = users.by_name(connection, user)
    drop = drop_links.create(database, owner, policy, now=now)
    url = DropCodes(current.secret, ring).url(drop, base=base_url)
    description = DropDescription.of(drop, owner=user, url=url, now=now)
    click.echo(json.dumps(description.model_dump(mode="json")) if as_json else url)


@group.command("list")
@USER
@LIMIT
@JSON
def list_drops(*, user: str | None, limit: int, as_json: bool) -> None:
    """List drop links, newest first.

    Prints id, user, state, uploads, expiry and title.
    """
    now = times.now()
    database, _ = open_catalog()
    with database.read() as connection:
        owner = None if user is None else users.by_name(connection, user)
        names = {each.id: each.name for each in users.everyone(connection)}
        newest = drops.newest(connection, owner, limit=limit)
    if as_json:
        rows = [
            DropDescription.of(
                drop, owner=names[drop.owner_id], url=None, now=now
            ).model_dump(mode="json", exclude={"url"})
            for drop in newest
        ]
        click.echo(json.dumps(rows))
        return
    for drop in newest:
        most = "" if drop.max_uploads is None else f"/{drop.max_uploads}"
        click.echo(
            f"{drop.id}  {names[drop.owner_id]}  {drop.state(now=now)}  "
            f"{drop.taken}{most}  until {_day(drop.expires)}  {drop.title}"
        )


@group.command("revoke")
@click.argument("drop_id", metavar="ID", type=Id())
def revoke(*, drop_id: str) -> None:
    """Revoke the drop link ID; its uploads are kept."""
    database, _ = open_catalog()
    try:
        drop_links.revoke(database, drop_id, owner=None, now=times.now())
    except NotServableError:
        raise MissingDropError(drop_id) from None


def _day(seconds: int | None) -> str:
    return times.day(seconds, default="revoked")
