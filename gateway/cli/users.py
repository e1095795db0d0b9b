"""``gateway users``: manage user accounts."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import click

from gateway.catalog import login_attempts, login_sessions, tokens, users
from gateway.catalog.users import Role
from gateway.cli import times
from gateway.cli.catalog import open_catalog
from gateway.cli.options import JSON, Id
from gateway.errors import AccountError

_password = click.option(
    "--password",
    prompt=True,
    hide_input=True,
    confirmation_prompt=True,
    help="Set this password; prompted for by default, to keep it out of shell history.",
)


@click.group("users")
def group() -> None:
    """Manage user accounts."""


@group.command("add")
@click.argument("name")
@click.option(
    "--role",
    type=click.Choice([role.value for role in Role]),
    default=Role.MEMBER.value,
    show_default=True,
    help="Admins can list, open, delete and link the uploads of all users.",
)
@_password
@JSON
def add(*, name: str, role: str, password: str, as_json: bool) -> None:
    """Create the user NAME."""
    database, _ = open_catalog()
    password_hash = users.hash_password(password)
    with database.write() as connection:
        users.add(
            connection,
            name=name,
            password_hash=password_hash,
            role=Role(role),
            now=times.now(),
        )
    if as_json:
        click.echo(json.dumps({"name": name, "role": role}))


@group.command("list")
@JSON
def list_users(*, as_json: bool) -> None:
    """List all users.

    Prints name, role and the total size of the uploads.
    """
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
@click.option("--undo", is_flag=True, help="Enable the user again.")
def disable(*, name: str, undo: bool) -> None:
    """Disable the user NAME.

    NAME's sessions, tokens, shares, drop links and signed URLs of uploads stop working.
    """
    database, _ = open_catalog()
    with database.write(may_use_reserve=not undo) as connection:
        user = users.by_name(connection, name)
        users.set_disabled(connection, user, is_disabled=not undo)


@group.command("mail")
@click.argument("name")
@click.option("--off", is_flag=True, help="Stop mails for NAME's shares.")
def mail(*, name: str, off: bool) -> None:
    """Allow or stop mails for NAME's shares.

    Mails are allowed by default. With --off, NAME can still create shares and copy
    their links.
    """
    database, _ = open_catalog()
    with database.write(may_use_reserve=off) as connection:
        user = users.by_name(connection, name)
        users.set_mail(connection, user, may_send_mail=not off)


@group.command("passwd")
@click.argument("name")
@_password
@click.option(
    "--revoke-tokens", is_flag=True, help="Also revoke all bearer tokens of NAME."
)
def passwd(*, name: str, password: str, revoke_tokens: bool) -> None:
    """Set a new password for NAME.

    Ends all of NAME's sessions and clears the failed login attempts.
    """
    database, current = open_catalog()
    password_hash = users.hash_password(password)
    with database.write(may_use_reserve=True) as connection:
        user = users.by_name(connection, name)
        users.set_password(connection, user, password_hash)
        if revoke_tokens:
            tokens.revoke_all(connection, user, now=times.now())
    if user.must_change_password:
        current.first_password.unlink(missing_ok=True)


@group.command("unlock")
@click.argument("name")
def unlock(*, name: str) -> None:
    """Clear NAME's failed login attempts."""
    database, _ = open_catalog()
    with database.write() as connection:
        login_attempts.clear_user(connection, users.by_name(connection, name).id)


@group.command("sessions")
@click.argument("name")
@click.option("--end", "ended", type=Id(), metavar="ID", help="End this session.")
@click.option("--all", "end_all", is_flag=True, help="End all sessions.")
@JSON
def list_sessions(
    *, name: str, ended: str | None, end_all: bool, as_json: bool
) -> None:
    """List or end NAME's sessions.

    Prints id, browser, network, start and last use. With --end or --all, prints the
    remaining sessions.
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
        sessions = login_sessions.of_user(connection, user, now=times.now())
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
            for session in sessions
        ]
        click.echo(json.dumps(rows))
        return
    for session in sessions:
        click.echo(
            f"{session.id}  {session.agent}  {session.network or 'unknown'}  "
            f"since {_minute(session.created)}  last used {_minute(session.last_seen)}"
        )


def _minute(seconds: int) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%F %R} UTC"
