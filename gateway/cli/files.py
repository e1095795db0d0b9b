"""``gateway files``: list and delete uploads."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import click

from gateway.catalog import uploads, users
from gateway.cli.catalog import open_catalog, open_store
from gateway.cli.options import JSON, LIMIT, USER
from gateway.errors import MissingUploadError
from gateway.uploads import deletion


@click.group()
def files() -> None:
    """List and delete uploads."""


@files.command("list")
@USER
@LIMIT
@JSON
def list_files(*, user: str | None, limit: int, as_json: bool) -> None:
    """List uploads, newest first.

    Prints id, owner, size in bytes, upload time and name.
    """
    database, _ = open_catalog()
    with database.read() as connection:
        owner = None if user is None else users.by_name(connection, user)
        names = {each.id: each.name for each in users.everyone(connection)}
        newest = uploads.newest(connection, owner, limit=limit)
    if as_json:
        rows = [
            {
                "id": upload.id,
                "owner": names[upload.owner_id],
                "name": upload.name,
                "size": upload.size,
                "type": upload.media_type,
                "created": upload.created,
            }
            for upload in newest
        ]
        click.echo(json.dumps(rows))
        return
    for upload in newest:
        created = datetime.fromtimestamp(upload.created, UTC)
        click.echo(
            f"{upload.id}  {names[upload.owner_id]}  {upload.size}  "
            f"{created:%F %T}  {upload.name}"
        )


@files.command("delete")
@click.argument("upload_id", metavar="ID")
def delete(*, upload_id: str) -> None:
    """Delete the upload ID; all links to it stop working."""
    database, current = open_catalog()
    if deletion.delete(database, open_store(current), upload_id) is None:
        raise MissingUploadError(upload_id)
