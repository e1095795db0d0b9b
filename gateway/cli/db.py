"""``gateway db``: the catalog's schema."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from gateway import settings
from gateway.cli import moments
from gateway.ops.prepare import FIRST_ADMIN, make_first_admin, prepare

if TYPE_CHECKING:
    from gateway.catalog.database import Database
    from gateway.settings import Settings


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

    It can run as often as you like, also while the gateway serves.
    """
    current = settings.read(embedded=True).settings
    database = prepare(current)
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
