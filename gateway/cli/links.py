"""``gateway sign`` and ``gateway inspect``: signed URLs."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Literal

import click

from gateway.catalog import uploads
from gateway.cli import moments
from gateway.cli.catalog import catalog_if_there, open_catalog
from gateway.cli.inspection import Inspection, shown
from gateway.cli.moments import Duration, DurationOrMoment, Moment
from gateway.cli.tree_paths import Tree
from gateway.config import settings
from gateway.config.address import recorded_url
from gateway.errors import MissingUploadError, SettingsError
from gateway.links import LinkSigner

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from gateway.config.settings import Settings
    from gateway.links import KeyRing


@click.command()
@click.argument("path", required=False)
@click.option("--upload", metavar="ID", help="Lead to this upload instead of PATH.")
@click.option("--expires", type=DurationOrMoment(), help="Life (7d) or end (ISO 8601).")
@click.option("--no-expiry", is_flag=True, help="Let the link never expire.")
@click.option("--not-before", type=Moment(), help="When the link begins (ISO 8601).")
@click.option("--folder", is_flag=True, help="Cover everything below PATH.")
@click.option(
    "--inline",
    "presentation",
    flag_value="inline",
    help="Let the browser show the file, if its type is safe to show.",
)
@click.option(
    "--attachment",
    "presentation",
    flag_value="attachment",
    help="Let the browser save the file.",
)
@click.option("--name", help="What the file is saved as.")
@click.option("--rate", type=click.IntRange(min=1), help="Bytes a second.")
@click.option("--ip", "networks", multiple=True, help="Client network, CIDR; repeat.")
@click.option(
    "--stable",
    type=Duration(),
    help="Round the expiry up to this window: the same URL as long as it lasts.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def sign(
    *,
    path: str | None,
    upload: str | None,
    expires: timedelta | datetime | None,
    no_expiry: bool,
    not_before: datetime | None,
    folder: bool,
    presentation: Literal["inline", "attachment"] | None,
    name: str | None,
    rate: int | None,
    networks: tuple[str, ...],
    stable: timedelta | None,
    as_json: bool,
) -> None:
    """Print a signed URL of PATH, which is relative to the files folder.

    An absolute path in that folder will do, too; with --folder `.` is all of it.
    """
    if (path is None) == (upload is None):
        raise click.UsageError("give PATH or --upload (one of the two)")
    if upload is not None and folder:
        raise click.UsageError("an upload is one file: --folder does not fit it")
    if (expires is None) != no_expiry:
        raise click.UsageError("give --expires, or say --no-expiry (one of the two)")
    current = settings.read(required=("keys",), embedded=True).settings
    base, ring = base_url_and_keys(current)
    signer = LinkSigner(ring, base)
    tree = Tree.of(current)
    if path is not None:
        path = tree.relative(path)
    if upload is not None:
        stored = _name_of(upload)
        path, name = name or stored, None
    url = signer.sign(
        path or "",
        expires="never" if expires is None else expires,
        not_before=not_before,
        folder=folder,
        presentation=presentation,
        name=name,
        rate=rate,
        networks=networks,
        stable=stable,
        upload=upload,
    )
    warning = None
    if path is not None and upload is None:
        warning = tree.doubt(path, is_folder=folder)
    if warning is not None:
        click.echo(f"gateway: warning: {shown(path or '')}: {warning}", err=True)
    if as_json:
        facts = Inspection.of(url, current.keys, now=moments.now())
        click.echo(json.dumps({"url": url, **facts.facts}))
    else:
        click.echo(url)


@click.command("inspect")
@click.argument("url")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def inspect_url(*, url: str, as_json: bool) -> None:
    """Say what a signed URL allows, and whether it verifies now.

    Status 1 if it does not.
    """
    current = settings.read(embedded=True).settings
    if current.keys is None:
        fault = settings.missing_fault("keys", current.data)
        click.echo(f"gateway: warning: {fault}", err=True)
    inspection = Inspection.of(
        url, current.keys, catalog_if_there(current), now=moments.now()
    )
    click.echo(json.dumps(inspection.facts) if as_json else "\n".join(inspection.lines))
    sys.exit(0 if inspection.is_good else 1)


def base_url_and_keys(current: Settings) -> tuple[str, KeyRing]:
    """Return the address that links lead to and the keys; raise SettingsError."""
    faults, base = [], ""
    if current.keys is None:
        faults.append(settings.missing_fault("keys", current.data))
    try:
        base = public_address(current)
    except SettingsError as error:
        faults.extend(error.faults)
    if current.keys is None or faults:
        raise SettingsError(faults)
    return base, current.keys


def public_address(current: Settings) -> str:
    """Return the address that links lead to; raise SettingsError if none is known."""
    base = current.public_url or recorded_url(current.data)
    if base is None:
        fault = (
            "GATEWAY_PUBLIC_URL: is not set, and no gateway has run from "
            f"{current.data}; is GATEWAY_DATA right? Else name the address that links "
            "are to lead to"
        )
        raise SettingsError([fault])
    return base


def _name_of(upload_id: str) -> str:
    database, _ = open_catalog()
    with database.read() as connection:
        upload = uploads.by_id(connection, upload_id)
    if upload is None:
        raise MissingUploadError(upload_id)
    return upload.name
