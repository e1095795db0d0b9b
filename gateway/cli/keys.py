"""``gateway keys``: make and list signing keys."""

from __future__ import annotations

import fcntl
import json
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from gateway import ownership, settings
from gateway.errors import KeyRingError, SettingsError
from gateway.links.keyring import Key, KeyRing
from gateway.ownership import Owner
from gateway.storage import copies

if TYPE_CHECKING:
    from collections.abc import Iterator
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
    if if_none and not add:
        raise click.UsageError("--if-none says when to --add: give both")
    key = Key.generate()
    if not add:
        click.echo(str(key))
        return
    if settings.has_keys():
        raise SettingsError(
            ["GATEWAY_KEYS: is set, so the ring in the data folder is not in use"]
        )
    ring = settings.read(only=("data",)).settings.embedded_keys
    is_first = not ring.exists()
    if not add_key(ring, key, if_none=if_none):
        return
    if is_first and not if_none:
        click.echo(
            f"gateway: there was no {ring}: this key begins a new ring; is "
            "GATEWAY_DATA right?",
            err=True,
        )
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


def add_key(path: Path, key: Key, *, if_none: bool = False) -> bool:
    """Put *key* first on the ring in the file *path*, which keeps its owner and mode.

    With *if_none* only if there is no such file yet; tell whether it was put
    there.  The file is replaced in one step and for good: a reader sees the
    old ring or the new, and two that add at once both get their key on.
    """
    ownership.make_folder(path.parent, None)
    with _locked(path):
        if if_none and path.exists():
            return False
        older = _ring(path).keys if path.exists() else ()
        text = "".join(f"{k}\n" for k in (key, *older))
        copies.write(path, text.encode(), owner=Owner.in_folder(path.parent))
    return True


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Keep others that change *path* waiting; the lock's file stays, empty."""
    lock = path.with_name(f"{path.name}.lock")
    descriptor = ownership.open_private(lock, os.O_RDWR)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _ring(path: Path) -> KeyRing:
    try:
        return KeyRing.parse(path.read_text("utf-8"))
    except UnicodeDecodeError:
        raise KeyRingError([f"{path} is not UTF-8 text"]) from None
