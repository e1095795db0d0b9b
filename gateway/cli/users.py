"""``gateway users``: accounts."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import click

from gateway.catalog import login_attempts, login_sessions, tokens, users
from gateway.catalog.users import Role
from gateway.cli import moments
from gateway.cli.catalog import open_catalog
from gateway.errors import AccountError

_password = click.option(
    "--password",
    prompt=True,
    hide_input=True,
    confirmation_prompt=True,
    help="Asked for if not given; a shell's history would keep it.",
)


@click.group("users")
def group() -> None:
    """Make and manage accounts."""


@group.command("add")
@click.argument("name")
@click.option(
    "--role",
    type=click.Choice([role.value for role in Role]),
    default=Role.MEMBER.value,
    show_default=True,
    help="An admin sees everybody's uploads, and opens, deletes and links them.",
)
@_password
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def add(*, name: str, role: str, password: str, as_json: bool) -> None:
    """Make the user NAME."""
    database, _ = open_catalog()
    password_hash = users.hash_password(password)
    with database.write() as connection:
        users.add(
            connection,
            name=name,
            password_hash=password_hash,
            role=Role(role),
            now=moments.now(),
        )
    if as_json:
        click.echo(json.dumps({"name": name, "role": role}))


@group.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_users(*, as_json: bool) -> None:
    """List all users and the bytes that their uploads take."""
    database, _ = open_catalog()
    with database.read() as connection:
        everyone = users.everyone(connection)
    if as_json:
        click.echo(
            json.dumps(
                [
                    {
                        "name": user.name,
                        "role": user.role,
                        "disabled": user.is_disabled,
                        "stored_bytes": user.stored_bytes,
                        "may_send_mail": user.may_send_mail,
                    }
                    for user in everyone
                ]
            )
        )
        return
    for user in everyone:
        state = "  disabled" if user.is_disabled else ""
        click.echo(f"{user.name}  {user.role}  {user.stored_bytes} bytes{state}")


@group.command("disable")
@click.argument("name")
@click.option("--undo", is_flag=True, help="Give the access back.")
def disable(*, name: str, undo: bool) -> None:
    """Take NAME's access away: sessions, tokens, drop links and signed uploads."""
    database, _ = open_catalog()
    with database.write(may_use_reserve=not undo) as connection:
        user = users.by_name(connection, name)
        users.set_disabled(connection, user, is_disabled=not undo)


@group.command("mail")
@click.argument("name")
@click.option("--off", is_flag=True, help="Send no mail for NAME's shares.")
def mail(*, name: str, off: bool) -> None:
    """Let mails go out for NAME's shares, as they do at first; --off ends that.

    With --off the shares are made all the same, and their links can be copied.
    """
    database, _ = open_catalog()
    with database.write(may_use_reserve=off) as connection:
        user = users.by_name(connection, name)
        users.set_mail(connection, user, may_send_mail=not off)


@group.command("passwd")
@click.argument("name")
@_password
@click.option(
    "--revoke-tokens", is_flag=True, help="Revoke all bearer tokens of NAME, too."
)
def passwd(*, name: str, password: str, revoke_tokens: bool) -> None:
    """Give NAME a new password; all sessions end, and all tries are forgotten."""
    database, current = open_catalog()
    password_hash = users.hash_password(password)
    with database.write(may_use_reserve=True) as connection:
        user = users.by_name(connection, name)
        users.set_password(connection, user, password_hash)
        if revoke_tokens:
            tokens.revoke_all(connection, user, now=moments.now())
    if user.must_change_password:
        current.first_password.unlink(missing_ok=True)


@group.command("unlock")
@click.argument("name")
def unlock(*, name: str) -> None:
    """Forget the wrong passwords that were tried for NAME."""
    database, _ = open_catalog()
    with database.write() as connection:
        login_attempts.clear_user(connection, users.by_name(connection, name).id)


@group.command("sessions")
@click.argument("name")
@click.option("--end", "ended", metavar="ID", help="End this session.")
@click.option("--all", "end_all", is_flag=True, help="End all sessions.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_sessions(
    *, name: str, ended: str | None, end_all: bool, as_json: bool
) -> None:
    """List where NAME is logged in: id, browser, network, begin, last use.

    With --end or --all sessions end at once; what is left is listed.
    """
    database, _ = open_catalog()
    if ended is not None or end_all:
        with database.write(may_use_reserve=True) as connection:
            user = users.by_name(connection, name)
            if end_all:
                login_sessions.end_all(connection, user)
            elif not login_sessions.end(connection, user, ended or ""):
                raise AccountError(f"{name} has no session {ended}")
    with database.read() as connection:
        user = users.by_name(connection, name)
        found = login_sessions.of_user(connection, user, now=moments.now())
    if as_json:
        rows = [
            {
                "id": session.id,
                "agent": session.agent,
                "network": session.network,
                "created": session.created,
                "expires": session.expires,
                "last_seen": session.last_seen,
            }
            for session in found
        ]
        click.echo(json.dumps(rows))
        return
    for session in found:
        click.echo(
            f"{session.id}  {session.agent}  {session.network or 'unknown'}  "
            f"since {_minute(session.created)}  last used {_minute(session.last_seen)}"
        )


def _minute(moment: int) -> str:
    return f"{datetime.fromtimestamp(moment, UTC):%F %R} UTC"
