"""``gateway db``: the schema of the catalog's database."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

import click

from gateway.catalog.revision import NEWEST
from gateway.cli import times
from gateway.cli.options import JSON
from gateway.config import settings
from gateway.runtime.prepare import FIRST_ADMIN, make_first_admin, prepare_with_retries

if TYPE_CHECKING:
    from pathlib import Path

#: Seconds to wait for PostgreSQL.
_PATIENCE: Final = 60


@click.group()
def db() -> None:
    """Manage the database schema of the catalog."""


@db.command("upgrade")
@click.option(
    "--make-admin",
    is_flag=True,
    help="Create an administrator if there are no users; print the password's file.",
)
@JSON
def upgrade(*, make_admin: bool, as_json: bool) -> None:
    """Create the store and upgrade the catalog to the newest schema.

    Safe to run repeatedly, also while the gateway is running. If PostgreSQL is
    unreachable or locked, the command retries for a minute.
    """
    current = settings.read(embedded=True).settings
    database = prepare_with_retries(
        current,
        seconds=_PATIENCE,
        log=lambda text: click.echo(f"gateway: {text}", err=True),
    )
    path = current.first_password
    is_created = make_admin and make_first_admin(database, path, now=times.now())
    if as_json:
        made = {"user": FIRST_ADMIN, "password_file": str(path)} if is_created else None
        click.echo(json.dumps({"schema": NEWEST, "made": made}))
    elif is_created:
        print_first_password(path)


def print_first_password(path: Path) -> None:
    """Print the first administrator's name and the file that holds the password."""
    click.echo(
        f"Made the user {FIRST_ADMIN}; the first password is in {path}\n"
        "It must be changed at the first login."
    )
