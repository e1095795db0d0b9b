"""``gateway backup`` and ``gateway restore``."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path

import click

from gateway import __version__
from gateway.cli import moments
from gateway.cli.catalog import open_catalog, open_store
from gateway.config import settings
from gateway.maintenance.backup import Backup
from gateway.maintenance.manifest import Folder
from gateway.maintenance.restore import Restore
from gateway.runtime.prepare import prepare

_without_keys = click.option(
    "--without-keys",
    is_flag=True,
    help="Leave the signing keys and the server secret out.",
)
_copy = click.option(
    "--copy",
    "is_copying",
    is_flag=True,
    help="Copy every byte, even where hard links would do.",
)


@click.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@_without_keys
@_copy
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def backup(
    *, folder: Path, without_keys: bool, is_copying: bool, as_json: bool
) -> None:
    """Copy catalog, uploads, keys and secret to FOLDER, while the gateway serves.

    Into the folder of an earlier backup only what is new is copied.  On the same
    file system blobs are hard-linked: a backup against mistakes, not against a
    broken disk.  Status 1 when the store lacks content that the catalog names.
    """
    database, current = open_catalog()
    keys = None if current.keys is None or without_keys else str(current.keys)
    secret = None if current.secret is None or without_keys else str(current.secret)
    made = Backup(
        database=database,
        store=open_store(current),
        folder=Folder(folder),
        keys=keys,
        secret=secret,
        version=__version__,
        may_link=not is_copying,
    ).make(now=moments.now())
    for upload_id in made.lost:
        click.echo(f"gateway: {upload_id}: the store lacks its content", err=True)
    if as_json:
        click.echo(
            json.dumps(
                {**vars(made), "keys": keys is not None, "secret": secret is not None}
            )
        )
    else:
        click.echo(
            f"{made.uploads} uploads with {made.bytes} bytes, {made.copied} of them new"
        )
    sys.exit(1 if made.lost else 0)


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@_without_keys
@_copy
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def restore(
    *, folder: Path, without_keys: bool, is_copying: bool, as_json: bool
) -> None:
    """Put the backup in FOLDER into an empty store and catalog.

    The settings say where these are.  Nothing is overwritten.
    """
    current = settings.read(embedded=True).settings
    has_keys = without_keys or settings.has("keys")
    has_secret = without_keys or settings.has("secret")
    manifest = Restore(
        database=prepare(current),
        store=open_store(current),
        folder=Folder(folder),
        keys=None if has_keys else current.embedded_keys,
        secret=None if has_secret else current.embedded_secret,
        may_link=not is_copying,
    ).make()
    facts = {k: vars(manifest)[k] for k in ("created", "uploads", "bytes")}
    line = (
        f"restored {manifest.uploads} uploads with {manifest.bytes} bytes, as of "
        f"{datetime.fromtimestamp(manifest.created, UTC):%F %T} UTC"
    )
    click.echo(json.dumps(facts) if as_json else line)
    if settings.has("keys") and not without_keys:
        click.echo("gateway: the keys are those of GATEWAY_KEYS", err=True)
    if settings.has("secret") and not without_keys:
        click.echo("gateway: the secret is that of GATEWAY_SECRET", err=True)
