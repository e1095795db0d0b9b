"""``gateway tokens``: bearer tokens."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import click

from gateway.catalog import tokens, users
from gateway.catalog.tokens import Scope
from gateway.cli import moments
from gateway.cli.catalog import open_catalog
from gateway.cli.moments import DurationOrMoment


@click.group("tokens")
def group() -> None:
    """Make and revoke bearer tokens."""


@group.command("new")
@click.argument("user")
@click.option(
    "--scope",
    "scopes",
    type=click.Choice([scope.value for scope in Scope]),
    multiple=True,
    required=True,
    help="What it may be used for; give it once for each.",
)
@click.option(
    "--expires",
    type=DurationOrMoment(),
    help="When it ends; without, when it is revoked.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def new(
    *,
    user: str,
    scopes: tuple[str, ...],
    expires: timedelta | datetime | None,
    as_json: bool,
) -> None:
    """Make a token of USER's and print it, this once."""
    now = moments.now()
    if isinstance(expires, timedelta):
        expires = datetime.fromtimestamp(now, UTC) + expires
    end = None if expires is None else int(expires.timestamp())
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
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_tokens(*, as_json: bool) -> None:
    """List all tokens; never a secret."""
    database, _ = open_catalog()
    with database.read() as connection:
        names = {user.id: user.name for user in users.everyone(connection)}
        everything = tokens.everyone(connection)
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
            for token in everything
        ]
        click.echo(json.dumps(rows))
        return
    for token in everything:
        state = "revoked" if token.revoked else f"used {_day(token.last_used)}"
        click.echo(
            f"{token.id}  {names[token.user_id]}  {' '.join(sorted(token.scopes))}  "
            f"until {_day(token.expires)}  {state}"
        )


@group.command("revoke")
@click.argument("token_id")
def revoke(*, token_id: str) -> None:
    """End the token TOKEN_ID."""
    database, _ = open_catalog()
    with database.write(may_use_reserve=True) as connection:
        tokens.revoke(connection, token_id, now=moments.now())


def _day(moment: int | None) -> str:
    return "never" if moment is None else f"{datetime.fromtimestamp(moment, UTC):%F}"
