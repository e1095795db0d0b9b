"""The command ``gateway``: one module for each group of commands.

Exit status: 0 on success, 1 on failure with one clear line on stderr, 2 on wrong
usage.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import Final

import click

from gateway import __version__
from gateway.errors import GatewayError, SettingsError

#: The module and name of each command.  A module is imported only when its command
#: runs: signing a link needs no database.
COMMANDS: Final = {
    "serve": "serve:serve",
    "reload": "reload:reload",
    "sign": "links:sign",
    "inspect": "links:inspect_url",
    "revoke": "revoke:revoke",
    "upload": "upload:upload",
    "shares": "shares:group",
    "audit": "audit:audit",
    "drops": "drops:group",
    "files": "files:files",
    "keys": "keys:keys",
    "secrets": "secrets:secrets",
    "users": "users:group",
    "tokens": "tokens:group",
    "mail": "mail:mail",
    "doctor": "doctor:doctor",
    "db": "db:db",
    "nginx-conf": "nginx_conf:nginx_conf",
    "housekeep": "housekeep:housekeep",
    "fsck": "fsck:fsck",
    "backup": "backup:backup",
    "restore": "backup:restore",
}


class _LazyGroup(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name].partition(":")
        command = getattr(import_module(f"gateway.cli.{module}"), name)
        if not isinstance(command, click.Command):
            raise TypeError(command)
        return command


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="gateway")
def gateway() -> None:
    """Serve private files: Flask decides, nginx delivers.

    Settings come from the environment; docs/settings.md lists them.
    """


def main() -> None:
    """Run the command line; print an error as one clear line and exit with status 1."""
    # Files that the gateway creates are for its user only, whatever the shell's umask.
    os.umask(0o077)
    try:
        gateway.main(prog_name="gateway")
    except SettingsError as error:
        for fault in error.faults:
            click.echo(f"gateway: {fault}", err=True)
        sys.exit(1)
    except UnicodeEncodeError:
        # Arguments are bytes; the catalog and the terminal accept only text.
        click.echo("gateway: an argument or a file name is not valid UTF-8", err=True)
        sys.exit(1)
    except (GatewayError, OSError) as error:
        click.echo(f"gateway: {error}", err=True)
        sys.exit(1)
