"""``gateway db``: the catalog's schema."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

import click

from gateway.catalog.revision import NEWEST
from gateway.cli import moments
from gateway.config import settings
from gateway.runtime.prepare import FIRST_ADMIN, make_first_admin, prepare_with_retries

if TYPE_CHECKING:
    from pathlib import Path

#: Seconds that a PostgreSQL is waited for.
_PATIENCE: Final = 60


@click.group()
def db() -> None:
    """Look after the catalog."""


@db.command("upgrade")
@click.option(
    "--make-admin",
    is_flag=True,
    help="If there is no user yet, make an administrator; print where the password is.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def upgrade(*, make_admin: bool, as_json: bool) -> None:
    """Make the store and bring the catalog to the newest schema.

    It can run as often as you like, also while the gateway serves.  A PostgreSQL that
    is away or locked is waited for, for a minute.
    """
    current = settings.read(embedded=True).settings
    database = prepare_with_retries(
        current,
        seconds=_PATIENCE,
        log=lambda text: click.echo(f"gateway: {text}", err=True),
    )
    path = current.first_password
    is_made = make_admin and make_first_admin(database, path, now=moments.now())
    if as_json:
        made = {"user": FIRST_ADMIN, "password_file": str(path)} if is_made else None
        click.echo(json.dumps({"schema": NEWEST, "made": made}))
    elif is_made:
        tell_first_password(path)


def tell_first_password(path: Path) -> None:
    """Print that the first administrator was made, and where the password is."""
    click.echo(
        f"Made the user {FIRST_ADMIN}; the first password is in {path}\n"
        "It has to be changed at the first login."
    )
