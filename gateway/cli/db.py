"""``gateway db``: the catalog's schema."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

from gateway import settings
from gateway.cli import moments
from gateway.ops.prepare import FIRST_ADMIN, make_first_admin, prepare_in_time

if TYPE_CHECKING:
    from gateway.catalog.database import Database
    from gateway.settings import Settings

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
def upgrade(*, make_admin: bool) -> None:
    """Make the store and bring the catalog to the newest schema.

    It can run as often as you like, also while the gateway serves.  A PostgreSQL that
    is away or locked is waited for, for a minute.
    """
    current = settings.read(embedded=True).settings
    database = prepare_in_time(
        current,
        seconds=_PATIENCE,
        say=lambda text: click.echo(f"gateway: {text}", err=True),
    )
    if make_admin:
        ensure_admin(database, current)


def ensure_admin(database: Database, current: Settings) -> None:
    """Make an administrator if there is no user, and print where the password is."""
    path = current.first_password
    if make_first_admin(database, path, now=moments.now()):
        click.echo(
            f"Made the user {FIRST_ADMIN}; the first password is in {path}\n"
            "It has to be changed at the first login."
        )
