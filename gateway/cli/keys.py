"""``gateway keys``: make and list signing keys."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import click

from gateway import settings
from gateway.errors import SettingsError
from gateway.links.keyring import Key, KeyRing

if TYPE_CHECKING:
    from pathlib import Path


@click.group()
def keys() -> None:
    """Make and list signing keys."""


@keys.command("new")
@click.option(
    "--add",
    is_flag=True,
    help="Put the key first on the ring in the data folder, instead of printing it. "
    "Links signed before stay good; reload the gateway (SIGHUP) afterwards.",
)
@click.option(
    "--if-none",
    is_flag=True,
    help="With --add: only if the data folder has no ring yet.",
)
def new(*, add: bool, if_none: bool) -> None:
    """Make a signing key and print it, as GATEWAY_KEYS takes it."""
    key = Key.generate()
    if not add:
        click.echo(str(key))
        return
    if settings.has_keys():
        raise SettingsError(
            ["GATEWAY_KEYS: is set, so the ring in the data folder is not in use"]
        )
    ring = settings.read(only=("data",)).settings.embedded_keys
    if not (if_none and ring.exists()):
        add_key(ring, key)
        click.echo(key.id)


@keys.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_keys(*, as_json: bool) -> None:
    """List the ids of the keys, newest first; never a secret."""
    ring = settings.read(required=("keys",), embedded=True).settings.keys
    if ring is None:
        raise SettingsError(["GATEWAY_KEYS: is not set"])
    rows = [
        {"id": key.id, "signs": key is ring.newest, "verifies": True}
        for key in ring.keys
    ]
    if as_json:
        click.echo(json.dumps(rows))
        return
    for row in rows:
        click.echo(f"{row['id']}  {'signs' if row['signs'] else 'verifies'}")


def add_key(path: Path, key: Key) -> None:
    """Put *key* first on the ring in the file *path*, readable by its owner alone.

    The file is replaced in one step: a reader sees the old ring or the new.
    """
    older = KeyRing.parse(path.read_text("utf-8")).keys if path.exists() else ()
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    fresh = path.with_name(path.name + ".new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write("\n".join(str(k) for k in (key, *older)) + "\n")
        file.flush()
        os.fsync(file.fileno())
    fresh.rename(path)
