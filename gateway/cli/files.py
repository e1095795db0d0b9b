"""``gateway files``: uploads."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import click

from gateway.catalog import uploads, users
from gateway.cli.catalog import open_catalog, open_store
from gateway.cli.lists import LIMIT
from gateway.errors import MissingUploadError
from gateway.uploads import deletion
from gateway.uploads.description import UploadDescription


@click.group()
def files() -> None:
    """List and delete uploads."""


@files.command("list")
@click.option("--user", help="Only those of this user.")
@LIMIT
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_files(*, user: str | None, limit: int, as_json: bool) -> None:
    """List uploads, newest first: id, owner, bytes, time, name."""
    database, _ = open_catalog()
    with database.read() as connection:
        owner = None if user is None else users.by_name(connection, user)
        names = {one.id: one.name for one in users.everyone(connection)}
        found = uploads.newest(connection, owner, limit=limit)
    if as_json:
        rows = [
            UploadDescription.of(upload, names[upload.owner_id]).model_dump(mode="json")
            for upload in found
        ]
        click.echo(json.dumps(rows))
        return
    for upload in found:
        created = datetime.fromtimestamp(upload.created, UTC)
        click.echo(
            f"{upload.id}  {names[upload.owner_id]}  {upload.size}  "
            f"{created:%F %T}  {upload.name}"
        )


@files.command("delete")
@click.argument("upload_id", metavar="ID")
def delete(*, upload_id: str) -> None:
    """Delete the upload ID; every link to it ends."""
    database, current = open_catalog()
    if deletion.delete(database, open_store(current), upload_id) is None:
        raise MissingUploadError(upload_id)
