"""``gateway keys``: create and list signing keys."""

from __future__ import annotations

import fcntl
import json
import os
from contextlib import contextmanager
from datetime import date, timedelta
from typing import TYPE_CHECKING, NamedTuple

import click

from gateway import ownership
from gateway.cli.options import JSON
from gateway.cli.times import Duration
from gateway.config import environment, settings
from gateway.errors import KeyRingError, SettingsError
from gateway.links.keyring import Key, KeyRing
from gateway.links.restriction import Kind, Restriction
from gateway.ownership import Owner
from gateway.storage import copies

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@click.group()
def keys() -> None:
    """Create and list signing keys."""


@keys.command("new")
@click.option(
    "--add",
    is_flag=True,
    help="Add the key to the key ring in the data folder and print only its id. "
    "Existing links stay valid. Run `gateway reload` afterwards.",
)
@click.option(
    "--if-none",
    is_flag=True,
    help="With --add, do nothing if the data folder has a key ring.",
)
@click.option(
    "--prefix",
    "prefixes",
    multiple=True,
    metavar="FOLDER/",
    help="Allow only links to files in this folder; repeatable.",
)
@click.option(
    "--max-life",
    type=Duration(),
    help="Allow only links with at most this lifetime: 7d.",
)
@click.option(
    "--only",
    type=click.Choice([kind.value for kind in Kind]),
    help="Allow only links to files, or only to uploads.",
)
@click.option(
    "--shared",
    is_flag=True,
    help="Allow links that shared caches may store; a key without a restriction may "
    "sign them in any case.",
)
@JSON
def new(
    *,
    add: bool,
    if_none: bool,
    prefixes: tuple[str, ...],
    max_life: timedelta | None,
    only: str | None,
    shared: bool,
    as_json: bool,
) -> None:
    """Create a signing key and print it in the format of GATEWAY_KEYS.

    --prefix, --max-life and --only restrict the key, for a host that signs links
    itself; a restricted key may sign shared links only with --shared. Add the
    restricted key to the gateway's key ring, too: the gateway refuses links that the
    key may not sign.
    """
    if if_none and not add:
        raise click.UsageError("--if-none needs --add")
    key = Key.generate(_restriction(prefixes, max_life, only, shared=shared))
    if not add:
        facts = {**_facts(key), "key": str(key)}
        click.echo(json.dumps(facts) if as_json else str(key))
        return
    if environment.has("keys"):
        raise SettingsError(
            ["GATEWAY_KEYS: is set, so the key ring in the data folder is not used"]
        )
    ring = settings.read(only=("data",)).settings.embedded_keys
    is_first = not ring.exists()
    if not add_key(ring, key, if_none=if_none):
        if as_json:
            click.echo("null")
        return
    if is_first and not if_none:
        click.echo(
            f"gateway: there was no {ring}: created a new key ring; is GATEWAY_DATA "
            "right?",
            err=True,
        )
    click.echo(json.dumps(_facts(key)) if as_json else key.id)


@keys.command("list")
@JSON
def list_keys(*, as_json: bool) -> None:
    """List the ids of the keys, newest first, without secrets.

    The newest key signs; all keys verify. For each key, the last day on which one of
    its links was used is also printed, if the catalog knows it.
    """
    current = settings.read(required=("keys",), embedded=True).settings
    ring = current.keys
    if ring is None:
        raise SettingsError(["GATEWAY_KEYS: is not set"])
    uses = _uses(current)
    rows = [
        {
            **_facts(key),
            "signs": key is ring.newest,
            "verifies": True,
            "last_used": uses[key.id].last_used if key.id in uses else None,
            "asked": uses[key.id].asked if key.id in uses else 0,
        }
        for key in ring.keys
    ]
    if as_json:
        click.echo(json.dumps(rows))
        return
    for key in ring.keys:
        restriction = f"  {key.restriction}" if key.restriction else ""
        use = "signs" if key is ring.newest else "verifies"
        last = f"  last used {uses[key.id].last_used}" if key.id in uses else ""
        click.echo(f"{key.id}  {use}{restriction}{last}")


class _Use(NamedTuple):
    """The last day on which a key's links were used, and how often Flask was asked."""

    last_used: str
    asked: int


def _uses(current: settings.Settings) -> dict[str, _Use]:
    # Imported here: a host that only signs links has no database.
    from gateway.catalog import bookings  # noqa: PLC0415
    from gateway.cli.catalog import catalog_if_usable  # noqa: PLC0415

    database = catalog_if_usable(current)
    if database is None:
        return {}
    with database.read() as connection:
        uses = bookings.uses(connection)
    first = date(1970, 1, 1)
    return {
        key: _Use(str(first + timedelta(days=day)), count)
        for key, (day, count) in uses.items()
    }


def _facts(key: Key) -> dict[str, object]:
    """Return a key's fields for JSON, without its secret."""
    limits = key.restriction
    return {
        "id": key.id,
        "prefixes": list(limits.prefixes) if limits else [],
        "max_life": limits.max_life if limits else None,
        "only": limits.only if limits else None,
        "shared": limits.shared if limits else True,
    }


def _restriction(
    prefixes: tuple[str, ...],
    max_life: timedelta | None,
    only: str | None,
    *,
    shared: bool,
) -> Restriction | None:
    if not prefixes and max_life is None and only is None:
        return None
    try:
        return Restriction(
            prefixes=tuple(f"{prefix.removesuffix('/')}/" for prefix in prefixes),
            max_life=None if max_life is None else int(max_life.total_seconds()),
            only=None if only is None else Kind(only),
            shared=shared,
        )
    except ValueError as error:
        raise click.UsageError(str(error)) from None


def add_key(path: Path, key: Key, *, if_none: bool = False) -> bool:
    """Insert *key* as the first of the key ring file *path*; keep its owner and mode.

    With *if_none*, do nothing if the file exists.  Return whether the key was added.
    The file is replaced atomically and durably: a reader sees the old or the new ring.
    If two calls run at the same time, both keys are added.
    """
    ownership.make_folder(path.parent, None)
    with locked(path):
        if if_none and path.exists():
            return False
        older = _ring(path).keys if path.exists() else ()
        text = "".join(f"{k}\n" for k in (key, *older))
        copies.write(path, text.encode(), owner=Owner.in_folder(path.parent))
    return True


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold an exclusive lock for changing *path*; the empty lock file stays."""
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
