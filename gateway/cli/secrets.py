"""``gateway secrets``: the server secret, which signs sessions, forms and codes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

import click

from gateway import ownership
from gateway.cli.keys import locked
from gateway.config import settings
from gateway.errors import KeyRingError, SettingsError
from gateway.links.server_secret import ServerSecret
from gateway.ownership import Owner
from gateway.storage import copies

if TYPE_CHECKING:
    from pathlib import Path

_SET: Final = (
    "GATEWAY_SECRET: is set, so the secret in the data folder is not in use; put a new "
    "one (gateway secrets new) in front of it there"
)


@click.group()
def secrets() -> None:
    """Make and rotate the server secret, which signs sessions, forms and codes."""


@secrets.command("new")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def new(*, as_json: bool) -> None:
    """Make a secret and print it, as GATEWAY_SECRET takes it."""
    secret = str(ServerSecret.generate())
    click.echo(json.dumps({"secret": secret}) if as_json else secret)


@secrets.command("rotate")
@click.option(
    "--forget",
    is_flag=True,
    help="Forget the older secrets: every drop link that they signed ends.",
)
def rotate(*, forget: bool) -> None:
    """Put a new secret in front of those in the data folder.

    Run `gateway reload` next: then everybody is logged out.  Drop links that were
    signed with an older secret stay good, but for --forget.
    """
    if settings.has("secret"):
        raise SettingsError([_SET])
    path = settings.read(only=("data",)).settings.embedded_secret
    if not path.exists():
        raise SettingsError([settings.missing_fault("secret", path.parent)])
    with locked(path):
        _write(path, _read(path).rotated(forget=forget))


def ensure_secret(path: Path) -> bool:
    """Make a secret in the file *path*, if there is none; tell whether it was made."""
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
    text = "".join(f"{one}\n" for one in secret.secrets)
    copies.write(path, text.encode(), owner=Owner.in_folder(path.parent))
