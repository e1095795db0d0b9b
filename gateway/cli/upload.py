"""``gateway upload``: files go to a gateway, and go on after every interruption."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import IO, TYPE_CHECKING

import click

from gateway.cli.resumption import Begun
from gateway.cli.sending import Gateway
from gateway.config import settings
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
@click.option("--url", help="The gateway's address; default GATEWAY_PUBLIC_URL.")
@click.option(
    "--token-file",
    # What is no text is no token either, and said so below.
    type=click.File(errors="replace"),
    help="The file that holds the token; default GATEWAY_TOKEN.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def upload(
    *,
    files: tuple[Path, ...],
    url: str | None,
    token_file: IO[str] | None,
    as_json: bool,
) -> None:
    """Upload FILES and print the URL of each.

    A bad line is waited for; after Ctrl-C the same command goes on where it
    stopped.  The token may be a drop link's code: then there is no URL.
    """
    current = settings.read(only=("data", "public_url", "token")).settings
    token = current.token if token_file is None else token_file.read().strip()
    if not token:
        raise SettingsError(
            [
                (
                    "GATEWAY_TOKEN: is not set; make a token with: "
                    "gateway tokens new USER --scope upload"
                )
            ]
        )
    if not (token.isascii() and token.isprintable()):
        raise SettingsError(["GATEWAY_TOKEN: is no token: it has other characters"])
    gateway = Gateway(_address(url, current), token)
    folder = settings.state_folder() / "uploads"
    for file in files:
        stored = _send(gateway, folder, file)
        shown = {"file": str(file), "url": stored}
        if as_json or stored is not None:
            click.echo(json.dumps(shown) if as_json else stored)


def _address(url: str | None, current: Settings) -> str:
    if url is not None:
        named = settings.read({"GATEWAY_PUBLIC_URL": url}, only=("public_url",))
        return named.settings.public_url or url
    found = current.public_url or recorded_url(current.data)
    if found is None:
        fault = f"is not set, and no gateway has run from {current.data}; or give --url"
        raise SettingsError([f"GATEWAY_PUBLIC_URL: {fault}"])
    return found


def _send(gateway: Gateway, folder: Path, path: Path) -> str | None:
    with path.open("rb") as file:
        stat = os.fstat(file.fileno())
        begun = Begun.of(folder, gateway.url, path, stat)
        remote = begun.recall()
        if remote is None or not gateway.exists(remote):
            remote = gateway.create(path.name, stat.st_size)
            begun.remember(remote)
        with click.progressbar(
            length=stat.st_size,
            label=path.name,
            file=sys.stderr,
            update_min_steps=1 << 20,
        ) as bar:
            stored = gateway.send(remote, file, stat.st_size, _mover(bar))
    begun.forget()
    return stored


def _mover(bar: ProgressBar[int]) -> Callable[[int], None]:
    """Return what moves the bar on to a position; it never goes back."""
    furthest = 0

    def move(position: int) -> None:
        nonlocal furthest
        if position > furthest:
            bar.update(position - furthest)
            furthest = position

    return move
