"""``gateway audit``: the audit log of shares."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import click

from gateway.catalog import audit as audit_log
from gateway.cli.catalog import open_catalog
from gateway.cli.options import JSON, LIMIT, Id
from gateway.errors import MissingShareError


@click.command()
@click.argument("share_id", metavar="[SHARE]", type=Id(), required=False)
@LIMIT
@JSON
def audit(*, share_id: str | None, limit: int, as_json: bool) -> None:
    """List the audit log of shares, newest first.

    Prints time, user, action, share and details. With SHARE, an id, lists only the
    entries of that share.
    """
    database, _ = open_catalog()
    with database.read() as connection:
        if share_id is None:
            entries = audit_log.newest(connection, limit=limit)
        else:
            entries = audit_log.of_share(connection, share_id, limit=limit)
    if share_id is not None and not entries:
        raise MissingShareError(f"share {share_id}")
    if as_json:
        click.echo(json.dumps([vars(entry) for entry in entries]))
        return
    for entry in entries:
        at = datetime.fromtimestamp(entry.at, UTC)
        click.echo(
            f"{at:%FT%TZ}  {entry.actor or 'operator'}  {entry.action}  "
            f"{entry.share_id}  {entry.detail}".rstrip()
        )
