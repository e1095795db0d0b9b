"""``gateway files``: list and delete uploads."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from gateway.catalog import uploads, users
from gateway.cli.catalog import open_blobs, open_catalog, open_catalog_and_store
from gateway.cli.options import JSON, LIMIT, USER, Id
from gateway.errors import MissingUploadError
from gateway.uploads import deletion
from gateway.uploads.description import UploadDescription

if TYPE_CHECKING:
    from gateway.catalog.uploads import Upload


@click.group()
def files() -> None:
    """List, show and delete uploads."""


@files.command("list")
@USER
@click.option(
    "--drop", "drop_id", type=Id(), metavar="ID", help="Only uploads by this drop link."
)
@LIMIT
@JSON
def list_files(
    *, user: str | None, drop_id: str | None, limit: int, as_json: bool
) -> None:
    """List uploads, newest first.

    Prints id, owner, size in bytes, upload time and name.
    """
    database, current = open_catalog()
    with database.read() as connection:
        owner = None if user is None else users.by_name(connection, user)
        names = {each.id: each.name for each in users.everyone(connection)}
        newest = uploads.newest(connection, owner, limit=limit, drop_id=drop_id)
    if as_json:
        rows = [
            UploadDescription.of(
                upload, names[upload.owner_id], path_prefix=current.path_prefix
            ).model_dump(mode="json")
            for upload in newest
        ]
        click.echo(json.dumps(rows))
        return
    for upload in newest:
        click.echo(_line(upload, names[upload.owner_id]))


@files.command("show")
@click.argument("upload_id", metavar="ID", type=Id())
@JSON
def show(*, upload_id: str, as_json: bool) -> None:
    """Show upload ID in the form of `list`."""
    database, current = open_catalog()
    with database.read() as connection:
        upload = uploads.by_id(connection, upload_id)
        if upload is None:
            raise MissingUploadError(upload_id)
        owner = users.names(connection, {upload.owner_id})[upload.owner_id]
    if as_json:
        description = UploadDescription.of(
            upload, owner, path_prefix=current.path_prefix
        )
        click.echo(json.dumps(description.model_dump(mode="json")))
    else:
        click.echo(_line(upload, owner))


@files.command("delete")
@click.argument("upload_id", metavar="ID", type=Id())
def delete(*, upload_id: str) -> None:
    """Delete the upload ID; all links to it stop working."""
    database, _, current = open_catalog_and_store()
    if deletion.delete(database, open_blobs(current), upload_id) is None:
        raise MissingUploadError(upload_id)


def _line(upload: Upload, owner: str) -> str:
    created = datetime.fromtimestamp(upload.created, UTC)
    return f"{upload.id}  {owner}  {upload.size}  {created:%F %T}  {upload.name}"
