"""``gateway secrets``: create and rotate the server secret.

It signs sessions, forms and the codes of share and drop links.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

import click

from gateway import ownership
from gateway.cli.keys import locked
from gateway.cli.options import JSON
from gateway.config import environment, secret_files, settings
from gateway.errors import KeyRingError, SettingsError
from gateway.links.server_secret import ServerSecret
from gateway.ownership import Owner
from gateway.storage import copies

if TYPE_CHECKING:
    from pathlib import Path

_SET: Final = (
    "GATEWAY_SECRET: is set, so the secret in the data folder is not used; put a new "
    "secret (gateway secrets new) in front of the value of GATEWAY_SECRET"
)


@click.group()
def secrets() -> None:
    """Create and rotate the server secret."""


@secrets.command("new")
@JSON
def new(*, as_json: bool) -> None:
    """Create a secret and print it in the format of GATEWAY_SECRET."""
    secret = str(ServerSecret.generate())
    click.echo(json.dumps({"secret": secret}) if as_json else secret)


@secrets.command("rotate")
@click.option(
    "--forget",
    is_flag=True,
    help="Delete the older secrets; drop links that they signed stop working.",
)
def rotate(*, forget: bool) -> None:
    """Insert a new secret before the existing secrets in the data folder.

    Run `gateway reload` afterwards: it logs out all users. Drop links that an older
    secret signed stay valid, unless --forget is given.
    """
    if environment.has("secret"):
        raise SettingsError([_SET])
    path = settings.read(only=("data",)).settings.embedded_secret
    if not path.exists():
        raise SettingsError([secret_files.missing_fault("secret", path.parent)])
    with locked(path):
        _write(path, _read(path).rotated(forget=forget))


def ensure_secret(path: Path) -> bool:
    """Create a secret in the file *path* unless it exists; return whether it did."""
    ownership.make_folder(path.parent, None)
    with locked(path):
        if path.exists():
            return False
        _write(path, ServerSecret.generate())
    return True


def _read(path: Path) -> ServerSecret:
    try:
        return ServerSecret.parse(path.read_text("utf-8"))
    except UnicodeDecodeError:
        raise KeyRingError([f"{path} is not UTF-8 text"]) from None


def _write(path: Path, secret: ServerSecret) -> None:
    text = "".join(f"{each}\n" for each in secret.secrets)
    copies.write(path, text.encode(), owner=Owner.in_folder(path.parent))
