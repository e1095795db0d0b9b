"""``gateway backup`` and ``gateway restore``."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import click

from gateway import __version__, ownership
from gateway.cli import times
from gateway.cli.catalog import open_blobs, open_catalog_and_store, open_store
from gateway.cli.options import JSON
from gateway.config import environment, settings
from gateway.maintenance.backup import Backup
from gateway.maintenance.manifest import Folder
from gateway.maintenance.restore import Restore, require_empty
from gateway.runtime.prepare import prepare

_without_keys = click.option(
    "--without-keys",
    is_flag=True,
    help="Skip the signing keys and the server secret.",
)
_copy = click.option(
    "--copy",
    "is_copying",
    is_flag=True,
    help="Copy every file instead of creating hard links.",
)


@click.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@_without_keys
@_copy
@click.option(
    "--with-objects",
    is_flag=True,
    help="Copy uploads from the bucket of GATEWAY_BLOBS, too.",
)
@JSON
def backup(
    *,
    folder: Path,
    without_keys: bool,
    is_copying: bool,
    with_objects: bool,
    as_json: bool,
) -> None:
    """Back up catalog, uploads, keys and secret to FOLDER.

    The gateway may keep running. If FOLDER holds an earlier backup, only new data is
    copied. On the same file system blobs are hard-linked: such a backup protects
    against mistakes, not against a broken disk. Uploads in a bucket stay there.

    Exits with status 1 if the store lacks the content of an upload in the catalog.
    """
    database, store, current = open_catalog_and_store()
    keys = None if current.keys is None or without_keys else str(current.keys)
    secret = None if current.secret is None or without_keys else str(current.secret)
    report = Backup(
        database=database,
        store=store,
        blobs=open_blobs(current),
        with_blobs=current.blobs is None or with_objects,
        folder=Folder(folder),
        keys=keys,
        secret=secret,
        version=__version__,
        may_link=not is_copying,
    ).make(now=times.now())
    for upload_id in report.lost:
        click.echo(
            f"gateway: upload {upload_id}: the store lacks its content", err=True
        )
    if as_json:
        click.echo(
            json.dumps(
                {**vars(report), "keys": keys is not None, "secret": secret is not None}
            )
        )
    else:
        click.echo(
            f"{report.uploads} uploads with {report.bytes} bytes, "
            f"{report.copied} of them new"
        )
    sys.exit(1 if report.lost else 0)


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@_without_keys
@_copy
@click.option(
    "--partial",
    "is_partial",
    is_flag=True,
    help="Leave out uploads whose content is neither in the backup nor in the store or "
    "bucket, and list them.",
)
@JSON
def restore(
    *,
    folder: Path,
    without_keys: bool,
    is_copying: bool,
    is_partial: bool,
    as_json: bool,
) -> None:
    """Restore the backup in FOLDER into an empty catalog, and store or bucket.

    The settings (GATEWAY_DATABASE, GATEWAY_STORE, GATEWAY_BLOBS) name the destination.
    Existing data is never overwritten. A bucket may have other objects.
    """
    current = settings.read(embedded=True).settings
    ownership.check(current.data)
    has_keys = without_keys or environment.has("keys")
    has_secret = without_keys or environment.has("secret")
    result = Restore(
        prepare=partial(prepare, current, check=require_empty),
        store=open_store(current),
        blobs=open_blobs(current),
        folder=Folder(folder),
        keys=None if has_keys else current.embedded_keys,
        secret=None if has_secret else current.embedded_secret,
        may_link=not is_copying,
        is_partial=is_partial,
    ).make()
    for upload_id in result.lost:
        click.echo(f"gateway: upload {upload_id}: left out, without content", err=True)
    line = (
        f"restored {result.uploads} uploads with {result.bytes} bytes, as of "
        f"{datetime.fromtimestamp(result.created, UTC):%F %T} UTC"
    )
    click.echo(json.dumps(vars(result)) if as_json else line)
    if environment.has("keys") and not without_keys:
        click.echo("gateway: keys not restored, because GATEWAY_KEYS is set", err=True)
    if environment.has("secret") and not without_keys:
        click.echo(
            "gateway: secret not restored, because GATEWAY_SECRET is set", err=True
        )
