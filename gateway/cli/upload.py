"""``gateway upload``: upload files to a gateway, resuming after interruptions."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import IO, TYPE_CHECKING

import click

from gateway.cli.options import JSON
from gateway.cli.tus_client import TusClient
from gateway.cli.url_storage import StoredURL
from gateway.config import environment, settings
from gateway.config.address import recorded_url
from gateway.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable

    from click._termui_impl import ProgressBar

    from gateway.config.settings import Settings


@click.command()
@click.argument(
    "files",
    nargs=-1,
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
)
@click.option("--url", help="URL of the gateway; default GATEWAY_PUBLIC_URL.")
@click.option(
    "--token-file",
    # Bytes that are not UTF-8 fail the check of the token below.
    type=click.File(errors="replace"),
    help="Read the token from this file; default GATEWAY_TOKEN.",
)
@JSON
def upload(
    *,
    files: tuple[Path, ...],
    url: str | None,
    token_file: IO[str] | None,
    as_json: bool,
) -> None:
    """Upload FILES and print their URLs.

    Failed connections are retried. After Ctrl-C, run the same command again to resume.
    The token may be the code of a drop link; then no URL is printed.
    """
    current = settings.read(only=("data", "public_url", "token")).settings
    token = current.token if token_file is None else token_file.read().strip()
    if not token:
        raise SettingsError(
            [
                (
                    "GATEWAY_TOKEN: is not set; create a token with: "
                    "gateway tokens new USER --scope upload"
                )
            ]
        )
    if not (token.isascii() and token.isprintable()):
        raise SettingsError(
            ["GATEWAY_TOKEN: is not a token: it has invalid characters"]
        )
    client = TusClient(_address(url, current), token)
    folder = environment.state_folder() / "uploads"
    for file in files:
        upload_url = _send(client, folder, file)
        row = {"file": str(file), "url": upload_url}
        if as_json or upload_url is not None:
            click.echo(json.dumps(row) if as_json else upload_url)


def _address(url: str | None, current: Settings) -> str:
    if url is not None:
        reading = settings.read({"GATEWAY_PUBLIC_URL": url}, only=("public_url",))
        return reading.settings.public_url or url
    address = current.public_url or recorded_url(current.data)
    if address is None:
        fault = f"is not set, and no gateway has run from {current.data}; or give --url"
        raise SettingsError([f"GATEWAY_PUBLIC_URL: {fault}"])
    return address


def _send(client: TusClient, folder: Path, path: Path) -> str | None:
    with path.open("rb") as file:
        stat = os.fstat(file.fileno())
        entry = StoredURL.of(folder, client.url, path, stat)
        session = entry.load()
        if session is None or not client.exists(session):
            session = client.create(path.name, stat.st_size)
            entry.save(session)
        with click.progressbar(
            length=stat.st_size,
            label=path.name,
            file=sys.stderr,
            update_min_steps=1 << 20,
        ) as bar:
            url = client.send(session, file, stat.st_size, _progress(bar))
    entry.delete()
    return url


def _progress(bar: ProgressBar[int]) -> Callable[[int], None]:
    """Return a function that advances the bar to a position, and never back."""
    furthest = 0

    def advance(position: int) -> None:
        nonlocal furthest
        if position > furthest:
            bar.update(position - furthest)
            furthest = position

    return advance
