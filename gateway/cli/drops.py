"""``gateway drops``: links by which others upload to a user."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import click

from gateway.catalog import drops, users
from gateway.cli import moments
from gateway.cli.catalog import open_catalog
from gateway.cli.links import base_url_and_keys
from gateway.cli.lists import LIMIT
from gateway.cli.moments import DurationOrMoment
from gateway.cli.sizes import Size
from gateway.config import settings
from gateway.errors import MissingDropError, NotServableError, SettingsError
from gateway.uploads import drop_links
from gateway.uploads.drop_codes import DropCodes
from gateway.uploads.drop_policy import MAXIMUM_UPLOADS, DropPolicy

if TYPE_CHECKING:
    from gateway.catalog.drops import Drop


@click.group("drops")
def group() -> None:
    """Make and revoke drop links: others upload to a user, without an account."""


@group.command("new")
@click.argument("user")
@click.option("--title", default="", help="What is to be sent; senders read it.")
@click.option(
    "--max-uploads",
    type=click.IntRange(min=1, max=MAXIMUM_UPLOADS),
    help=f"How many files in all; without, {drops.UPLOADS}.",
)
@click.option("--max-size", type=Size(), help="Bytes of a file at most: 500M, 1G.")
@click.option(
    "--max-total",
    type=Size(),
    help="Bytes of all its files that are stored at a time; without, 100G.",
)
@click.option(
    "--type",
    "types",
    multiple=True,
    metavar="TYPE",
    help="Only such files: image/*, application/pdf; repeat.",
)
@click.option("--expires", type=DurationOrMoment(), help="When it ends: 7d, 2030-01-31")
@click.option("--no-expiry", is_flag=True, help="It ends when it is revoked.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
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
    """Make a drop link to USER and print its URL."""
    if (expires is None) != no_expiry:
        raise click.UsageError("give --expires, or say --no-expiry (one of the two)")
    now = moments.now()
    if isinstance(expires, timedelta):
        expires = datetime.fromtimestamp(now, UTC) + expires
    terms = DropPolicy.of(
        title=title,
        max_uploads=max_uploads,
        max_size=max_size,
        max_total=max_total,
        types=types,
        expires=None if expires is None else int(expires.timestamp()),
        now=now,
    )
    database, current = open_catalog()
    base_url, ring = base_url_and_keys(current)
    if current.secret is None:
        raise SettingsError([settings.without("secret", current.data)])
    with database.read() as connection:
        owner = users.by_name(connection, user)
    made = drop_links.create(database, owner, terms, now=now)
    url = DropCodes(current.secret, ring).url(made, base=base_url)
    click.echo(
        json.dumps({"url": url, **_facts(made, user, now=now)}) if as_json else url
    )


@group.command("list")
@click.option("--user", help="Only those of this user.")
@LIMIT
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_drops(*, user: str | None, limit: int, as_json: bool) -> None:
    """List drop links, newest first: id, user, state, how many came, end, title."""
    now = moments.now()
    database, _ = open_catalog()
    with database.read() as connection:
        owner = None if user is None else users.by_name(connection, user)
        names = {one.id: one.name for one in users.everyone(connection)}
        found = drops.newest(connection, owner, limit=limit)
    if as_json:
        rows = [_facts(drop, names[drop.owner_id], now=now) for drop in found]
        click.echo(json.dumps(rows))
        return
    for drop in found:
        most = "" if drop.max_uploads is None else f"/{drop.max_uploads}"
        click.echo(
            f"{drop.id}  {names[drop.owner_id]}  {drop.state(now=now)}  "
            f"{drop.taken}{most}  until {_day(drop.expires)}  {drop.title}"
        )


@group.command("revoke")
@click.argument("drop_id", metavar="ID")
def revoke(*, drop_id: str) -> None:
    """End the drop link ID; what has come by it stays."""
    database, _ = open_catalog()
    try:
        drop_links.revoke(database, drop_id, owner=None, now=moments.now())
    except NotServableError:
        drop_id.encode()  # main() reports bytes that are not UTF-8
        raise MissingDropError(drop_id) from None


def _facts(drop: Drop, owner: str, *, now: int) -> dict[str, object]:
    return {
        "id": drop.id,
        "owner": owner,
        "title": drop.title,
        "state": drop.state(now=now),
        "max_uploads": drop.max_uploads,
        "taken": drop.taken,
        "max_size": drop.max_size,
        "max_total": drop.max_total,
        "stored_bytes": drop.stored_bytes,
        "types": drop.types,
        "created": drop.created,
        "expires": drop.expires,
        "revoked": drop.revoked,
    }


def _day(moment: int | None) -> str:
    return "revoked" if moment is None else f"{datetime.fromtimestamp(moment, UTC):%F}"
