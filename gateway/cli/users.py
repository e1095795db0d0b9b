"""``gateway users``: accounts."""

from __future__ import annotations

import json

import click

from gateway.catalog import users as catalog
from gateway.catalog.users import Role
from gateway.cli import moments
from gateway.cli.catalog import open_catalog

_password = click.option(
    "--password",
    prompt=True,
    hide_input=True,
    confirmation_prompt=True,
    help="Asked for if not given; a shell's history would keep it.",
)


@click.group()
def users() -> None:
    """Make and manage accounts."""


@users.command("add")
@click.argument("name")
@click.option(
    "--role",
    type=click.Choice([role.value for role in Role]),
    default=Role.MEMBER.value,
    show_default=True,
    help="An admin sees everybody's uploads.",
)
@_password
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def add(*, name: str, role: str, password: str, as_json: bool) -> None:
    """Make the user NAME."""
    database, _ = open_catalog()
    password_hash = catalog.hash_password(password)
    with database.write() as connection:
        catalog.add(
            connection,
            name=name,
            password_hash=password_hash,
            role=Role(role),
            now=moments.now(),
        )
    if as_json:
        click.echo(json.dumps({"name": name, "role": role}))


@users.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_users(*, as_json: bool) -> None:
    """List all users and the bytes that their uploads take."""
    database, _ = open_catalog()
    with database.read() as connection:
        everyone = catalog.everyone(connection)
    if as_json:
        click.echo(
            json.dumps(
                [
                    {
                        "name": user.name,
                        "role": user.role,
                        "disabled": user.is_disabled,
                        "stored_bytes": user.stored_bytes,
                    }
                    for user in everyone
                ]
            )
        )
        return
    for user in everyone:
        state = "  disabled" if user.is_disabled else ""
        click.echo(f"{user.name}  {user.role}  {user.stored_bytes} bytes{state}")


@users.command("disable")
@click.argument("name")
@click.option("--undo", is_flag=True, help="Give the access back.")
def disable(*, name: str, undo: bool) -> None:
    """Take NAME's access away: sessions, tokens, drop links and signed uploads."""
    database, _ = open_catalog()
    with database.write(may_use_reserve=True) as connection:
        user = catalog.by_name(connection, name)
        catalog.set_disabled(connection, user, is_disabled=not undo)


@users.command("passwd")
@click.argument("name")
@_password
def passwd(*, name: str, password: str) -> None:
    """Give NAME a new password; every session of the old one ends."""
    database, _ = open_catalog()
    password_hash = catalog.hash_password(password)
    with database.write(may_use_reserve=True) as connection:
        user = catalog.by_name(connection, name)
        catalog.set_password(connection, user, password_hash)
