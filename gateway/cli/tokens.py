"""``gateway tokens``: create, list and revoke bearer tokens."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from gateway.catalog import tokens, users
from gateway.catalog.tokens import Scope
from gateway.cli import times
from gateway.cli.catalog import open_catalog
from gateway.cli.options import JSON, Id
from gateway.cli.times import DurationOrDateTime, timestamp

if TYPE_CHECKING:
    from datetime import datetime, timedelta


@click.group("tokens")
def group() -> None:
    """Create, list and revoke bearer tokens."""


@group.command("new")
@click.argument("user")
@click.option(
    "--scope",
    "scopes",
    type=click.Choice([scope.value for scope in Scope]),
    multiple=True,
    required=True,
    help="Grant this scope; repeatable.",
)
@click.option(
    "--expires",
    type=DurationOrDateTime(),
    help="End the token then: 90d, 2030-01-31; default never.",
)
@JSON
def new(
    *,
    user: str,
    scopes: tuple[str, ...],
    expires: timedelta | datetime | None,
    as_json: bool,
) -> None:
    """Create a token of USER and print it.

    The token can't be displayed again.
    """
    now = times.now()
    end = None if expires is None else timestamp(expires, now=now)
    database, _ = open_catalog()
    with database.write() as connection:
        text = tokens.new(
            connection,
            users.by_name(connection, user),
            scopes={Scope(scope) for scope in scopes},
            expires=end,
            now=now,
        )
    if as_json:
        facts = {
            "id": text.split("_")[1],
            "token": text,
            "user": user,
            "scopes": sorted(set(scopes)),
            "created": now,
            "expires": end,
        }
        click.echo(json.dumps(facts))
    else:
        click.echo(text)


@group.command("list")
@JSON
def list_tokens(*, as_json: bool) -> None:
    """List all tokens without their secrets.

    Prints id, user, scopes, expiry and last use.
    """
    database, _ = open_catalog()
    with database.read() as connection:
        names = {user.id: user.name for user in users.everyone(connection)}
        listed = tokens.everyone(connection)
    if as_json:
        rows = [
            {
                "id": token.id,
                "user": names[token.user_id],
                "scopes": sorted(token.scopes),
                "created": token.created,
                "expires": token.expires,
                "last_used": token.last_used,
                "revoked": token.revoked,
            }
            for token in listed
        ]
        click.echo(json.dumps(rows))
        return
    for token in listed:
        state = "revoked" if token.revoked else f"used {_day(token.last_used)}"
        click.echo(
            f"{token.id}  {names[token.user_id]}  {' '.join(sorted(token.scopes))}  "
            f"until {_day(token.expires)}  {state}"
        )


@group.command("revoke")
@click.argument("token_id", metavar="ID", type=Id())
def revoke(*, token_id: str) -> None:
    """Revoke the token ID."""
    database, _ = open_catalog()
    with database.write(may_use_reserve=True) as connection:
        tokens.revoke(connection, token_id, now=times.now())


def _day(seconds: int | None) -> str:
    return times.day(seconds, default="never")
