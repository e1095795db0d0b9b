"""``gateway sign`` and ``gateway inspect``: signed URLs."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Literal

import click

from gateway.catalog import uploads
from gateway.cli import times
from gateway.cli.catalog import catalog_if_usable, open_catalog
from gateway.cli.inspection import Inspection, shown
from gateway.cli.options import JSON, NO_EXPIRY, Id
from gateway.cli.times import DateTime, Duration, DurationOrDateTime
from gateway.cli.tree_paths import TypedPaths
from gateway.config import secret_files, settings
from gateway.config.address import recorded_url
from gateway.errors import MissingUploadError, SettingsError
from gateway.links import LinkSigner

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from gateway.config.settings import Settings
    from gateway.links import KeyRing


@click.command()
@click.argument("path", required=False)
@click.option(
    "--upload", type=Id(), metavar="ID", help="Link to this upload instead of PATH."
)
@click.option(
    "--expires",
    type=DurationOrDateTime(),
    help="The expiry, as a duration or a time: 7d, 2030-01-31T18:00.",
)
@NO_EXPIRY
@click.option(
    "--not-before",
    type=DateTime(),
    help="Refuse the link before this time: 2030-01-31.",
)
@click.option("--folder", is_flag=True, help="Cover all files below the folder PATH.")
@click.option(
    "--inline",
    "presentation",
    flag_value="inline",
    help="Show the file in the browser, if its type is safe.",
)
@click.option(
    "--attachment",
    "presentation",
    flag_value="attachment",
    help="Make the browser save the file.",
)
@click.option("--name", help="Save the file under this name.")
@click.option(
    "--rate",
    type=click.IntRange(min=1),
    metavar="N",
    help="Limit the speed to N bytes per second.",
)
@click.option(
    "--shared",
    is_flag=True,
    help="Let shared caches, such as CDNs, store the file; for as long as "
    "GATEWAY_SHARED_MAX_AGE permits.",
)
@click.option(
    "--ip",
    "networks",
    multiple=True,
    metavar="CIDR",
    help="Accept only clients in this network; repeatable.",
)
@click.option(
    "--stable",
    type=Duration(),
    help="Round the expiry up to a multiple of this, to get the same URL each time.",
)
@JSON
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
    shared: bool,
    networks: tuple[str, ...],
    stable: timedelta | None,
    as_json: bool,
) -> None:
    """Print a signed URL for PATH.

    PATH is relative to the files folder, or an absolute path inside it. With --folder,
    `.` covers the whole files folder. --expires or --no-expiry is required.
    """
    if (path is None) == (upload is None):
        raise click.UsageError("give either PATH or --upload")
    if upload is not None and folder:
        raise click.UsageError(
            "--folder can't be used with --upload: an upload is a file"
        )
    if (expires is None) != no_expiry:
        raise click.UsageError("give either --expires or --no-expiry")
    current = settings.read(required=("keys",), embedded=True).settings
    base, ring = base_url_and_keys(current)
    signer = LinkSigner(ring, base)
    paths = TypedPaths.of(current)
    if path is not None:
        path = paths.relative(path)
    if upload is not None:
        stored_name = _name_of(upload)
        path, name = name or stored_name, None
    url = signer.sign(
        path or "",
        expires="never" if expires is None else expires,
        not_before=not_before,
        folder=folder,
        presentation=presentation,
        name=name,
        rate=rate,
        shared=shared,
        networks=networks,
        stable=stable,
        upload=upload,
    )
    warning = None
    if path is not None and upload is None:
        warning = paths.warning(path, is_folder=folder)
    if warning is not None:
        click.echo(f"gateway: warning: {shown(path or '')}: {warning}", err=True)
    if as_json:
        facts = Inspection.of(url, current.keys, now=times.now())
        click.echo(json.dumps({"url": url, **facts.facts}))
    else:
        click.echo(url)


@click.command("inspect")
@click.argument("url")
@JSON
def inspect_url(*, url: str, as_json: bool) -> None:
    """Show what a signed URL allows, and whether it is valid now and its file exists.

    Exits with status 1 if it is not valid.
    """
    current = settings.read(embedded=True).settings
    if current.keys is None:
        fault = secret_files.missing_fault("keys", current.data)
        click.echo(f"gateway: warning: {fault}", err=True)
    inspection = Inspection.of(
        url,
        current.keys,
        catalog_if_usable(current),
        now=times.now(),
        look_up=lambda path: TypedPaths.of(current).warning(path, is_folder=False),
    )
    click.echo(json.dumps(inspection.facts) if as_json else "\n".join(inspection.lines))
    sys.exit(0 if inspection.is_good else 1)


def base_url_and_keys(current: Settings) -> tuple[str, KeyRing]:
    """Return the base URL of links, and the keys; raise SettingsError."""
    faults, base = [], ""
    if current.keys is None:
        faults.append(secret_files.missing_fault("keys", current.data))
    try:
        base = public_address(current)
    except SettingsError as error:
        faults.extend(error.faults)
    if current.keys is None or faults:
        raise SettingsError(faults)
    return base, current.keys


def public_address(current: Settings) -> str:
    """Return the base URL of links; raise SettingsError if none is known."""
    base = current.public_url or recorded_url(current.data)
    if base is None:
        fault = (
            "GATEWAY_PUBLIC_URL: is not set, and no gateway has run from "
            f"{current.data}; is GATEWAY_DATA right? Otherwise set GATEWAY_PUBLIC_URL "
            "to the base URL of links"
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
