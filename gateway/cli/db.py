"""``gateway db``: the catalog's schema."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

from gateway import settings
from gateway.cli import moments
from gateway.ops.prepare import make_first_admin, prepare_in_time

if TYPE_CHECKING:
    from gateway.ops.prepare import Account

#: Seconds that a PostgreSQL is waited for.
_PATIENCE: Final = 60


@click.group()
def db() -> None:
    """Look after the catalog."""


@db.command("upgrade")
@click.option(
    "--make-admin",
    is_flag=True,
    help="If there is no user yet, make an administrator and print the password.",
)
def upgrade(*, make_admin: bool) -> None:
    """Make the store and bring the catalog to the newest schema.

    It can run as often as you like, also while the gateway serves.  A PostgreSQL that
    is away or locked is waited for, for a minute.
    """
    database = prepare_in_time(
        settings.read(embedded=True).settings,
        seconds=_PATIENCE,
        say=lambda text: click.echo(f"gateway: {text}", err=True),
    )
    if make_admin:
        say_first_admin(make_first_admin(database, now=moments.now()))


def say_first_admin(account: Account | None) -> None:
    """Print a first administrator's password, once."""
    if account is not None:
        click.echo(
            f"Made the user {account.name} with the password {account.password}\n"
            f"Change it with: gateway users passwd {account.name}"
        )
