"""``gateway sign`` and ``gateway inspect``: signed URLs."""

from __future__ import annotations

import json
import sys
import time
from typing import TYPE_CHECKING, Literal

import click

from gateway import settings
from gateway.cli.inspection import Inspection
from gateway.cli.moments import Duration, DurationOrMoment, Moment
from gateway.errors import NotServableError, SettingsError
from gateway.links import LinkSigner
from gateway.ops.address import recorded_url
from gateway.storage.paths import FilePath
from gateway.storage.tree import FilesTree

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from gateway.settings import Settings


@click.command()
@click.argument("path")
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
def sign(  # noqa: PLR0913 -- one parameter for each option
    *,
    path: str,
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
    """Print a signed URL of PATH, which is relative to the files folder."""
    if (expires is None) != no_expiry:
        raise click.UsageError("give --expires, or say --no-expiry (one of the two)")
    current = settings.read(required=("keys",), embedded=True).settings
    url = _signer(current).sign(
        path,
        expires="never" if expires is None else expires,
        not_before=not_before,
        folder=folder,
        presentation=presentation,
        name=name,
        rate=rate,
        networks=networks,
        stable=stable,
    )
    if not folder:
        _warn_if_missing(current, path)
    if as_json:
        facts = Inspection.of(url, current.keys, now=time.time())
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
    ring = settings.read(embedded=True).settings.keys
    inspection = Inspection.of(url, ring, now=time.time())
    click.echo(json.dumps(inspection.facts) if as_json else "\n".join(inspection.lines))
    sys.exit(0 if inspection.is_good else 1)


def _signer(current: Settings) -> LinkSigner:
    base = current.public_url or recorded_url(current.data)
    if current.keys is None or base is None:
        raise SettingsError(
            [
                (
                    "GATEWAY_PUBLIC_URL: is not set, and no gateway has run from "
                    f"{current.data}; name the address that links are to lead to"
                )
            ]
        )
    return LinkSigner(current.keys, base)


def _warn_if_missing(current: Settings, path: str) -> None:
    if current.files is None:
        return
    try:
        FilesTree(current.files).locate(FilePath.parse(path))
    except NotServableError as error:
        click.echo(
            f"gateway: warning: {path}: nothing is served there yet ({error.fact})",
            err=True,
        )
